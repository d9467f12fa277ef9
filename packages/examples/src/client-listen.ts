/** Has the remote host listen on a port, and answers who connects there in this process: here in capitals. */

import { text } from 'node:stream/consumers'
import { connect, lines } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

await using conn = await connect(destination)
await using listener = await conn.startServer(
  async (stream, { originHost }) => {
    stream.write(`you come from ${originHost}\n`)
    for await (const line of lines(stream)) stream.write(`${line.toUpperCase()}\n`)
    stream.end()
  },
  'localhost',
  0,
)

const visitor = await conn.openConnection('localhost', listener.port)
visitor.end('good morning\n')
process.stdout.write(await text(visitor))
