/** The contract of ByteChannel (`@ssh/wire`, byte-channel.ts) as tests. */

import { type ByteChannel, type ByteHandlers, concatBytes } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../seeded-random.js'

/** Two connected channels, fresh for each test. */
export interface ConformancePair {
  readonly ends: readonly [ByteChannel, ByteChannel]
  /** The most bytes an end may be handed without releasing any. */
  readonly windowSize: number
  /** Moves what is under way, for pairs that do not move by themselves. Called often. */
  readonly pump?: () => void
  /** Frees what the pair holds. */
  readonly dispose?: () => void | Promise<void>
}

/** What one consumer saw, and a consumer that releases at once unless told to hold. */
class Recorder implements ByteHandlers {
  readonly chunks: Uint8Array[] = []
  readonly events: string[] = []
  readonly closeErrors: (Error | undefined)[] = []
  byteCount = 0
  held = 0
  isHolding = false
  readonly #channel: ByteChannel

  constructor(channel: ByteChannel) {
    this.#channel = channel
  }

  readonly onData = (chunk: Uint8Array): void => {
    // A copy, because the chunk belongs to this consumer only until it is released.
    this.chunks.push(Uint8Array.from(chunk))
    this.byteCount += chunk.length
    if (this.events.at(-1) !== 'data') this.events.push('data')
    if (this.isHolding) this.held += chunk.length
    else this.#channel.release(chunk.length)
  }

  readonly onEnd = (): void => void this.events.push('end')
  readonly onDrain = (): void => void this.events.push('drain')
  readonly onClose = (error?: Error): void => {
    this.events.push('close')
    this.closeErrors.push(error)
  }

  get bytes(): Uint8Array {
    return concatBytes(this.chunks)
  }

  /** Events of the stream's life, without `drain`, which may come at any time. */
  get life(): string[] {
    return this.events.filter(
      (event, index, all) => event !== 'drain' && !(event === 'data' && all[index - 1] === 'drain'),
    )
  }

  releaseHeld(): void {
    const byteCount = this.held
    this.held = 0
    this.isHolding = false
    if (byteCount > 0) this.#channel.release(byteCount)
  }
}

/** Declares the suite. `makePair` is called for every test. */
export function byteChannelConformance(
  implementation: string,
  makePair: () => ConformancePair | Promise<ConformancePair>,
): void {
  const random = seededRandom(implementation)

  /** Runs one test on a pair with a recorder on each end that `attached` names. */
  const onPair = (
    behaviour: string,
    body: (line: TestLine) => Promise<void>,
    { attachLeft = true, attachRight = true } = {},
  ): void => {
    test(behaviour, async () => {
      const pair = await makePair()
      const line = new TestLine(pair)
      try {
        if (attachLeft) line.left.attach(line.leftSaw)
        if (attachRight) line.right.attach(line.rightSaw)
        await body(line)
      } finally {
        line.left.abort()
        line.right.abort()
        await pair.dispose?.()
      }
    })
  }

  describe(`${implementation} is a ByteChannel`, () => {
    onPair('delivers the same bytes in the same order, both ways', async (line) => {
      const down = random.bytes(100_000)
      const up = random.bytes(70_000)
      for (let offset = 0; offset < down.length; offset += 999) line.left.write(down.slice(offset, offset + 999))
      for (let offset = 0; offset < up.length; offset += 7001) line.right.write(up.slice(offset, offset + 7001))
      await line.until(() => line.rightSaw.byteCount >= down.length && line.leftSaw.byteCount >= up.length)
      expect(Buffer.compare(line.rightSaw.bytes, down)).toBe(0)
      expect(Buffer.compare(line.leftSaw.bytes, up)).toBe(0)
    })

    onPair(
      'keeps what arrives before a consumer is attached, and its end',
      async (line) => {
        line.left.write(Buffer.from('early '))
        line.left.write(Buffer.from('bird'))
        line.left.end()
        await line.quiet()
        line.right.attach(line.rightSaw)
        await line.until(() => line.rightSaw.events.includes('end'))
        expect(Buffer.from(line.rightSaw.bytes).toString()).toBe('early bird')
        expect(line.rightSaw.life).toEqual(['data', 'end'])
      },
      { attachRight: false },
    )

    onPair('refuses a second consumer', async (line) => {
      expect(() => line.right.attach({})).toThrow()
    })

    onPair('stops the sender of a consumer that does not release, and goes on when it does', async (line) => {
      line.rightSaw.isHolding = true
      const total = line.windowSize * 2 + 12_345
      const sent = random.bytes(total)
      line.left.write(sent.slice())
      await line.until(() => line.rightSaw.byteCount > 0)
      await line.quiet()
      expect(line.rightSaw.byteCount).toBeLessThanOrEqual(line.windowSize)
      line.rightSaw.releaseHeld()
      await line.until(() => line.rightSaw.byteCount >= total)
      expect(Buffer.compare(line.rightSaw.bytes, sent)).toBe(0)
    })

    onPair('lets the other direction flow while one is stopped', async (line) => {
      line.rightSaw.isHolding = true
      line.left.write(random.bytes(line.windowSize + 1))
      await line.quiet()
      line.right.write(Buffer.from('still here'))
      await line.until(() => line.leftSaw.byteCount >= 10)
      expect(Buffer.from(line.leftSaw.bytes).toString()).toBe('still here')
    })

    onPair(
      'releases for a consumer without onData',
      async (line) => {
        line.right.attach({ onEnd: line.rightSaw.onEnd })
        line.left.write(random.bytes(line.windowSize * 3))
        line.left.end()
        await line.until(() => line.rightSaw.events.includes('end'))
      },
      { attachRight: false },
    )

    onPair('answers false when it holds too much, and calls onDrain once there is room', async (line) => {
      line.rightSaw.isHolding = true
      let written = 0
      const limit = line.windowSize + 64 * 1024 * 1024
      while (line.left.write(new Uint8Array(32 * 1024)) && written < limit) {
        written += 32 * 1024
        await line.turn()
      }
      expect(written).toBeLessThan(limit)
      const drainsBefore = line.leftSaw.events.filter((event) => event === 'drain').length
      line.rightSaw.releaseHeld()
      await line.until(() => line.leftSaw.events.filter((event) => event === 'drain').length > drainsBefore)
      expect(line.left.write(new Uint8Array(1))).toBe(true)
    })

    onPair(
      'may be written to from inside its handlers',
      async (line) => {
        line.right.attach({
          onData: (chunk) => {
            const echo = Uint8Array.from(chunk)
            line.right.release(chunk.length)
            line.right.write(echo)
          },
          onEnd: () => line.right.end(),
        })
        const sent = random.bytes(50_000)
        for (let offset = 0; offset < sent.length; offset += 1234) line.left.write(sent.slice(offset, offset + 1234))
        line.left.end()
        await line.until(() => line.leftSaw.events.includes('end'))
        expect(Buffer.compare(line.leftSaw.bytes, sent)).toBe(0)
      },
      { attachRight: false },
    )

    onPair('ends one direction after everything written before, and leaves the other open', async (line) => {
      line.left.write(Buffer.from('last words'))
      line.left.end()
      line.left.end()
      await line.until(() => line.rightSaw.events.includes('end'))
      expect(Buffer.from(line.rightSaw.bytes).toString()).toBe('last words')
      line.right.write(Buffer.from('answer'))
      await line.until(() => line.leftSaw.byteCount >= 6)
      expect(Buffer.from(line.leftSaw.bytes).toString()).toBe('answer')
      expect(line.rightSaw.life).toEqual(['data', 'end'])
    })

    onPair(
      'sends what is buffered before it closes, and closes both directions once, without an error',
      async (line) => {
        line.left.write(Buffer.from('good'))
        line.left.write(Buffer.from('bye'))
        line.left.close()
        line.left.close()
        await line.until(() => line.rightSaw.events.includes('close') && line.leftSaw.events.includes('close'))
        await line.quiet()
        expect(Buffer.from(line.rightSaw.bytes).toString()).toBe('goodbye')
        expect(line.rightSaw.life.at(-1)).toBe('close')
        expect(line.leftSaw.closeErrors).toEqual([undefined])
        expect(line.rightSaw.closeErrors).toEqual([undefined])
      },
    )

    onPair('closes when both sides have closed at the same time', async (line) => {
      line.left.close()
      line.right.close()
      await line.until(() => line.rightSaw.events.includes('close') && line.leftSaw.events.includes('close'))
      await line.quiet()
      expect(line.leftSaw.closeErrors).toHaveLength(1)
      expect(line.rightSaw.closeErrors).toHaveLength(1)
    })

    onPair('drops what is written after it closed, and says so', async (line) => {
      line.left.close()
      await line.until(() => line.leftSaw.events.includes('close') && line.rightSaw.events.includes('close'))
      const seen = line.rightSaw.byteCount
      expect(line.left.write(Buffer.from('too late'))).toBe(false)
      line.left.end()
      line.left.close()
      line.left.abort(new Error('too late'))
      await line.quiet()
      expect(line.rightSaw.byteCount).toBe(seen)
      expect(line.leftSaw.closeErrors).toEqual([undefined])
    })

    onPair('closes at once when aborted, with the error, and tells nothing afterwards', async (line) => {
      const reason = new Error('enough')
      line.rightSaw.isHolding = true
      line.left.write(random.bytes(line.windowSize * 2))
      line.left.abort(reason)
      line.left.abort(new Error('again'))
      await line.until(() => line.leftSaw.events.includes('close') && line.rightSaw.events.includes('close'))
      line.rightSaw.releaseHeld()
      line.right.write(Buffer.from('anybody?'))
      await line.quiet()
      expect(line.leftSaw.closeErrors).toEqual([reason])
      expect(line.leftSaw.life.at(-1)).toBe('close')
      expect(line.rightSaw.closeErrors).toHaveLength(1)
      expect(line.rightSaw.life.at(-1)).toBe('close')
    })

    onPair(
      'tells a consumer that comes late that the channel has closed',
      async (line) => {
        line.left.write(Buffer.from('note'))
        line.left.close()
        await line.quiet()
        line.right.attach(line.rightSaw)
        await line.until(() => line.rightSaw.events.includes('close'))
        expect(Buffer.from(line.rightSaw.bytes).toString()).toBe('note')
        expect(line.rightSaw.closeErrors).toHaveLength(1)
      },
      { attachRight: false },
    )
  })
}

class TestLine {
  readonly left: ByteChannel
  readonly right: ByteChannel
  readonly leftSaw: Recorder
  readonly rightSaw: Recorder
  readonly windowSize: number
  readonly #pump: () => void

  constructor(pair: ConformancePair) {
    ;[this.left, this.right] = pair.ends
    this.leftSaw = new Recorder(this.left)
    this.rightSaw = new Recorder(this.right)
    this.windowSize = pair.windowSize
    this.#pump = pair.pump ?? (() => {})
  }

  /** One turn of the event loop. */
  async turn(): Promise<void> {
    this.#pump()
    await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** Turns until `condition` holds; vitest's own time limit catches what never does. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.turn()
  }

  /** Enough turns for anything under way in this process to have arrived. */
  async quiet(): Promise<void> {
    for (let turns = 0; turns < 100; turns++) await this.turn()
  }
}
