/** Displays on this side that stand for those of a client: RFC 4254 §6.3. */

import type { Duplex } from 'node:stream'
import { fromDuplex, ignoreError } from '@ssh/streams'
import { type ByteChannel, channelTypes } from '@ssh/wire'
import { parseIpAddress } from '../config/ip-address.js'
import type { ChannelOpener } from '../connection/channel-open.js'
import { bridge } from '../forwarding/bridge.js'
import {
  encodeX11Authority,
  parseX11Authority,
  replaceX11Entries,
  withoutX11Entries,
  type X11AuthorityEntry,
  type X11Host,
  x11Families,
} from '../forwarding/x11-authority.js'
import { cookieOfRequest, mitMagicCookie } from '../forwarding/x11-cookie.js'
import { largestX11Display, x11BasePort } from '../forwarding/x11-display.js'
import { addressesOf } from '../io/socket-address.js'
import { changeAuthorityFile, makeAuthorityFile } from '../io/x11-authority-file.js'
import { localHostName, machineAddresses } from '../io/x11-display-socket.js'
import { listenX11 } from '../io/x11-listener.js'
import type { Logger } from '../log.js'
import type { SessionServer } from '../session/session-server.js'
import type { X11Request } from '../session/x11-request.js'
import type { X11Settings } from './x11-options.js'

/** A display that stands for a client's, as a session's program is told of it. */
export interface ForwardedX11 {
  /** What DISPLAY is to be, for instance `localhost:10.0`. */
  readonly display: string
  /** What XAUTHORITY is to be: the file with the cookie. */
  readonly authPath: string
}

/** Programs of one session that may be connected at once: a display must not use up all channels of its connection. */
const mostConnections = 256

/** The displays of one connection. */
export class X11Server {
  readonly #opener: ChannelOpener
  readonly #settings: X11Settings
  readonly #logger: Logger | undefined
  readonly #asked = new WeakSet<SessionServer>()

  constructor(opener: ChannelOpener, settings: X11Settings, logger: Logger | undefined) {
    this.#opener = opener
    this.#settings = settings
    this.#logger = logger
  }

  /**
   * Makes a display for a session. It goes away with it: nobody new is let in, and the cookie is gone; programs that are
   * connected stay, as with OpenSSH.
   *
   * @param isPermitted whether the keys that let the user in allow it
   * @returns undefined when that is refused: not allowed, asked for twice, another protocol than MIT-MAGIC-COOKIE-1, or a
   *   cookie that is none
   * @throws X11Error, ConnectError, ConfigParseError, Error when the display or the file of its cookie cannot be made
   */
  async forward(session: SessionServer, request: X11Request, isPermitted: boolean): Promise<ForwardedX11 | undefined> {
    const cookie = cookieOfRequest(request)
    if (!this.#settings.isAllowed || !isPermitted || cookie === undefined || this.#asked.has(session)) return undefined
    this.#asked.add(session)
    const over = new AbortController()
    const undo: (() => unknown)[] = []
    const end = async (): Promise<void> => {
      over.abort()
      for (const step of undo.splice(0).reverse()) await Promise.resolve(step()).catch((error) => this.#failed(error))
    }
    void session.closed.then(end)
    try {
      const display = await this.#listen(request.singleConnection, undo, over.signal)
      const authPath = await this.#writeCookie(display, cookie, undo, over.signal)
      // The session may have ended while its display was made.
      if (over.signal.aborted) await end()
      const host = this.#settings.useLocalhost ? 'localhost' : localHostName()
      return over.signal.aborted ? undefined : { display: `${host}:${display}.${request.screenNumber}`, authPath }
    } catch (error) {
      const hasEnded = over.signal.aborted
      await end()
      if (hasEnded) return undefined
      throw error
    }
  }

  async #listen(isSingle: boolean, undo: (() => unknown)[], signal: AbortSignal): Promise<number> {
    let connections = 0
    let isTaken = false
    // Somebody may come before all addresses are listened on.
    let stop = (): void => {}
    const { displayOffset: offset, useLocalhost } = this.#settings
    const listener = await listenX11(
      {
        basePort: x11BasePort,
        offset,
        last: largestX11Display,
        useLocalhost,
        onConnection: (socket) => {
          if (signal.aborted || isTaken || connections >= mostConnections) {
            socket.on('error', ignoreError)
            socket.destroy()
            return
          }
          if (isSingle) {
            isTaken = true
            stop()
          }
          connections += 1
          void this.#join(socket).finally(() => {
            connections -= 1
          })
        },
        onError: (error) => this.#failed(error),
      },
      signal,
    )
    stop = () => listener.close()
    undo.push(stop)
    if (isTaken) stop()
    return listener.display
  }

  /** Never rejects: one program more or less is nobody's affair but its own. */
  async #join(socket: Duplex): Promise<void> {
    const { remoteAddress: originatorAddress = '', remotePort: originatorPort = 0 } = addressesOf(socket)
    const originator = { originatorAddress, originatorPort }
    await bridge(fromDuplex(socket), (signal) => this.#open(originator, signal)).catch((error: unknown) =>
      this.#logger?.debug({ layer: 'server', event: 'x11-connection-failed', error }),
    )
  }

  #open(
    originator: { readonly originatorAddress: string; readonly originatorPort: number },
    signal: AbortSignal,
  ): Promise<ByteChannel> {
    return new Promise((resolve, reject) => {
      const opening = this.#opener.openChannel(
        'x11',
        channelTypes.encode('x11', originator),
        {},
        {
          onOpen: (channel) => resolve(channel),
          onFailure: reject,
        },
      )
      const cancel = () => {
        opening.cancel()
        reject(signal.reason)
      }
      signal.addEventListener('abort', cancel, { once: true })
    })
  }

  async #writeCookie(
    display: number,
    cookie: Uint8Array,
    undo: (() => unknown)[],
    signal: AbortSignal,
  ): Promise<string> {
    const { authPath } = this.#settings
    const entriesFor = (hosts: readonly X11Host[]): readonly X11AuthorityEntry[] =>
      hosts.map((host) => ({ ...host, display: String(display), protocol: mitMagicCookie, data: cookie }))
    if (authPath === undefined) {
      // In a file of its own the cookie may fit whatever the program calls the host.
      const file = await makeAuthorityFile(encodeX11Authority(entriesFor([localHost(), anyHost])))
      undo.push(() => file.remove())
      return file.path
    }
    const entries = entriesFor(this.#settings.useLocalhost ? [localHost()] : [localHost(), ...ownHosts()])
    const change = (edit: typeof withoutX11Entries | typeof replaceX11Entries, until?: AbortSignal) =>
      changeAuthorityFile(
        authPath,
        (content) => encodeX11Authority(edit(parseX11Authority(content, authPath), entries)),
        until,
      )
    await change(replaceX11Entries, signal)
    undo.push(() => change(withoutX11Entries))
    return authPath
  }

  #failed(error: unknown): void {
    this.#logger?.warn?.({ layer: 'server', event: 'x11-failed', error })
  }
}

/** How programs of this machine call it when they open a display of it. */
function localHost(): X11Host {
  return { family: x11Families.local, address: Buffer.from(localHostName()) }
}

const anyHost: X11Host = { family: x11Families.wild, address: new Uint8Array(0) }

function ownHosts(): readonly X11Host[] {
  return machineAddresses()
    .flatMap((address) => parseIpAddress(address) ?? [])
    .map((address) => ({ family: address.length === 4 ? x11Families.internet : x11Families.internet6, address }))
}
