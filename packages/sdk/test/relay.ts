/** A relay between a client and a server of a test, whose cable the test can cut, mute and pull out. */

import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export interface Relay {
  readonly port: number
  /** Connections that were made through it so far. */
  readonly accepted: number
  /** Breaks every connection. */
  cut(): void
  /** Passes nothing on any more, and says nothing about it. */
  mute(): void
  /** While true, new connections are broken at once. */
  isPulledOut: boolean
}

/** Listens on a free port of 127.0.0.1 and passes everything on to another one. Ends with the test. */
export async function relayTo(port: number): Promise<Relay> {
  const sockets = new Set<Socket>()
  let accepted = 0
  let isPulledOut = false
  const listening = createServer((client) => {
    if (isPulledOut) {
      client.resetAndDestroy()
      return
    }
    accepted++
    const server = connect(port, '127.0.0.1')
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
    }
    client.pipe(server).pipe(client)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => listening.once('listening', resolve))
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  onTestFinished(async () => {
    cut()
    await new Promise((resolve) => listening.close(resolve))
  })
  return {
    port: (listening.address() as AddressInfo).port,
    get accepted() {
      return accepted
    },
    cut,
    mute() {
      for (const socket of sockets) socket.unpipe().pause()
    },
    get isPulledOut() {
      return isPulledOut
    },
    set isPulledOut(value) {
      isPulledOut = value
    },
  }
}
