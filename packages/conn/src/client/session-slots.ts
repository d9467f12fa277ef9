/**
 * Servers cap the sessions of a connection (sshd's MaxSessions, 10 by default) and refuse more. A refusal while short
 * sessions are open is no reason to fail: they end by themselves, and the next one takes their place.
 */

import { ChannelOpenError } from '../errors.js'

/** The part of a session that slots need to know. */
export interface SlotHolder {
  readonly closed: Promise<void>
}

export class SessionSlots {
  #shortOpen = 0
  readonly #waiting: (() => void)[] = []

  /**
   * Opens a session, waiting for others to end when the server refuses it for their number.
   * @param isShort whether this session ends by itself soon, as a command that is run to its end
   * @param open makes one attempt
   * @throws ChannelOpenError when the server refuses and no short session is open that could make room
   */
  async open<S extends SlotHolder>(isShort: boolean, open: () => Promise<S>): Promise<S> {
    for (;;) {
      try {
        const session = await open()
        this.#hold(session, isShort)
        return session
      } catch (error) {
        if (!mayRetryLater(error) || this.#shortOpen === 0) throw error
        await new Promise<void>((resolve) => this.#waiting.push(resolve))
      }
    }
  }

  #hold(session: SlotHolder, isShort: boolean): void {
    if (isShort) this.#shortOpen++
    const release = () => {
      if (isShort) this.#shortOpen--
      // One place is free for one; but with no short session left, the others would wait for nothing.
      const woken = this.#shortOpen === 0 ? this.#waiting.splice(0) : this.#waiting.splice(0, 1)
      for (const wake of woken) wake()
    }
    session.closed.then(release, release)
  }
}

function mayRetryLater(error: unknown): boolean {
  return error instanceof ChannelOpenError && error.details.mayRetryLater === true
}
