/** The ports of displays that stand for those of clients. */

import type { Socket } from 'node:net'
import { ConnectError, X11Error } from '../errors.js'
import { StreamListener, type StreamListenerHandlers } from './stream-listener.js'

/** Displays that are tried until one is free. */
const mostTries = 1000

export interface X11ListenerOptions {
  /** TCP port of display 0. */
  readonly basePort: number
  /** First display to try. */
  readonly offset: number
  /** Last display that there is. */
  readonly last: number
  /** Both loopback addresses, or every address. */
  readonly useLocalhost: boolean
  onConnection(socket: Socket): void
  onError(error: Error): void
}

/** A display that listens. */
export interface X11Listener {
  /** Its number. */
  readonly display: number
  /** Stops accepting; connections that are open stay. */
  close(): void
}

/**
 * Listens on the first display that nobody uses. With both loopback addresses a display counts as used when one of them
 * is: whoever listens on the other one would be shown the cookies of programs that try it first.
 *
 * @throws X11Error `ERR_SSH_X11_NO_FREE_DISPLAY`
 * @throws ConnectError when listening fails for another reason; AbortError
 */
export async function listenX11(options: X11ListenerOptions, signal: AbortSignal): Promise<X11Listener> {
  const { basePort, offset, useLocalhost } = options
  const last = Math.min(options.last, offset + mostTries - 1)
  const handlers: StreamListenerHandlers = {
    onConnection: (socket) => options.onConnection(socket),
    onError: (error) => options.onError(error),
  }
  for (let display = offset; display <= last; display++) {
    try {
      const where = { host: useLocalhost ? 'localhost' : '', port: basePort + display }
      const listener = await StreamListener.open(where, handlers, signal)
      return { display, close: () => listener.close() }
    } catch (error) {
      if (!(error instanceof ConnectError) || error.details.systemCode !== 'EADDRINUSE') throw error
    }
  }
  throw new X11Error(
    'ERR_SSH_X11_NO_FREE_DISPLAY',
    `No X display from ${offset} to ${last} is free on this machine. Choose others with x11DisplayOffset`,
    { details: { first: offset, last } },
  )
}
