/**
 * Reaches a web server that only the remote host can see, through a port of this machine (`ssh -L`).
 *
 *     client-forward-local.ts user@host localhost:80
 */

import { connect } from '@ssh/sdk'

const [destination = 'localhost', target = 'localhost:80'] = process.argv.slice(2)
const [host = '', port = ''] = target.split(':')

await using conn = await connect(destination)
await using listener = await conn.forwardLocalPort('localhost', 0, host, Number(port))
const response = await fetch(`http://localhost:${listener.port}/`)
process.stdout.write(await response.text())
