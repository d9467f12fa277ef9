/** A connection that comes back when it breaks, with the port it forwards. */

import { createReconnecting } from '@ssh/sdk'

const [destination = 'localhost', target = 'localhost:80'] = process.argv.slice(2)
const [host = '', port = ''] = target.split(':')

await using link = createReconnecting(destination, { maxDelay: '10s' })
link.on('disconnect', (error) => console.log(`the connection broke: ${error?.message}`))
const listener = await link.forwardLocalPort('localhost', 0, host, Number(port))
const get = async () => (await fetch(`http://localhost:${listener.port}/`, { headers: { connection: 'close' } })).text()
process.stdout.write(await get())

// As if the network had failed: what runs now would fail, and what comes later waits for the new connection.
const connection = await link.connected
connection.abort(new Error('pulled the plug'))
process.stdout.write(await get())
