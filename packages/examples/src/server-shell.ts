/**
 * A server that runs each command, or a shell, as a process of this machine with the rights of this one. Without a
 * command the shell reads its commands from the client; Node has no pseudo-terminals to give it.
 */

import { spawn } from 'node:child_process'
import { listen } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)
const acceptedVariables = /^(?:LANG|LC_\w+)$/

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: (client) => {
    // Variables are the client's choice: LD_PRELOAD among them would run what it likes.
    const sent = [...client.env].filter(([name]) => acceptedVariables.test(name))
    const env = { ...process.env, ...Object.fromEntries(sent) }
    const child = spawn('/bin/sh', client.command === undefined ? [] : ['-c', client.command], { env })
    return client.redirect(child)
  },
})
console.log(`listening on port ${server.port}`)
