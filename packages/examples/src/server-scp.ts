/** A server for `scp`, old and new: it speaks SCP and SFTP, keeps everybody in one folder, and runs no command. */

import { mkdir } from 'node:fs/promises'
import { listen } from '@ssh/sdk'

const [port = '8022', folder = 'shared'] = process.argv.slice(2)
await mkdir(folder, { recursive: true })

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  sftpFactory: { root: folder },
  allowScp: true,
})
console.log(`listening on port ${server.port}`)
