/** Two ByteChannels joined in memory, with windows: the contract of `@ssh/wire` with nothing underneath. */

import type { ByteChannel, ByteHandlers } from '@ssh/wire'

/** How a pair behaves; the same in both directions. */
export interface MemoryChannelOptions {
  /** Bytes an end takes before it waits for `release`. Default 2 MiB. */
  readonly windowSize?: number
  /** Bytes a sender holds before `write` returns false. Default 64 KiB. */
  readonly highWaterMark?: number
  /**
   * Size of the next chunk handed to `onData`, whatever the sizes that were written: 1 gives single bytes, a function
   * may vary it. Default: chunks arrive as they were written, window permitting.
   */
  readonly chunkSize?: number | (() => number)
  /**
   * When delivery happens. Default: at once, before `write` returns. `queueMicrotask` or `setImmediate` make it later;
   * a function that collects the tasks leaves it to the test.
   */
  readonly schedule?: (task: () => void) => void
}

/** One end, and what a test may want to know about it. */
export interface MemoryChannel extends ByteChannel {
  /** Bytes handed to `onData` and not released yet. */
  readonly unreleased: number
  /** Bytes written here that the other end has not been sent, for want of window. */
  readonly queued: number
  /** Whether `onClose` has been called, or would have been. */
  readonly isClosed: boolean
}

/** Makes two connected ends: what one writes the other is handed. */
export function memoryChannelPair(options: MemoryChannelOptions = {}): [MemoryChannel, MemoryChannel] {
  const line = new Line(options.schedule ?? ((task) => task()))
  const ends: [End, End] = [new End(line, options), new End(line, options)]
  line.join(ends)
  return ends
}

/** Runs deliveries of both ends one after another, so that a handler that writes is never entered again. */
class Line {
  readonly #schedule: (task: () => void) => void
  #ends: readonly End[] = []
  #isScheduled = false
  #isRunning = false

  constructor(schedule: (task: () => void) => void) {
    this.#schedule = schedule
  }

  join(ends: [End, End]): void {
    this.#ends = ends
    ends[0].other = ends[1]
    ends[1].other = ends[0]
  }

  wake(): void {
    if (this.#isScheduled || this.#isRunning) return
    this.#isScheduled = true
    this.#schedule(() => {
      this.#isScheduled = false
      this.#run()
    })
  }

  #run(): void {
    this.#isRunning = true
    try {
      for (let moved = true; moved; ) {
        moved = false
        for (const end of this.#ends) if (end.step()) moved = true
      }
    } finally {
      this.#isRunning = false
    }
  }
}

class End implements MemoryChannel {
  other: End = this
  readonly #line: Line
  readonly #highWaterMark: number
  readonly #nextChunkSize: () => number
  #handlers: ByteHandlers | undefined

  /** Sending: what was written and the other end has no window for yet. */
  #outgoing: Uint8Array[] = []
  #outgoingSize = 0
  #wantsDrain = false
  #hasEnded = false
  #isClosing = false

  /** Receiving: what arrived before anybody was attached, and the credit that is left. */
  #incoming: Uint8Array[] = []
  #window: number
  #unreleased = 0
  #otherHasEnded = false
  #toldEnd = false

  #isOver = false
  #overError: Error | undefined
  #toldClose = false

  constructor(line: Line, options: MemoryChannelOptions) {
    const { windowSize = 2 * 1024 * 1024, highWaterMark = 64 * 1024, chunkSize = Number.POSITIVE_INFINITY } = options
    this.#line = line
    this.#window = windowSize
    this.#highWaterMark = highWaterMark
    this.#nextChunkSize = typeof chunkSize === 'function' ? chunkSize : () => chunkSize
  }

  get unreleased(): number {
    return this.#unreleased
  }

  get queued(): number {
    return this.#outgoingSize
  }

  get isClosed(): boolean {
    return this.#isOver
  }

  attach(handlers: ByteHandlers): void {
    if (this.#handlers !== undefined) throw new Error('A consumer is attached to this channel already')
    this.#handlers = handlers
    this.#line.wake()
  }

  release(byteCount: number): void {
    if (!Number.isInteger(byteCount) || byteCount < 0 || byteCount > this.#unreleased) {
      throw new RangeError(`Released ${byteCount} bytes of ${this.#unreleased} that are held`)
    }
    this.#unreleased -= byteCount
    this.#window += byteCount
    this.#line.wake()
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isOver || this.#isClosing) return false
    if (this.#hasEnded) throw new Error('Written after end')
    if (chunk.length > 0) {
      this.#outgoing.push(chunk)
      this.#outgoingSize += chunk.length
      this.#line.wake()
    }
    if (this.#outgoingSize <= this.#highWaterMark && !this.#isOver) return true
    this.#wantsDrain = true
    return false
  }

  end(): void {
    this.#hasEnded = true
    this.#line.wake()
  }

  close(): void {
    this.#hasEnded = true
    this.#isClosing = true
    this.#line.wake()
  }

  abort(error?: Error): void {
    for (const end of [this, this.other]) {
      if (end.#isOver) continue
      end.#finish(end === this ? error : new Error('The other end aborted'))
      // What arrived and nobody took yet is dropped too, and so is the end that would follow it.
      end.#incoming = []
      end.#toldEnd = true
    }
    this.#line.wake()
  }

  /** Does what can be done now; false when there was nothing to do. */
  step(): boolean {
    return (
      this.#send() ||
      this.#deliver() ||
      this.#tellDrain() ||
      this.#tellEnd() ||
      this.#closeWhenSent() ||
      this.#tellClose()
    )
  }

  #send(): boolean {
    const receiver = this.other
    const [first] = this.#outgoing
    if (first === undefined || receiver.#window === 0 || this.#isOver) return false
    const chunk = takeFrom(this.#outgoing, Math.min(receiver.#window, Math.max(1, this.#nextChunkSize())))
    this.#outgoingSize -= chunk.length
    receiver.#window -= chunk.length
    receiver.#incoming.push(chunk)
    return true
  }

  #deliver(): boolean {
    if (this.#handlers === undefined) return false
    const chunk = this.#incoming.shift()
    if (chunk === undefined) return false
    if (this.#handlers.onData === undefined) {
      this.#window += chunk.length
    } else {
      this.#unreleased += chunk.length
      this.#handlers.onData(chunk)
    }
    return true
  }

  #tellDrain(): boolean {
    if (!this.#wantsDrain || this.#isOver || this.#outgoingSize > this.#highWaterMark) return false
    this.#wantsDrain = false
    this.#handlers?.onDrain?.()
    return true
  }

  #tellEnd(): boolean {
    if (this.#hasEnded && this.#outgoing.length === 0 && !this.other.#otherHasEnded && !this.#isOver) {
      this.other.#otherHasEnded = true
      return true
    }
    const isDue = this.#otherHasEnded && !this.#toldEnd && this.#incoming.length === 0
    if (!isDue || this.#handlers === undefined) return false
    this.#toldEnd = true
    this.#handlers.onEnd?.()
    return true
  }

  #closeWhenSent(): boolean {
    if (this.#isOver || !this.#isClosing || this.#outgoing.length > 0) return false
    this.#finish(undefined)
    this.other.#finish(undefined)
    return true
  }

  #finish(error: Error | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#overError = error
    this.#outgoing = []
    this.#outgoingSize = 0
  }

  #tellClose(): boolean {
    if (!this.#isOver || this.#toldClose || this.#handlers === undefined) return false
    this.#toldClose = true
    this.#handlers.onClose?.(this.#overError)
    return true
  }
}

/** Takes one chunk of at most `limit` bytes off the front of a queue. */
function takeFrom(queue: Uint8Array[], limit: number): Uint8Array {
  const [first = new Uint8Array(0)] = queue
  if (first.length <= limit) {
    queue.shift()
    return first
  }
  queue[0] = first.subarray(limit)
  return first.subarray(0, limit)
}
