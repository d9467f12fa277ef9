/**
 * The round trip time of the connection, as the shortest time that an answer ever took.
 *
 * The shortest, because every longer one holds somebody's thinking or a queue. Samples cost nothing: they are replies
 * to requests, confirmations of channels, the first message on a channel we confirmed, and the use of new window.
 */
export class RoundTrip {
  #shortestMs = Number.POSITIVE_INFINITY

  /** Milliseconds; infinite until something was measured. */
  get shortestMs(): number {
    return this.#shortestMs
  }

  /** @param elapsedMs from sending something until the peer's reaction to it arrived */
  sample(elapsedMs: number): void {
    if (elapsedMs < this.#shortestMs) this.#shortestMs = Math.max(0, elapsedMs)
  }
}
