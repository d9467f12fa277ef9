/** X11 of a process: whether it is asked for, and whether it may fail. */

import type {
  PreparedX11,
  RefusedRequest,
  SessionClient,
  StartOptions,
  X11ForwardingOptions,
  X11Grant,
} from '@ssh/conn'
import type { ParsedProcessOptions } from './process-options.js'

/** Options of a process about X11. */
export type X11ProcessOptions = Pick<
  ParsedProcessOptions,
  'x11Forwarding' | 'x11Display' | 'x11AuthPath' | 'x11SingleConnection' | 'signal'
>

/** Finds a display: `prepareX11` of a connection. */
export type X11Preparer = (options: X11ForwardingOptions) => Promise<PreparedX11>

/** X11 for one process. */
export class ProcessX11 {
  readonly #prepared: PreparedX11 | undefined
  readonly #mayFail: boolean
  #grant: X11Grant | undefined

  private constructor(prepared: PreparedX11 | undefined, mayFail: boolean) {
    this.#prepared = prepared
    this.#mayFail = mayFail
  }

  /**
   * @param prepare absent: the connection has no X11 to offer, as one that is made without `connect`
   * @throws as `prepareX11` of a connection, unless X11 may fail
   */
  static async prepare(options: X11ProcessOptions, prepare: X11Preparer | undefined): Promise<ProcessX11> {
    const { x11Forwarding = false, x11Display, x11AuthPath, x11SingleConnection, signal } = options
    if (x11Forwarding === false || prepare === undefined) return new ProcessX11(undefined, true)
    const mayFail = x11Forwarding === 'ignore-failure'
    try {
      return new ProcessX11(await prepare({ x11Display, x11AuthPath, x11SingleConnection, signal }), mayFail)
    } catch (error) {
      if (!mayFail || signal?.aborted) throw error
      return new ProcessX11(undefined, true)
    }
  }

  /** What to start the session with. Opens the display to it. */
  startOptions(session: SessionClient): Pick<StartOptions, 'x11' | 'required'> {
    this.#grant = this.#prepared?.grantTo(session)
    return { x11: this.#grant?.request, required: this.#mayFail ? ['pty-req'] : ['pty-req', 'x11-req'] }
  }

  /** What the server refused is not to be had through the back door. */
  started(refused: readonly RefusedRequest[]): void {
    if (refused.some(({ requestType }) => requestType === 'x11-req')) this.#grant?.revoke()
  }
}
