/**
 * `auth-agent@openssh.com` channels as a client answers them: only while a session asked for them (OpenSSH
 * PROTOCOL.agent). What comes over one is for the agent, and nobody here looks at it.
 */

import { type ByteChannel, openFailureReasons } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import type { Incoming, Unregister } from '../connection/incoming.js'
import { pipe } from './pipe.js'

/** Connects to an agent. @throws Error when there is none */
export type AgentConnect = () => Promise<ByteChannel>

/** What one session may do: see {@link AgentForward.grant}. */
export interface AgentGrant {
  /** The session is over. Channels that are open stay. */
  revoke(): void
}

/** Connections to agents at once; a server that opens more wants to use up something. */
const mostConnections = 64

/** Joins a channel to the agent, whose owner it is from then on. Settles once both are closed. */
export type AgentJoin = (channel: ByteChannel, agent: ByteChannel) => Promise<void>

interface Granted {
  readonly connect: AgentConnect
  readonly join: AgentJoin
}

/** The agent channels of one connection. */
export class AgentForward {
  readonly #incoming: Incoming
  readonly #onRefused: (why: string) => void
  /** The last asked for comes last. A server does not say for which session a channel is. */
  readonly #granted = new Set<Granted>()
  #connections = 0
  #unregister: Unregister | undefined

  /** @param onRefused told why the server's side did not get to an agent */
  constructor(incoming: Incoming, onRefused: (why: string) => void = () => {}) {
    this.#incoming = incoming
    this.#onRefused = onRefused
  }

  /**
   * From now on the server may open channels to this agent, each of which gets a connection of its own.
   * @param join default: bytes pass both ways, unread
   */
  grant(connect: AgentConnect, join: AgentJoin = pipe): AgentGrant {
    const granted = { connect, join }
    this.#granted.add(granted)
    this.#unregister ??= this.#incoming.onChannel('auth-agent@openssh.com', (request) => void this.#opened(request))
    return { revoke: () => this.#revoke(granted) }
  }

  #revoke(granted: Granted): void {
    this.#granted.delete(granted)
    if (this.#granted.size > 0) return
    this.#unregister?.()
    this.#unregister = undefined
  }

  async #opened(request: ChannelOpenRequest): Promise<void> {
    const granted = [...this.#granted].at(-1)
    if (granted === undefined || this.#connections >= mostConnections) {
      request.reject(openFailureReasons.resourceShortage, 'too many connections to the agent')
      return
    }
    this.#connections += 1
    try {
      await this.#join(request, granted)
    } catch (error) {
      this.#onRefused(error instanceof Error ? error.message : String(error))
      // Where the agent is, and why it does not answer, is nobody's business on the other side.
      request.reject(openFailureReasons.connectFailed, 'the agent cannot be reached')
    } finally {
      this.#connections -= 1
    }
  }

  async #join(request: ChannelOpenRequest, { connect, join }: Granted): Promise<void> {
    const agent = await connect()
    if (!request.isPending) {
      agent.abort()
      return
    }
    await join(request.accept(), agent).catch(() => {})
  }
}
