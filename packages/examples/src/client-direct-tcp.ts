/**
 * Opens a TCP connection from the remote host, and uses it here as a stream.
 *
 *     client-direct-tcp.ts user@host localhost:80
 */

import { ChannelOpenError, connect, lines } from '@ssh/sdk'

const [destination = 'localhost', target = 'localhost:80'] = process.argv.slice(2)
const [host = '', port = ''] = target.split(':')

await using conn = await connect(destination)
const stream = await conn.openConnection(host, Number(port))
stream.end('HEAD / HTTP/1.0\r\n\r\n')
for await (const line of lines(stream)) {
  console.log(line)
  break
}

try {
  await conn.openConnection(host, 1)
} catch (error) {
  if (!(error instanceof ChannelOpenError)) throw error
  console.log(`port 1: ${error.code}, reason ${error.reasonCode}`)
}
