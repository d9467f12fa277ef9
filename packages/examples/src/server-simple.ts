/**
 * A server that says hello. Needs a host key and the public keys that may log in:
 *
 *     ssh-keygen -t ed25519 -N '' -f ssh_host_ed25519_key && cp ~/.ssh/id_ed25519.pub authorized_keys
 *     server-simple.ts 8022
 */

import { listen } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: (client) => {
    client.stdout.write(`Hello ${client.info.username}, you asked for: ${client.command ?? 'a shell'}\n`)
    client.exit(0)
  },
})
console.log(`listening on port ${server.port}`)
