/** Sessions on a connection that is chosen only when they open. */

import type { PreparedX11, SessionClient, X11ForwardingOptions } from '@ssh/conn'
import type { SshClientConnection } from '../client/ssh-client-connection.js'
import type { DefaultsSource, SessionDefaults, SessionFactory } from '../process/create-process.js'

/** Whoever has connections, or makes them. */
export interface ConnectionChooser {
  /** What any one of the connections says of its sessions: all of them say the same. */
  ask<T>(question: (connection: SshClientConnection) => T | Promise<T>, signal: AbortSignal | undefined): Promise<T>
  /** Opens a session on one of the connections; may ask for it again on another one when nothing came of it. */
  use<T>(open: (connection: SshClientConnection) => Promise<T>, signal: AbortSignal | undefined): Promise<T>
}

/** What `runProcess` and `createProcess` need, for one process. */
export interface LateSessions {
  readonly openSession: SessionFactory
  readonly defaults: DefaultsSource
}

/** @param isShort see `openSessionChannel` of a connection: false where another connection may have room */
export function lateSessions(chooser: ConnectionChooser, isShort = false): LateSessions {
  const connections = new WeakMap<object, SshClientConnection>()
  const displays = new WeakMap<object, PreparedX11>()
  let x11: X11ForwardingOptions | undefined
  const openOn = async (
    connection: SshClientConnection,
    options: Parameters<SessionFactory>[0],
  ): Promise<SessionClient> => {
    const session = await connection.openSessionChannel({ ...options, isShort })
    connections.set(session, connection)
    try {
      if (x11 !== undefined) displays.set(session, await connection.prepareX11(x11))
    } catch (error) {
      session.abort()
      throw error
    }
    return session
  }
  return {
    openSession: (options) => chooser.use((connection) => openOn(connection, options), options.signal),
    defaults: (signal) =>
      chooser.ask<SessionDefaults>(
        ({ sessionDefaults }) => ({
          ...sessionDefaults,
          grantAgent: (session, agent) => connections.get(session)?.grantAgent(session, agent),
          prepareX11: async (options) => {
            // Whether there is a display is known before anything is opened; each connection opens it for itself.
            await chooser.ask((connection) => connection.prepareX11(options), options.signal)
            x11 = options
            return { grantTo: (session) => displayOf(displays, session).grantTo(session) }
          },
        }),
        signal,
      ),
  }
}

function displayOf(displays: WeakMap<object, PreparedX11>, session: object): PreparedX11 {
  const display = displays.get(session)
  if (display === undefined) throw new Error('The session was opened without its display')
  return display
}
