import { describe, expect, it, vi } from 'vitest'
import { moveInto } from '../../src/ciphers/spent-memory.js'

/** Bytes whose memory tells that it is given back, as it would from Node 22 on. */
function telling(length: number, memoryLength = length) {
  const buffer = new ArrayBuffer(memoryLength)
  const transfer = vi.fn()
  Object.assign(buffer, { transfer })
  return { bytes: new Uint8Array(buffer, 0, length).fill(7), transfer }
}

describe('spent memory', () => {
  it('is given back once it is copied', () => {
    const { bytes, transfer } = telling(10_000)
    const target = new Uint8Array(10_010)
    moveInto(target, bytes, 10)
    expect(target.subarray(0, 11)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7))
    expect(target.at(-1)).toBe(7)
    expect(transfer.mock.contexts).toEqual([bytes.buffer])
    expect(transfer.mock.calls).toEqual([[0]])
  })

  it('is left alone where it is little, where it holds something else, and where it is the target itself', () => {
    const little = telling(100)
    moveInto(new Uint8Array(100), little.bytes, 0)
    const pooled = telling(10_000, 20_000)
    moveInto(new Uint8Array(10_000), pooled.bytes, 0)
    const same = telling(10_000)
    moveInto(same.bytes, same.bytes, 0)
    for (const { transfer } of [little, pooled, same]) expect(transfer).not.toHaveBeenCalled()
  })

  it('is left to the garbage collector by runtimes that cannot give it back', () => {
    const bytes = new Uint8Array(10_000).fill(1)
    Object.assign(bytes.buffer, { transfer: undefined })
    const target = new Uint8Array(10_000)
    moveInto(target, bytes, 0)
    expect(target).toEqual(bytes)
  })
})
