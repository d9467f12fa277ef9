/** This SDK's server with SFTP, in a process of its own. Takes host key file and authorized line, prints its port. */

import { listen } from '@ssh/sdk'

const [hostKeyFile = '', authorizedClientKeys = ''] = process.argv.slice(2)
const server = await listen({
  host: '127.0.0.1',
  port: 0,
  serverHostKeys: [hostKeyFile],
  authorizedClientKeys,
  sftpFactory: true,
})
process.stdout.write(`${server.port}\n`)
process.stdin.resume().once('end', () => process.exit(0))
