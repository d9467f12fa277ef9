/** One client of a server, behind its public face: the builder's callbacks, the user once known, the sessions. */

import type { Duplex } from 'node:stream'
import { type ByteChannel, openFailureReasons } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import { Deferred } from '../deferred.js'
import type { Logger } from '../log.js'
import { type LinkHandlers, type LinkOptions, PeerLink } from '../peer-link.js'
import { SessionServer } from '../session/session-server.js'
import type { NegotiatedAlgorithms } from '../transport/negotiate.js'
import type { AuthenticatedUser } from '../userauth/auth-decision.js'
import { type AgentSocket, agentNotLent, listenForAgent, openAgentChannel } from './agent-forwarding.js'
import type { ForwardSettings } from './forwarding/forward-options.js'
import { ServerForwarding } from './forwarding/server-forwarding.js'
import type { Grant } from './server-auth-answers.js'
import type { ServerCallbacks, SessionRequest } from './server-callbacks.js'
import { ServerConnection } from './server-connection.js'
import type { UserPolicy } from './user-policy.js'
import { UserSettings } from './user-settings.js'
import type { X11Server } from './x11-forwarding.js'

type SendBanner = (message: string, languageTag?: string) => void

const unknownType = {
  reasonCode: openFailureReasons.unknownChannelType,
  description: 'this server knows no such channels',
} as const

export class ServerLink extends PeerLink {
  readonly connection: ServerConnection
  /** Makes displays for sessions; undefined until it is known whether there may be any. */
  x11: X11Server | undefined
  /** Whether clients may lend agents, as far as the options say. */
  allowsAgents = true
  readonly forwarding: ServerForwarding
  /** What sshd_config says of the user who logs in, where it is asked. */
  policy: UserPolicy | undefined
  /** What was decided about the user who logs in. */
  readonly userSettings: UserSettings
  /** Undefined before the first key exchange. */
  algorithms: NegotiatedAlgorithms | undefined
  readonly #logger: Logger | undefined
  readonly #authenticated = new Deferred<void>()
  readonly #sessions = new Set<SessionServer>()
  /** Undefined until the builder's factory made them. */
  #callbacks: ServerCallbacks | undefined
  #user: AuthenticatedUser<Grant> | undefined
  #banners: (() => void)[] = []
  #sendBanner: SendBanner | undefined
  #isDraining = false
  /** The client said that it will want no more sessions (OpenSSH PROTOCOL §2.2). */
  #hasAllSessions = false

  constructor(
    socket: Duplex,
    logger: Logger | undefined,
    options: LinkOptions,
    handlers: LinkHandlers,
    settings: ForwardSettings,
  ) {
    super(socket, options, handlers, unknownType)
    this.#logger = logger
    this.userSettings = new UserSettings(logger)
    this.connection = new ServerConnection(this)
    this.forwarding = new ServerForwarding({
      connection: this.connection,
      incoming: this.incoming,
      opener: this.peer.mux,
      settings,
      callbacks: () => this.callbacks,
      logger,
    })
    this.incoming.onChannel('session', (request) => this.#sessionRequested(request))
    this.incoming.onGlobalRequest('no-more-sessions@openssh.com', (request) => {
      this.#hasAllSessions = true
      request.reply(true)
    })
  }

  /** Resolves once the user is in, rejects when the connection ends before. Never an unhandled rejection. */
  get authenticated(): Promise<void> {
    return this.#authenticated.promise
  }

  /** Undefined until the proof was accepted. */
  get user(): AuthenticatedUser<Grant> | undefined {
    return this.#user
  }

  get callbacks(): ServerCallbacks {
    return this.#callbacks ?? {}
  }

  /** The builder's callbacks are there. */
  begin(callbacks: ServerCallbacks): void {
    if (this.isClosed) return
    this.#callbacks = callbacks
    this.notify('connectionMade', () => callbacks.connectionMade?.(this.connection))
  }

  /** Authentication has begun: from now on banners can be sent. */
  authBegins(sendBanner: SendBanner): void {
    this.#sendBanner = sendBanner
    for (const show of this.#banners.splice(0)) show()
  }

  /** Shows text before login, once that has begun. */
  sendBanner(message: string, languageTag?: string): void {
    if (this.#sendBanner === undefined) this.#banners.push(() => this.#sendBanner?.(message, languageTag))
    else this.#sendBanner(message, languageTag)
  }

  /** The proof is accepted; the client is about to be told. */
  userKnown(user: AuthenticatedUser<Grant>): void {
    this.#user = user
  }

  /** The client has been told. */
  userIn(): void {
    this.#authenticated.resolve()
    this.notify('authCompleted', () => this.callbacks.authCompleted?.())
  }

  /** Whoever asked is answered, now or later. */
  #sessionRequested(request: ChannelOpenRequest): void {
    const refuse = (reason: string) => request.reject(openFailureReasons.administrativelyProhibited, reason)
    const { callbacks } = this
    if (callbacks.sessionRequested === undefined) {
      refuse('this server offers no sessions')
    } else if (this.#hasAllSessions) {
      refuse('the client wanted no more sessions')
    } else if (this.#isDraining) {
      refuse('this server is shutting down')
    } else {
      const session: SessionRequest = {
        connection: this.connection,
        accept: (handlers) =>
          this.#addSession(
            new SessionServer(request.accept(), handlers, {
              allowsAgentForwarding: () =>
                this.allowsAgents && this.connection.restrictions.every((key) => key.allowAgentForwarding),
            }),
          ),
        reject: (reason = 'this session is refused') => refuse(reason),
      }
      // A builder's mistake must not take down more than the session it happened in.
      this.notify(
        'sessionRequested',
        () => callbacks.sessionRequested?.(session),
        () => refuse('the server failed to answer'),
      )
    }
  }

  /**
   * A channel to the agent that the client lends.
   * @throws AgentError `ERR_SSH_AGENT_NOT_LENT` when no session that is open has one; as `openAgentChannel`
   */
  async openAgent(signal?: AbortSignal): Promise<ByteChannel> {
    if (this.isClosed) throw this.closedError()
    if (![...this.#sessions].some((session) => session.forwardsAgent)) throw agentNotLent()
    return await openAgentChannel(this.peer.mux, signal)
  }

  /** @throws as `listenForAgent` */
  openAgentSocket(): Promise<AgentSocket> {
    return listenForAgent((signal) => this.openAgent(signal), this.#logger)
  }

  /** Takes no more sessions and forwards nothing new; resolves once no session and no forwarded connection is open. */
  async drain(): Promise<void> {
    this.#isDraining = true
    this.forwarding.drain()
    await this.idle()
    await this.forwarding.idle()
  }

  /** Resolves once no session is open. */
  async idle(): Promise<void> {
    while (this.#sessions.size > 0) await Promise.all([...this.#sessions].map((session) => session.closed))
  }

  /** The connection is over. */
  over(error: Error | undefined): void {
    this.#authenticated.reject(error ?? this.closedError())
    this.forwarding.end(error ?? this.closedError())
    this.notify('connectionLost', () => this.#callbacks?.connectionLost?.(error))
  }

  #addSession(session: SessionServer): SessionServer {
    this.#sessions.add(session)
    session.closed.then(() => this.#sessions.delete(session))
    return session
  }

  /** Calls the builder. What it throws or rejects with goes to the log, and to nobody else. */
  notify(
    callback: keyof ServerCallbacks | 'onConnection' | 'onHandshakeError',
    call: () => unknown,
    onFailure?: () => void,
  ): void {
    const failed = (error: unknown) => {
      this.#logger?.warn?.({ layer: 'server', event: 'callback-failed', callback, error })
      onFailure?.()
    }
    try {
      Promise.resolve(call()).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}
