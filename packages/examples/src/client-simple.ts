/**
 * Connects, runs a command, prints what it printed.
 *
 *     client-simple.ts user@host
 */

import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
const { stdout } = await conn.run('echo "Hello from $(hostname)"', { check: true })
process.stdout.write(stdout)
