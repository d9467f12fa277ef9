/** Pipes one remote process into another, with back-pressure; they may as well be on two hosts. */

import { pipeline } from 'node:stream/promises'
import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
const source = await conn.createProcess('seq 1 100000')
const sink = await conn.createProcess('tail -n 1')
const [result] = await Promise.all([sink.wait({ check: true }), pipeline(source.stdout, sink.stdin)])
console.log(`the last of them is ${result.stdout.trim()}`)

// The same with the other process's stream as an option, and both error outputs on ours.
const numbers = await conn.createProcess('seq 1 10', { stderr: 'inherit' })
const total = await conn.run(`awk '{ sum += $1 } END { print sum }'`, { stdin: numbers.stdout, stderr: 'inherit' })
console.log(`their sum is ${total.stdout.trim()}`)
