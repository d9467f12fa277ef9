/** The agent of a client that lends it to its session: OpenSSH PROTOCOL.agent. */

import { fromDuplex } from '@ssh/streams'
import { AbortError, type ByteChannel } from '@ssh/wire'
import type { ChannelOpener } from '../connection/channel-open.js'
import { AgentError } from '../errors.js'
import { bridge } from '../forwarding/bridge.js'
import { AgentListener } from '../io/agent-listener.js'
import type { Logger } from '../log.js'

/** A socket at which the programs of a session find the client's agent. */
export interface AgentSocket {
  /** For SSH_AUTH_SOCK. Only the user this process runs as can use it. */
  readonly path: string
  /** Removes the socket, at once; connections that are open stay. */
  close(): void
}

/**
 * Opens a channel to the client's agent.
 * @throws ChannelOpenError when the client refuses: it has no agent any more
 * @throws AbortError when `signal` fires first
 * @throws Error the error that ended the connection
 */
export function openAgentChannel(opener: ChannelOpener, signal?: AbortSignal): Promise<ByteChannel> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new AbortError(signal.reason)
    const onAbort = (): void => {
      opening.cancel()
      reject(new AbortError(signal?.reason))
    }
    const opening = opener.openChannel(
      'auth-agent@openssh.com',
      new Uint8Array(0),
      {},
      {
        onOpen(channel) {
          signal?.removeEventListener('abort', onAbort)
          resolve(channel)
        },
        onFailure(error) {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      },
    )
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/**
 * Makes a socket, each connection to which is one to the client's agent.
 * @param open makes a channel to the agent
 * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED`; Error the system's, when there is no place for the socket
 */
export async function listenForAgent(
  open: (signal: AbortSignal) => Promise<ByteChannel>,
  logger: Logger | undefined,
): Promise<AgentSocket> {
  const onError = (error: unknown): void => logger?.debug({ layer: 'agent', event: 'agent-connection-failed', error })
  return await AgentListener.open({
    onConnection: (socket) => void bridge(fromDuplex(socket), open).catch(onError),
    onError,
  })
}

/** Said to whoever wants an agent that nobody lent. */
export function agentNotLent(): AgentError {
  return new AgentError(
    'ERR_SSH_AGENT_NOT_LENT',
    'The client lends no agent to a session that is open: it did not ask to (ssh -A), the server option ' +
      'agentForwarding is off, or its key has no-agent-forwarding',
  )
}
