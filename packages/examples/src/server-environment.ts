/** A server that shows the variables its client sent. */

import { listen } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  // Others are refused; values are still the client's choice, so look at what you use.
  acceptEnv: ['LANG', 'LC_*'],
  processFactory: (client) => {
    for (const [name, value] of client.env) client.stdout.write(`${name}=${value}\n`)
    client.exit(0)
  },
})
console.log(`listening on port ${server.port}`)
