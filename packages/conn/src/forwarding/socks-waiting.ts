/** Programs that have begun a SOCKS request: how many there may be, and for how long. */

import { SshError } from '@ssh/wire'

/** Calls back once, `delayMs` from now. @returns a function that cancels */
export type Schedule = (callback: () => void, delayMs: number) => () => void

/** Requests that are begun and not finished at one proxy. A browser that starts has fewer, and each for a moment. */
const mostWaiting = 256
/** How long a program may take. What it has to say it knows before it connects. */
const defaultTimeoutMs = 30_000

export class SocksWaiting {
  readonly #schedule: Schedule
  readonly #timeoutMs: number
  /** Those that wait longest first. */
  readonly #giveUps = new Set<(error: SshError) => void>()

  /** @param timeoutMs 0: no limit. Default 30 s */
  constructor(schedule: Schedule, timeoutMs = defaultTimeoutMs) {
    this.#schedule = schedule
    this.#timeoutMs = timeoutMs
  }

  /**
   * A program has connected. When there are too many, the one that waits longest has to go: so nobody is kept out by
   * programs that say nothing.
   * @param giveUp called at most once
   * @returns to be called once its request is there, or is not wanted any more
   */
  begin(giveUp: (error: SshError) => void): () => void {
    const timeoutMs = this.#timeoutMs
    const cancel =
      timeoutMs === 0 ? () => {} : this.#schedule(() => giveUp(unfinished(`within ${timeoutMs} ms`)), timeoutMs)
    this.#giveUps.add(giveUp)
    if (this.#giveUps.size > mostWaiting) this.#dropLongest()
    return () => {
      cancel()
      this.#giveUps.delete(giveUp)
    }
  }

  #dropLongest(): void {
    const [longest] = this.#giveUps
    if (longest === undefined) return
    this.#giveUps.delete(longest)
    longest(unfinished(`before ${mostWaiting} others had begun one`))
  }
}

function unfinished(when: string): SshError {
  return new SshError('ERR_SSH_SOCKS_REFUSED', `A program did not finish its request to the SOCKS proxy ${when}`)
}
