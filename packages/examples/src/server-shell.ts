/**
 * A server that runs each command, or a shell, as a process of this machine with the rights of this one; in a terminal
 * when the client has one (`ssh -t`).
 */

import { spawn } from 'node:child_process'
import { listen, spawnPty } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: (client) => {
    const { command, termType, termSize } = client
    // Variables are the client's choice: LD_PRELOAD among them would run what it likes.
    const env = client.childEnv({ accept: ['LANG', 'LC_*'] })
    const args = command === undefined ? [] : ['-c', command]
    if (termType === undefined) return client.redirect(spawn('/bin/sh', args, { env }))
    return client.redirect(spawnPty('/bin/sh', args, { env, termType, ...(termSize && { termSize }) }))
  },
})
console.log(`listening on port ${server.port}`)
