/** A server with a small program for terminals: it tells the size of the client's, also when that changes; q leaves. */

import { listen } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: async (client) => {
    if (client.termSize === undefined) {
      client.stderr.write('This needs a terminal: ssh -t\n')
      return client.exit(1)
    }
    // Single keys, in place of lines that are edited here; then "\n" is not made "\r\n" either.
    client.terminal?.setLineMode(false)
    // Keys as they are typed, and not lines.
    client.terminal?.setLineMode(false)
    const showSize = () => client.stdout.write(`${client.termSize?.rows} ${client.termSize?.columns}\r\n`)
    client.stdout.write(`Your terminal is of type ${client.termType}. Resize it, or type q\r\n`)
    showSize()
    client.on('resize', showSize)
    for await (const keys of client.stdin) if (String(keys).includes('q')) break
    client.exit(0)
  },
})
console.log(`listening on port ${server.port}`)
