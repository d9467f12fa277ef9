/** X11 channels as a client answers them: only while a session asked for them, and only to who knows its cookie. */

import { type ByteChannel, openFailureReasons } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import type { Incoming, Unregister } from '../connection/incoming.js'
import { pipe } from './pipe.js'
import { inventCookie, isSameCookie, mitMagicCookie } from './x11-cookie.js'
import { X11Gate } from './x11-gate.js'
import type { X11Setup } from './x11-setup.js'

/** A display of this side. */
export interface X11Target {
  /** Its real cookie; undefined: it is to be asked without one. */
  readonly cookie: Uint8Array | undefined
  readonly screen: number
  /** Connects to it. @param signal nobody wants it any more @throws Error when nobody listens there */
  connect(signal: AbortSignal): Promise<ByteChannel>
}

/** What one session may do: see {@link X11Client.grant}. */
export interface X11Grant {
  /** Fields of the session's `x11-req` (RFC 4254 §6.3.1). The cookie in it is an invented one. */
  readonly request: {
    readonly singleConnection: boolean
    readonly authenticationProtocol: string
    readonly authenticationCookie: string
    readonly screenNumber: number
  }
  /** The session is over, or was refused: its cookie opens nothing any more. X clients that are connected stay. */
  revoke(): void
}

/** Channels whose client has not said who it is yet; a server that opens more wants to use up something. */
const mostStrangers = 64

interface Granted {
  readonly cookie: Uint8Array
  readonly target: X11Target
  readonly singleConnection: boolean
}

/** The X11 channels of one connection. */
export class X11Client {
  readonly #incoming: Incoming
  readonly #onRefused: (why: string) => void
  readonly #granted = new Set<Granted>()
  #strangers = 0
  #unregister: Unregister | undefined

  /** @param onRefused told why a client of the server's side was not let in */
  constructor(incoming: Incoming, onRefused: (why: string) => void = () => {}) {
    this.#incoming = incoming
    this.#onRefused = onRefused
  }

  /**
   * From now on whoever knows the cookie of the grant may use the display.
   * @param options.singleConnection only the first who comes
   */
  grant(target: X11Target, options: { readonly singleConnection: boolean }): X11Grant {
    const { singleConnection } = options
    const granted = { cookie: inventCookie(), target, singleConnection }
    this.#granted.add(granted)
    this.#unregister ??= this.#incoming.onChannel('x11', (request) => this.#opened(request))
    return {
      request: {
        singleConnection,
        authenticationProtocol: mitMagicCookie,
        authenticationCookie: Buffer.from(granted.cookie).toString('hex'),
        screenNumber: target.screen,
      },
      revoke: () => this.#revoke(granted),
    }
  }

  #revoke(granted: Granted): void {
    this.#granted.delete(granted)
    if (this.#granted.size > 0) return
    this.#unregister?.()
    this.#unregister = undefined
  }

  #opened(request: ChannelOpenRequest): void {
    if (this.#strangers >= mostStrangers) {
      request.reject(openFailureReasons.resourceShortage, 'too many X11 clients have not said who they are')
      return
    }
    this.#strangers += 1
    let isStranger = true
    const gone = new AbortController()
    const known = (): void => {
      if (isStranger) this.#strangers -= 1
      isStranger = false
    }
    const gate = new X11Gate(request.accept(), {
      onSetup: (setup) => {
        known()
        this.#decide(gate, setup, gone.signal)
      },
      onGone: () => {
        if (isStranger) this.#onRefused('it sent no X11 connection setup')
        known()
        gone.abort()
      },
    })
  }

  #decide(gate: X11Gate, setup: X11Setup, gone: AbortSignal): void {
    const granted = this.#find(setup)
    if (granted === undefined) {
      this.#onRefused('it did not know the cookie of a session')
      gate.refuse('X11 forwarding: the authorization is wrong')
      return
    }
    if (granted.singleConnection) this.#revoke(granted)
    void this.#connect(gate, granted.target, gone)
  }

  /** Looks at all of them, so that the time it takes tells nothing. */
  #find({ authorizationProtocol, authorizationData }: X11Setup): Granted | undefined {
    const found = [...this.#granted].filter(({ cookie }) => isSameCookie(cookie, authorizationData))
    return authorizationProtocol === mitMagicCookie ? found[0] : undefined
  }

  async #connect(gate: X11Gate, target: X11Target, gone: AbortSignal): Promise<void> {
    let display: ByteChannel
    try {
      display = await target.connect(gone)
    } catch (error) {
      if (gone.aborted) return
      this.#onRefused(error instanceof Error ? error.message : String(error))
      gate.refuse('X11 forwarding: the display cannot be reached')
      return
    }
    if (gone.aborted) return display.abort()
    const { cookie } = target
    gate.admit({
      authorizationProtocol: cookie === undefined ? '' : mitMagicCookie,
      authorizationData: cookie ?? new Uint8Array(0),
    })
    void pipe(gate, display)
  }
}
