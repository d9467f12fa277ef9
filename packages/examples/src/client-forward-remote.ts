/** Lets the remote host reach a web server of this machine, through a port over there (`ssh -R`). */

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

const web = createServer((_request, response) => response.end('hello from this side\n')).listen(0, '127.0.0.1')
await once(web, 'listening')

await using conn = await connect(destination)
// Port 0: the server chooses one that is free.
await using listener = await conn.forwardRemotePort('localhost', 0, '127.0.0.1', (web.address() as AddressInfo).port)

// From over there, to the port over there: as any program of the remote host would.
const remote = await conn.openConnection('localhost', listener.port)
remote.end('GET / HTTP/1.0\r\n\r\n')
const [, body] = (await text(remote)).split('\r\n\r\n')
process.stdout.write(body ?? '')
web.close()
