/**
 * Somebody in the middle of a TCP connection who slips a packet into the first key exchange, before anything is
 * encrypted: how the prefix truncation attack (CVE-2023-48795) begins. With AES-GCM, whose packets do not depend on
 * sequence numbers, nothing but strict key exchange notices.
 */

import { connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'

export interface Intruder {
  /** Where to connect instead. */
  readonly port: number
  [Symbol.asyncDispose](): Promise<void>
}

/** SSH_MSG_IGNORE with no data, padded to 16 bytes. */
const ignorePacket = Buffer.from('0000000c060200000000000000000000', 'hex')

/** @param towards who gets the packet; nobody, for comparison, with `none` */
export async function startIntruder(serverPort: number, towards: 'client' | 'server' | 'none'): Promise<Intruder> {
  const sockets = new Set<Socket>()
  const listener = createServer((client) => {
    const server = connect(serverPort, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        client.destroy()
        server.destroy()
      })
    }
    relay(client, server, towards === 'server')
    relay(server, client, towards === 'client')
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('The intruder does not listen')
  return {
    port: address.port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

function relay(from: Socket, to: Socket, isIntruding: boolean): void {
  if (isIntruding) from.pipe(insertAfterKexInit()).pipe(to)
  else from.pipe(to)
}

function insertAfterKexInit(): Transform {
  let held: Buffer | undefined = Buffer.alloc(0)
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (held === undefined) return done(null, chunk)
      held = Buffer.concat([held, chunk])
      const start = held.indexOf('\n') + 1
      if (start === 0 || held.length < start + 4) return done()
      const end = start + 4 + held.readUInt32BE(start)
      if (held.length < end) return done()
      const whole = Buffer.concat([held.subarray(0, end), ignorePacket, held.subarray(end)])
      held = undefined
      done(null, whole)
    },
  })
}
