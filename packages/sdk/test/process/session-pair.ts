/** A client's and a server's sessions, joined by two muxes in memory. */

import { Mux, openSession, SessionServer } from '@ssh/conn'
import { concatBytes } from '@ssh/wire'
import type { SessionFactory } from '../../src/process/create-process.js'
import { type ServeProcessOptions, serveProcess } from '../../src/process/serve-process.js'
import type { ServerProcessInfo, SshServerProcess } from '../../src/process/server-process.js'

export interface SessionPair {
  /** What `createProcess` and `runProcess` take. */
  readonly openSession: SessionFactory
  /** The server's sessions, in the order of opening. */
  readonly sessions: SessionServer[]
  /** What handlers and decisions threw. */
  readonly errors: unknown[]
  /** Bytes of data on the wire so far, client to server. */
  readonly bytesUp: () => number
  /** Breaks the connection on both ends. */
  end(error: Error): void
}

type Handler = (process: SshServerProcess<ServerProcessInfo>) => unknown

/** @param handler runs what the client asks for */
export function sessionPair(
  handler: Handler | undefined,
  options: Partial<ServeProcessOptions> & { readonly windowSize?: number } = {},
): SessionPair {
  const { windowSize, ...serveOptions } = options
  const sessions: SessionServer[] = []
  const errors: unknown[] = []
  let bytesUp = 0
  const limits = windowSize === undefined ? {} : { initialWindowSize: windowSize, maximumWindowSize: windowSize }

  const outgoing = { up: [] as Uint8Array[], down: [] as Uint8Array[] }
  let isScheduled = false
  const schedule = () => {
    if (isScheduled) return
    isScheduled = true
    setImmediate(() => {
      isScheduled = false
      while (carry(client, 'up', server) || carry(server, 'down', client));
    })
  }
  const carry = (from: Mux, direction: 'up' | 'down', to: Mux): boolean => {
    let payload = outgoing[direction].shift()
    if (payload === undefined) {
      from.pull((parts) => {
        payload = concatBytes(parts)
        if (direction === 'up') bytesUp += payload.length
      })
    }
    if (payload === undefined) return false
    to.receive(payload)
    return true
  }
  const muxOptions = (direction: 'up' | 'down') => ({
    limits,
    clock: () => 0,
    send(payload: Uint8Array) {
      outgoing[direction].push(payload)
      schedule()
    },
    wake: schedule,
  })
  const client = new Mux(muxOptions('up'))
  const server = new Mux(muxOptions('down'), {
    onChannelOpen(request) {
      const accept = (handlers: ConstructorParameters<typeof SessionServer>[1]) => {
        const session = new SessionServer(request.accept(), handlers)
        sessions.push(session)
        return session
      }
      serveProcess(accept, {
        info: { username: 'tester' },
        handler,
        onError: (error) => errors.push(error),
        ...serveOptions,
      })
    },
  })
  return {
    openSession: (sessionOptions) => openSession(client, sessionOptions),
    sessions,
    errors,
    bytesUp: () => bytesUp,
    end(error) {
      client.end(error)
      server.end(error)
    },
  }
}

/** Runs the command in a real shell, as a simple server would. */
export async function shellHandler(remote: SshServerProcess<ServerProcessInfo>): Promise<void> {
  const { spawn } = await import('node:child_process')
  await remote.redirect(spawn('sh', ['-c', remote.command ?? '']))
}

export const quiet = async (): Promise<void> => {
  for (let turns = 0; turns < 30; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
}
