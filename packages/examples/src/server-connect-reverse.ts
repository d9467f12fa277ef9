/**
 * Connects to a client that waits for its server, and serves SSH there.
 *
 *     server-connect-reverse.ts control.example:2222
 */

import { connectReverse } from '@ssh/sdk'

const [destination = 'localhost:2222'] = process.argv.slice(2)

const connection = await connectReverse(destination, {
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: (client) => {
    client.stdout.write(`${client.command}: all is well\n`)
    client.exit(0)
  },
})
await connection.closed
