import { memoryChannelPair } from '@ssh/testkit'
import { AbortError } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { Deferred } from '../../src/deferred.js'
import { bridge } from '../../src/forwarding/bridge.js'
import { Collector, pattern } from '../mux-pair.js'

/** A program's connection and the far end of a tunnel, which opens when the test says so. */
function bridged(options: Parameters<typeof memoryChannelPair>[0] = {}) {
  const [program, accepted] = memoryChannelPair(options)
  const [far, target] = memoryChannelPair(options)
  const opening = new Deferred<typeof far>()
  let gone: AbortSignal | undefined
  const over = bridge(accepted, (signal) => {
    gone = signal
    return opening.promise
  })
  over.catch(() => {})
  return { program, far, target, opening, over, accepted, isGone: () => gone?.aborted }
}

describe('a tunnel whose far end is still to be opened', () => {
  test('keeps what the program sends meanwhile, its end too, and no more than its credit', async () => {
    const { program, accepted, far, target, opening, over } = bridged({ windowSize: 1000 })
    const [atProgram, atTarget] = [new Collector(program), new Collector(target)]
    program.write(pattern(3000))
    program.end()
    expect(accepted.unreleased).toBe(1000)
    expect(program.queued).toBe(2000)
    opening.resolve(far)
    await opening.promise
    await Promise.resolve()
    expect(atTarget.bytes).toEqual(Buffer.from(pattern(3000)))
    expect(atTarget.events.at(-1)).toBe('end')
    target.write(pattern(5))
    target.end()
    expect(atProgram.events).toEqual(['data', 'end', 'close'])
    await over
  })

  test('is given up when the program goes away: the opening is told, and nothing failed', async () => {
    const { program, opening, over, isGone } = bridged()
    program.abort()
    expect(isGone()).toBe(true)
    opening.reject(new AbortError())
    await expect(over).resolves.toBeUndefined()
  })

  test('closes a far end that opens after the program went away (trap 38)', async () => {
    const { program, far, target, opening, over } = bridged()
    const atTarget = new Collector(target)
    program.close()
    opening.resolve(far)
    await over
    expect(atTarget.events.at(-1)).toBe('close')
    expect(far.isClosed).toBe(true)
  })

  test("closes the program's connection when the far end cannot be opened, and says why", async () => {
    const { program, opening, over } = bridged()
    const atProgram = new Collector(program)
    program.write(pattern(10))
    opening.reject(new Error('nobody there'))
    await expect(over).rejects.toThrow('nobody there')
    expect(atProgram.events.at(-1)).toBe('close')
  })
})
