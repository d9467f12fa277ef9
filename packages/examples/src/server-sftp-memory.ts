/** An SFTP server whose files are in memory: all clients see the same tree, and it ends with this process. */

import { listen, MemoryHandler } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)
const files = new MemoryHandler({ maximumFileSize: 10 * 1024 * 1024 })

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  sftpFactory: () => files,
})
console.log(`listening on port ${server.port}`)
