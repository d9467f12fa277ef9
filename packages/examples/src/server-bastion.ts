/**
 * A bastion: users log in here, and are let through to inner hosts, by name, over connections that only the bastion can
 * make. `ssh -J ada@bastion:8022 ada@inner` works through it, and nothing else does.
 *
 *     server-bastion.ts 8022 user@inner:22
 */

import { connect, listen } from '@ssh/sdk'

const [port = '8022', inner = 'localhost'] = process.argv.slice(2)
const gateway = await connect(inner)

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  serverFactory: (connection) => ({
    // What is asked for is asked of the inner connection: its server connects, and this process only carries bytes.
    connectionRequested: (destHost, destPort) => {
      console.error(`${connection.info.username} to ${destHost} port ${destPort}`)
      return destHost === 'localhost' && gateway
    },
    sessionRequested: () => false,
  }),
})
console.log(`listening on port ${server.port}`)
