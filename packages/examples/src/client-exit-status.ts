/** A command that fails is an ordinary result: look at its status, or the signal that ended it. */

import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
const failed = await conn.run('echo "no such thing" >&2; exit 3')
console.log(`status ${failed.exitStatus}, standard error: ${failed.stderr.trim()}`)

const killed = await conn.run('kill -TERM $$')
console.log(`status ${killed.exitStatus}, signal ${killed.exitSignal?.name}, returncode ${killed.returncode}`)

const sleeping = await conn.createProcess('exec sleep 60')
sleeping.kill('SIGINT')
const { exitSignal } = await sleeping.wait()
console.log(`interrupted: ${exitSignal?.name}`)
