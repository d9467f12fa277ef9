/**
 * A server that forwards ports, by rules of its own: `ssh -L` to web servers of this machine, `ssh -R` to ports above
 * 1024, and a port that this program answers itself.
 */

import { ChannelOpenError, listen } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)
const loopback = new Set(['localhost', '127.0.0.1', '::1'])

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  serverFactory: () => ({
    connectionRequested: (destHost, destPort) => {
      // Nobody need listen there: this handler is the server.
      if (destHost === 'clock.internal') return (stream) => stream.end(`${new Date().getFullYear()}\n`)
      if (loopback.has(destHost)) return true
      throw new ChannelOpenError(1, `only this machine can be reached, not ${destHost} port ${destPort}`)
    },
    serverRequested: (_listenHost, listenPort) => listenPort === 0 || listenPort > 1024,
  }),
})
console.log(`listening on port ${server.port}`)
