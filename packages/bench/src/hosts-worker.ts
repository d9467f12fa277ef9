/** Servers of this SDK that play many hosts. Takes host key file and authorized line, prints their ports as JSON. */

import { listen } from '@ssh/sdk'

const count = 8
const [hostKeyFile = '', authorizedClientKeys = ''] = process.argv.slice(2)
const servers = await Promise.all(
  Array.from({ length: count }, () =>
    listen({
      host: '127.0.0.1',
      port: 0,
      serverHostKeys: [hostKeyFile],
      authorizedClientKeys,
      processFactory: (remote) => {
        remote.stdout.end(remote.info.username)
        remote.exit(0)
      },
    }),
  ),
)
process.stdout.write(`${JSON.stringify(servers.map(({ port }) => port))}\n`)
process.stdin.resume().once('end', () => process.exit(0))
