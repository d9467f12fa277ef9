/**
 * A chat room for any number of terminals: `ssh -t`. Lines are edited by the server, and what others say appears above
 * the line that is being typed.
 */

import { lines, listen, type ServerProcess } from '@ssh/sdk'

const [port = '8022'] = process.argv.slice(2)
const room = new Map<string, ServerProcess>()
/** Bytes that may wait for somebody who does not read. */
const patience = 64 * 1024

function tell(text: string, except?: string): void {
  for (const [name, { stdout }] of room) {
    if (name === except) continue
    // Whoever does not keep up misses something, and keeps nobody waiting.
    if (stdout.writableLength < patience) stdout.write(`${text}\n`)
  }
}

async function chat(client: ServerProcess): Promise<void> {
  const name = client.info.username
  if (room.has(name)) {
    client.stdout.write(`There is a ${name} already\n`)
    return client.exit(1)
  }
  client.stdout.write(`Welcome ${name}, ${room.size} others are here\n`)
  tell(`*** ${name} has come`)
  room.set(name, client)
  try {
    for await (const line of lines(client.stdin)) tell(`${name}: ${line}`, name)
  } finally {
    room.delete(name)
    tell(`*** ${name} has left`)
  }
  client.exit(0)
}

const server = await listen({
  host: '127.0.0.1',
  port: Number(port),
  serverHostKeys: ['ssh_host_ed25519_key'],
  authorizedClientKeys: 'authorized_keys',
  processFactory: chat,
})
console.log(`listening on port ${server.port}`)
