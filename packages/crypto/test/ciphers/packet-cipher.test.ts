/** What every cipher must do, with every MAC it can go with: both registries drive the list. */

import { seededRandom } from '@ssh/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CipherAlgorithm, ciphers, type MacAlgorithm, macs } from '../../src/index.js'
import { buildPacket, cryptoErrorCode, openPacket } from './packets.js'

const integrity = 'ERR_SSH_CRYPTO_INTEGRITY'

function combinations(): { name: string; cipher: CipherAlgorithm; mac?: MacAlgorithm }[] {
  return ciphers.rows.flatMap((cipher) =>
    cipher.isAead
      ? [{ name: cipher.name, cipher }]
      : macs.rows.map((mac) => ({ name: `${cipher.name} with ${mac.name}`, cipher, mac })),
  )
}

it('covers every cipher and every MAC', () => {
  expect(combinations()).toHaveLength(3 + 3 * 6)
})

describe.each(combinations())('$name', ({ name, cipher, mac }) => {
  const random = seededRandom(name)
  const key = random.bytes(cipher.keyLength)
  const iv = random.bytes(cipher.ivLength)
  const macKey = random.bytes(mac?.keyLength ?? 0)
  const sealer = () => cipher.createSealer(key, iv, mac?.create(macKey))
  const opener = () => cipher.createOpener(key, iv, mac?.create(macKey))

  it('states the same facts in both directions, and such as a packet layer can work with', () => {
    const [out, into] = [sealer(), opener()]
    expect([into.blockSize, into.lengthIsAligned, into.tagLength]).toEqual([
      out.blockSize,
      out.lengthIsAligned,
      out.tagLength,
    ])
    expect(out.blockSize).toBe(cipher.blockSize)
    expect(out.blockSize).toBeGreaterThanOrEqual(8)
    expect(out.tagLength).toBe(mac?.length ?? 16)
    expect(out.lengthIsAligned).toBe(mac !== undefined && !mac.isEncryptThenMac)
    expect(into.headLength).toBe(out.lengthIsAligned ? out.blockSize : 4)
    expect(cipher.rekeyAfterBytes).toBeGreaterThanOrEqual(2 ** 30)
  })

  it('gives back what was sealed, packet after packet, at every size', () => {
    const [out, into] = [sealer(), opener()]
    const sizes = [...Array(70).keys(), 255, 256, 1000, 4095, 32_768, 35_000, 262_144 - 64, 1]
    for (const [index, size] of sizes.entries()) {
      const packet = buildPacket(random.bytes(size), out)
      const plain = Buffer.from(packet.subarray(4, packet.length - out.tagLength))
      const sealed = out.seal(packet, index)
      expect(sealed.length).toBe(4 + plain.length + out.tagLength)
      if (size >= 32) expect(sealed.includes(plain.subarray(1, 33))).toBe(false)
      expect(plain.equals(openPacket(into, sealed, index))).toBe(true)
    }
  })

  it('never seals the same packet to the same bytes twice', () => {
    const out = sealer()
    const sealed = Array.from({ length: 50 }, (_, index) => out.seal(buildPacket(Buffer.alloc(20), out), index))
    expect(new Set(sealed.map((packet) => packet.toString('hex'))).size).toBe(50)
  })

  it('works up to the last sequence number', () => {
    const [out, into] = [sealer(), opener()]
    for (const sequenceNumber of [0x7fffffff, 0x80000000, 0xffffffff, 0]) {
      const sealed = out.seal(buildPacket(Buffer.from('payload'), out), sequenceNumber)
      expect(Buffer.from(openPacket(into, sealed, sequenceNumber)).toString('latin1')).toContain('payload')
    }
  })

  it('refuses a packet with any one bit changed, in the length, the body or the tag', () => {
    const out = sealer()
    const sealed = out.seal(buildPacket(Buffer.from('attack at dawn'), out), 3)
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Buffer.from(sealed)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const into = opener()
      into.openLength(changed.subarray(0, into.headLength), 3)
      expect(cryptoErrorCode(() => into.open(changed, 3))).toBe(integrity)
    }
  })

  it('refuses a packet that lost bytes or gained some, however short', () => {
    const out = sealer()
    const sealed = out.seal(buildPacket(Buffer.alloc(40, 7), out), 0)
    for (let length = 0; length < sealed.length; length++) {
      const into = opener()
      into.openLength(sealed.subarray(0, into.headLength), 0)
      expect(cryptoErrorCode(() => into.open(Buffer.from(sealed.subarray(0, length)), 0))).toBe(integrity)
    }
    const into = opener()
    into.openLength(sealed.subarray(0, into.headLength), 0)
    expect(cryptoErrorCode(() => into.open(Buffer.concat([sealed, Buffer.alloc(1)]), 0))).toBe(integrity)
  })

  it('refuses random bytes of any length', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 200 }),
        fc.integer({ min: 0, max: 0xffffffff }),
        (bytes, n) => {
          const into = opener()
          const length = into.openLength(bytes.subarray(0, into.headLength), n)
          expect(length).toBeGreaterThanOrEqual(0)
          expect(length).toBeLessThan(2 ** 32)
          expect(cryptoErrorCode(() => into.open(Buffer.from(bytes), n))).toBe(integrity)
        },
      ),
      { numRuns: 50, seed: 1 },
    )
  })

  it('refuses a packet that is replayed, dropped or moved', () => {
    const out = sealer()
    const first = Buffer.from(out.seal(buildPacket(Buffer.from('first'), out), 0))
    const second = Buffer.from(out.seal(buildPacket(Buffer.from('other'), out), 1))
    const replaying = opener()
    openPacket(replaying, first, 0)
    replaying.openLength(first.subarray(0, replaying.headLength), 1)
    expect(cryptoErrorCode(() => replaying.open(Buffer.from(first), 1))).toBe(integrity)
    const skipping = opener()
    skipping.openLength(second.subarray(0, skipping.headLength), 0)
    expect(cryptoErrorCode(() => skipping.open(Buffer.from(second), 0))).toBe(integrity)
  })

  it('refuses a packet of another key', () => {
    const out = cipher.createSealer(
      random.bytes(cipher.keyLength),
      random.bytes(cipher.ivLength),
      mac?.create(random.bytes(mac.keyLength)),
    )
    const sealed = out.seal(buildPacket(Buffer.from('payload'), out), 0)
    const into = opener()
    into.openLength(sealed.subarray(0, into.headLength), 0)
    expect(cryptoErrorCode(() => into.open(Buffer.from(sealed), 0))).toBe(integrity)
  })

  it('keeps its own copy of the keys, so that the caller can wipe them', () => {
    const [ownKey, ownIv, ownMacKey] = [Buffer.from(key), Buffer.from(iv), Buffer.from(macKey)]
    const out = cipher.createSealer(ownKey, ownIv, mac?.create(ownMacKey))
    for (const bytes of [ownKey, ownIv, ownMacKey]) bytes.fill(0)
    const sealed = out.seal(buildPacket(Buffer.from('payload'), out), 0)
    expect(Buffer.from(openPacket(opener(), sealed, 0)).toString('latin1')).toContain('payload')
  })

  it('ends the connection with the reason for a MAC error', () => {
    const into = opener()
    into.openLength(Buffer.alloc(into.headLength), 0)
    expect(() => into.open(Buffer.alloc(100), 0)).toThrow(expect.objectContaining({ disconnectReason: 5 }))
  })

  it('takes part of a larger buffer for a packet', () => {
    const [out, into] = [sealer(), opener()]
    const packet = buildPacket(Buffer.from('payload'), out)
    const arena = Buffer.alloc(packet.length + 20, 0x55)
    arena.set(packet, 7)
    const sealed = out.seal(arena.subarray(7, 7 + packet.length), 0)
    expect(arena.subarray(0, 7).equals(Buffer.alloc(7, 0x55))).toBe(true)
    expect(arena.subarray(7 + packet.length).equals(Buffer.alloc(13, 0x55))).toBe(true)
    expect(Buffer.from(openPacket(into, sealed, 0)).toString('latin1')).toContain('payload')
  })
})

describe('a cipher that is not an AEAD', () => {
  it('is not made without a MAC', () => {
    const ctr = ciphers.get('aes128-ctr')
    expect(() => ctr?.createSealer(Buffer.alloc(16), Buffer.alloc(16))).toThrow(TypeError)
    expect(() => ctr?.createOpener(Buffer.alloc(16), Buffer.alloc(16))).toThrow(TypeError)
  })
})
