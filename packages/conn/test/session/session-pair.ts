/** A client's and a server's half of one session, joined in memory. */

import { type OpenSessionOptions, openSession } from '../../src/session/open-session.js'
import type { SessionClient } from '../../src/session/session-client.js'
import {
  SessionServer,
  type SessionServerHandlers,
  type SessionServerOptions,
} from '../../src/session/session-server.js'
import { type MuxPair, muxPair } from '../mux-pair.js'

/** Everything is allowed unless `handlers` says otherwise. */
export const permissive: SessionServerHandlers = {
  onPty: () => true,
  onEnv: () => true,
  onShell: () => true,
  onExec: () => true,
  onSubsystem: () => true,
  onAgentForwarding: () => true,
  onX11: () => true,
  onBreak: () => true,
}

export interface Session {
  readonly pair: MuxPair
  readonly client: SessionClient
  readonly server: SessionServer
  /** Waits for `promise` while carrying messages both ways. */
  settle<T>(promise: Promise<T>): Promise<T>
}

export async function sessionPair(
  handlers: SessionServerHandlers = permissive,
  client: OpenSessionOptions = {},
  server: SessionServerOptions = {},
): Promise<Session> {
  const accepted: SessionServer[] = []
  const pair = muxPair(
    {},
    {
      handlers: {
        onChannelOpen: (request) => void accepted.push(new SessionServer(request.accept(), handlers, server)),
      },
    },
  )
  const opening = openSession(pair.client.mux, client)
  pair.flow()
  const opened = await opening
  const [half] = accepted
  if (half === undefined) throw new Error('The session was not accepted')
  return { pair, client: opened, server: half, settle: (promise) => settle(pair, promise) }
}

/** Carries messages until `promise` settled; decisions may take a few turns of the microtask queue. */
export async function settle<T>(pair: MuxPair, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const done = promise.finally(() => {
    isSettled = true
  })
  done.catch(() => {})
  for (let turn = 0; turn < 100 && !isSettled; turn++) {
    pair.flow()
    await Promise.resolve()
  }
  return done
}
