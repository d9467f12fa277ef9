/** One place that is listened on for a client, from the moment it asked. */

import { channelTypes, tcpipForwardReply } from '@ssh/wire'
import { Deferred } from '../../deferred.js'
import type { ForwardOrigin } from '../../forwarding/forward-info.js'
import type { OnwardListener } from './forward-answers.js'

/** The place as it turned out: which port it is, and how the client is told of a connection to it. */
export interface Place {
  readonly key: string
  /** 0 for a Unix socket. */
  readonly port: number
  readonly channelType: 'forwarded-tcpip' | 'forwarded-streamlocal@openssh.com'
  /** Response-specific part of the reply to the request. */
  readonly reply: Uint8Array | undefined
  typeData(origin: ForwardOrigin): Uint8Array
}

/**
 * @param host as the client wrote it, since it compares
 * @param isChosen whether the client left the port to us
 */
export function portPlace(host: string, port: number, isChosen: boolean): Place {
  return {
    key: portKey(host, port),
    port,
    channelType: 'forwarded-tcpip',
    reply: isChosen ? tcpipForwardReply.encode({ boundPort: port }) : undefined,
    typeData: ({ originHost, originPort }) =>
      channelTypes.encode('forwarded-tcpip', {
        connectedAddress: host,
        connectedPort: port,
        originatorAddress: originHost,
        originatorPort: originPort,
      }),
  }
}

export function pathPlace(path: string): Place {
  return {
    key: pathKey(path),
    port: 0,
    channelType: 'forwarded-streamlocal@openssh.com',
    reply: undefined,
    typeData: () =>
      channelTypes.encode('forwarded-streamlocal@openssh.com', { socketPath: path, reserved: new Uint8Array(0) }),
  }
}

/** What tells one place from another. */
export function portKey(host: string, port: number): string {
  return `port ${port} ${host.toLowerCase()}`
}

export function pathKey(path: string): string {
  return `path ${path}`
}

export class Forward {
  readonly #place = new Deferred<Place>()
  readonly #closing = new AbortController()
  #listener: OnwardListener | undefined

  /** Where it listens, once that is so; rejects when it is closed before. */
  get place(): Promise<Place> {
    return this.#place.promise
  }

  /** Aborts when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** There is a listener; when the client has cancelled meanwhile, that is closed. */
  listensBy(listener: OnwardListener): void {
    this.#listener = listener
    if (this.closing.aborted) this.#closeListener()
  }

  /** The client has been told. */
  isAt(place: Place): void {
    this.#place.resolve(place)
  }

  /** Stops listening. What is open stays open. */
  close(): void {
    if (this.closing.aborted) return
    this.#closing.abort()
    this.#place.reject(new Error('The client does not want to listen there any more'))
    this.#closeListener()
  }

  #closeListener(): void {
    const listener = this.#listener
    if (listener === undefined) return
    // A builder's listener may fail as it likes; it is not wanted any more in any case.
    new Promise((resolve) => resolve(listener.close())).catch(() => {})
  }
}
