import { describe, expect, it } from 'vitest'
import { ciphers, noneOpener, noneSealer } from '../../src/index.js'
import { buildPacket, openPacket } from './packets.js'

describe('packets before the first NEWKEYS', () => {
  it('pass as they are', () => {
    const packet = buildPacket(Buffer.from('payload'), noneSealer)
    const copy = Buffer.from(packet)
    const sealed = noneSealer.seal(packet, 0)
    expect(sealed.equals(copy)).toBe(true)
    expect(sealed.length % 8).toBe(0)
    expect(Buffer.from(openPacket(noneOpener, sealed, 0)).equals(copy.subarray(4))).toBe(true)
  })

  it('have their length read unsigned, and may be empty', () => {
    expect(noneOpener.openLength(Buffer.from('ffffffff', 'hex'), 0)).toBe(0xffffffff)
    expect(noneOpener.open(Buffer.alloc(4), 0)).toHaveLength(0)
    expect(noneOpener.open(Buffer.alloc(0), 0)).toHaveLength(0)
  })

  it('can never be negotiated', () => {
    expect(ciphers.has('none')).toBe(false)
  })
})
