/** The forwarded connections of one client. */

import { LingeringSockets } from '../../io/lingering-sockets.js'

export class Tunnels {
  /** Sockets that they lead to, or come from. */
  readonly sockets = new LingeringSockets()
  readonly #limit: number
  #count = 0
  #onIdle: (() => void)[] = []

  /** @param limit tunnels at once, those included that are being opened */
  constructor(limit: number) {
    this.#limit = limit
  }

  get isFull(): boolean {
    return this.#count >= this.#limit
  }

  /** Counts a tunnel until `work` settles. */
  async occupy(work: () => Promise<void>): Promise<void> {
    this.#count++
    try {
      await work()
    } finally {
      this.#count--
      if (this.#count === 0) for (const tell of this.#onIdle.splice(0)) tell()
    }
  }

  /** Resolves once none is open, nor being opened. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => void this.#onIdle.push(resolve))
  }
}
