/**
 * Servers cap the sessions of a connection (sshd's MaxSessions, 10 by default) and refuse more. A refusal while short
 * sessions are open is no reason to fail: they end by themselves, and the next one takes their place.
 */

import { AbortError } from '@ssh/wire'
import { ChannelOpenError } from '../errors.js'

/** The part of a session that slots need to know. */
export interface SlotHolder {
  readonly closed: Promise<void>
}

export class SessionSlots {
  /** Short sessions that are open, or asked for: a server may refuse one before it accepts the one asked for earlier. */
  #shortOnes = 0
  /** Sessions that have ended so far. */
  #ended = 0
  /** How many had ended when the last attempt was made that the server refused. */
  #endedBeforeRefusal = 0
  /** Wakes those who wait for room, first come first served. */
  readonly #waiting = new Set<() => void>()

  /**
   * Opens a session, waiting for others to end when the server refuses it for their number.
   * @param isShort whether this session ends by itself soon, as a command that is run to its end
   * @param signal ends the wait
   * @param open makes one attempt
   * @throws ChannelOpenError when the server refuses and there is no short session that could make room
   * @throws AbortError
   */
  async open<S extends SlotHolder>(
    isShort: boolean,
    signal: AbortSignal | undefined,
    open: () => S | Promise<S>,
  ): Promise<S> {
    try {
      for (;;) {
        const ended = this.#ended
        const known = this.#endedBeforeRefusal
        if (isShort) this.#shortOnes++
        // What an answer leads to is done at once: a session that ends meanwhile would wake nobody.
        try {
          return this.#hold(await open(), isShort)
        } catch (error) {
          if (isShort) this.#shortOnes--
          if (!mayRetryLater(error)) throw error
          this.#endedBeforeRefusal = Math.max(this.#endedBeforeRefusal, ended)
          // OpenSSH makes room for another session only once it has handled every packet that it read together with
          // the end of the one before: an attempt on the heels of an end says nothing, the next one does.
          if (this.#ended > known) continue
          if (this.#shortOnes === 0) throw error
          await this.#room(signal)
        }
      }
    } catch (error) {
      // The room that this one was woken for is still there.
      this.#wakeNext()
      throw error
    }
  }

  #room(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new AbortError(signal.reason)
      const leave = () => {
        signal?.removeEventListener('abort', onAbort)
        this.#waiting.delete(onRoom)
      }
      const onRoom = () => {
        leave()
        resolve()
      }
      const onAbort = () => {
        leave()
        reject(new AbortError(signal?.reason))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(onRoom)
    })
  }

  #hold<S extends SlotHolder>(session: S, isShort: boolean): S {
    const release = () => {
      this.#ended++
      if (isShort) this.#shortOnes--
      this.#wakeNext()
      // With no short session left, the others would wait for nothing.
      if (this.#shortOnes === 0) for (const wake of [...this.#waiting]) wake()
    }
    session.closed.then(release, release)
    return session
  }

  #wakeNext(): void {
    const [wake] = this.#waiting
    wake?.()
  }
}

function mayRetryLater(error: unknown): boolean {
  return error instanceof ChannelOpenError && error.details.mayRetryLater === true
}
