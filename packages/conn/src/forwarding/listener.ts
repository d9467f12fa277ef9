/** What a forwarded port or path is to whoever asked for it: where it listens, and its end. */

import { Deferred } from '../deferred.js'

/** One address that is listened on. */
export interface ListenAddress {
  /** As asked for on the far side of a connection, numeric on this one; empty or `0.0.0.0` or `::` mean every address. */
  readonly address: string
  readonly port: number
}

/** What a {@link Listener} is made of. */
export interface ListenerParts {
  /** Empty for a Unix socket. */
  readonly addresses: readonly ListenAddress[]
  /** Path of a Unix socket. */
  readonly path?: string | undefined
  /** Tunnels that are open. */
  connections(): number
  /** Whether it keeps the process alive while it listens. Absent: it is the other end that listens. */
  keepProcessAlive?(keep: boolean): void
  /** Stops accepting. Called once; what it throws or rejects with goes nowhere, as a listener that is gone is gone. */
  stop(): void | Promise<void>
}

/**
 * A port or path that is listened on, here or by the server, and forwarded.
 *
 * It ends with its connection. No promise of it ever rejects.
 */
export class Listener {
  readonly #parts: ListenerParts
  readonly #closed = new Deferred<void>()
  #isClosed = false

  constructor(parts: ListenerParts) {
    this.#parts = parts
  }

  /** The port, the real one where 0 was asked for; 0 for a Unix socket. */
  get port(): number {
    return this.#parts.addresses[0]?.port ?? 0
  }

  /** Where it listens, all on one port; empty for a Unix socket. */
  get addresses(): readonly ListenAddress[] {
    return this.#parts.addresses
  }

  /** The path of a Unix socket. */
  get path(): string | undefined {
    return this.#parts.path
  }

  /** Tunnels that are open, those included that are still being opened. */
  get connections(): number {
    return this.#parts.connections()
  }

  /** Whether it was told to stop. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Resolves when it has stopped accepting: it was closed, or its connection ended. */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** Keeps the process alive while it listens here (the default, unless its connection was told not to). */
  ref(): this {
    this.#parts.keepProcessAlive?.(true)
    return this
  }

  /**
   * Lets the process exit although it listens here; a port of the server never keeps it alive. Tunnels that are open do,
   * as sockets of a `net.Server` do.
   */
  unref(): this {
    this.#parts.keepProcessAlive?.(false)
    return this
  }

  /** Stops accepting; tunnels that are open go on. Resolves once nothing listens any more. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      const done = () => this.#closed.resolve()
      new Promise<void>((resolve) => resolve(this.#parts.stop())).then(done, done)
    }
    return this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
