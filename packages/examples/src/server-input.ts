/** A server that reads numbers, one on a line, and tells their sum when there are no more. */

import { lines, listen } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: async (client) => {
    client.stdout.write('Enter numbers, one on a line, or an empty line when done:\n')
    let sum = 0
    for await (const line of lines(client.stdin)) {
      if (line === '') break
      const number = Number(line)
      if (Number.isFinite(number)) sum += number
      else client.stderr.write(`no number: ${line}\n`)
    }
    client.stdout.write(`Their sum is ${sum}\n`)
    client.exit(0)
  },
})
console.log(`listening on port ${server.port}`)
