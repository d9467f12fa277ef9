/** An SFTP server that gives each user a folder of their own, and no way out of it. */

import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { listen, SftpError } from '@ssh/sdk'

const [port = '8022', folder = 'homes'] = process.argv.slice(2)

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  sftpFactory: async ({ username }) => {
    // A user name is whatever the client says it is: "../.." must not become a folder.
    if (!/^[a-z][a-z0-9-]*$/.test(username)) throw new SftpError('EACCES', 'This user has no folder')
    const root = join(resolve(folder), username)
    await mkdir(root, { recursive: true })
    return { root }
  },
})
console.log(`listening on port ${server.port}`)
