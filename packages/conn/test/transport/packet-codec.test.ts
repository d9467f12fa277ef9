import {
  type CipherAlgorithm,
  type Compressor,
  ciphers,
  type Decompressor,
  macs,
  type PacketOpener,
  type PacketSealer,
} from '@ssh/crypto'
import { seededRandom } from '@ssh/testkit'
import { concatBytes } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PacketDecoder } from '../../src/transport/packet-decoder.js'
import { PacketEncoder } from '../../src/transport/packet-encoder.js'

const maximumLength = 256 * 1024

interface Mode {
  readonly name: string
  seal(): PacketSealer | undefined
  open(): PacketOpener | undefined
}

/** Every way to protect a packet: none, each AEAD, each cipher with each MAC. */
const modes: readonly Mode[] = [
  { name: 'no keys', seal: () => undefined, open: () => undefined },
  ...ciphers.rows.flatMap((cipher) =>
    (cipher.isAead ? [undefined] : macs.rows).map((mac) => {
      const random = seededRandom(cipher.name)
      const key = random.bytes(cipher.keyLength)
      const iv = random.bytes(cipher.ivLength)
      const macKey = random.bytes(mac?.keyLength ?? 0)
      const make = <Result>(
        create: (row: CipherAlgorithm, ...parts: Parameters<CipherAlgorithm['createSealer']>) => Result,
      ) => create(cipher, key, iv, mac?.create(macKey))
      return {
        name: mac === undefined ? cipher.name : `${cipher.name} and ${mac.name}`,
        seal: () => make((row, ...parts) => row.createSealer(...parts)),
        open: () => make((row, ...parts) => row.createOpener(...parts)),
      }
    }),
  ),
]

function coders(mode: Mode): { encoder: PacketEncoder; decoder: PacketDecoder } {
  const encoder = new PacketEncoder(seededRandom('padding'))
  const decoder = new PacketDecoder(maximumLength)
  const sealer = mode.seal()
  const opener = mode.open()
  if (sealer !== undefined) encoder.useKeys(sealer, undefined, true)
  if (opener !== undefined) decoder.useKeys(opener, undefined, true)
  return { encoder, decoder }
}

/** The code of what a decoder throws, or what it returns. */
function attempt(decoder: PacketDecoder): string | Uint8Array | undefined {
  try {
    return decoder.next()
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

const corrupt = 'ERR_SSH_TRANSPORT_PACKET_CORRUPT'

describe.each(modes)('packets under $name', (mode) => {
  test('carry any payloads through any cuts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { minLength: 1, maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 300 })),
        (payloads, cuts) => {
          const { encoder, decoder } = coders(mode)
          const wire = concatBytes(payloads.map((payload) => encoder.encode([payload])))
          const received: Uint8Array[] = []
          for (let offset = 0; offset < wire.length; ) {
            const end = offset + (cuts.next().value as number)
            decoder.push(Buffer.from(wire.subarray(offset, end)))
            for (let payload = decoder.next(); payload !== undefined; payload = decoder.next()) {
              received.push(Uint8Array.from(payload))
            }
            offset = end
          }
          expect(received).toEqual(payloads)
          expect(decoder.bytes).toBe(encoder.bytes)
          expect(decoder.packets).toBe(payloads.length)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('keep a payload intact after later packets have come', () => {
    const { encoder, decoder } = coders(mode)
    for (let value = 0; value < 5; value++) decoder.push(encoder.encode([Buffer.alloc(100, value)]))
    const payloads = Array.from({ length: 5 }, () => decoder.next())
    expect(payloads.map((payload) => [...new Set(payload)])).toEqual([[0], [1], [2], [3], [4]])
  })

  test('are padded by at least 4 bytes, to whole blocks, and by no more than that needs', () => {
    const { encoder } = coders(mode)
    const { blockSize, lengthIsAligned, tagLength } = mode.seal() ?? {
      blockSize: 8,
      lengthIsAligned: true,
      tagLength: 0,
    }
    for (let length = 1; length < 64; length++) {
      const body = encoder.encode([Buffer.alloc(length)]).length - 4 - tagLength
      expect((lengthIsAligned ? body + 4 : body) % blockSize).toBe(0)
      const padding = body - 1 - length
      expect(padding).toBeGreaterThanOrEqual(4)
      expect(padding).toBeLessThan(blockSize + 4)
    }
  })

  test('with any one bit changed are refused, or wait for more and are refused then', () => {
    const { encoder } = coders(mode)
    const wire = encoder.encode([Buffer.from('a payload to protect')])
    const isProtected = mode.seal() !== undefined
    // Without keys only the framing can be wrong; whatever is delivered then is bounded by it.
    const bits = isProtected ? wire.length * 8 : 40
    for (let bit = 0; bit < bits; bit++) {
      const changed = Buffer.from(wire)
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const { decoder } = coders(mode)
      decoder.push(changed)
      let outcome = attempt(decoder)
      if (outcome === undefined) {
        decoder.push(Buffer.alloc(maximumLength + 64))
        outcome = attempt(decoder)
      }
      if (isProtected) expect(outcome, `bit ${bit}`).toBe(corrupt)
      else if (typeof outcome === 'string') expect(outcome).toBe(corrupt)
    }
  })

  test('shortened or with a shortened tag are never delivered', () => {
    if (mode.seal() === undefined) return
    const { encoder } = coders(mode)
    const wire = encoder.encode([Buffer.from('a payload to protect')])
    for (let length = 0; length < wire.length; length++) {
      const { decoder } = coders(mode)
      decoder.push(wire.subarray(0, length))
      expect(attempt(decoder)).toBeUndefined()
    }
  })

  test.each([0, 1, 3, 255])('that say they have %i bytes of padding are refused after the tag', (padding) => {
    const { decoder } = coders(mode)
    const sealer = mode.seal()
    const { blockSize, lengthIsAligned, tagLength } = sealer ?? { blockSize: 8, lengthIsAligned: true, tagLength: 0 }
    const length = 2 * blockSize - (lengthIsAligned ? 4 : 0)
    const packet = Buffer.alloc(4 + length + tagLength)
    packet.writeUInt32BE(length)
    packet[4] = padding
    decoder.push(sealer === undefined ? packet : sealer.seal(packet, 0))
    expect(attempt(decoder)).toBe(corrupt)
  })

  test('without a payload are refused', () => {
    const { decoder } = coders(mode)
    const sealer = mode.seal()
    const { blockSize, lengthIsAligned, tagLength } = sealer ?? { blockSize: 8, lengthIsAligned: true, tagLength: 0 }
    const length = 2 * blockSize - (lengthIsAligned ? 4 : 0)
    for (const padding of [length - 1, length]) {
      const packet = Buffer.alloc(4 + length + tagLength)
      packet.writeUInt32BE(length)
      packet[4] = padding
      const { decoder: fresh } = coders(mode)
      fresh.push(sealer === undefined ? packet : (mode.seal()?.seal(packet, 0) ?? packet))
      expect(attempt(fresh)).toBe(corrupt)
    }
    expect(decoder.packets).toBe(0)
  })

  test('of an impossible length are refused before anything is allocated', () => {
    for (const length of [0, 1, 4, 5, 262145, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 13]) {
      const { decoder } = coders(mode)
      const sealer = mode.seal()
      const tagLength = sealer?.tagLength ?? 0
      const packet = Buffer.alloc(64 + tagLength)
      packet.writeUInt32BE(length)
      decoder.push(sealer === undefined ? packet : sealer.seal(packet, 0))
      expect(attempt(decoder), `length ${length}`).toBe(corrupt)
    }
  })

  test('of the largest length are taken, and one block more is not', () => {
    const sealer = mode.seal()
    const { blockSize, lengthIsAligned, tagLength } = sealer ?? { blockSize: 8, lengthIsAligned: true, tagLength: 0 }
    const largest = maximumLength - (lengthIsAligned ? 4 : 0)
    for (const [length, isTaken] of [
      [largest, true],
      [largest + blockSize, false],
    ] as const) {
      const packet = Buffer.alloc(4 + length + tagLength)
      packet.writeUInt32BE(length)
      packet[4] = 4
      const { decoder } = coders(mode)
      decoder.push(sealer === undefined ? packet : (mode.seal()?.seal(packet, 0) ?? packet))
      const outcome = attempt(decoder)
      if (isTaken) expect((outcome as Uint8Array).length).toBe(length - 5)
      else expect(outcome).toBe(corrupt)
    }
  })
})

describe('counters', () => {
  const [mode] = modes
  if (mode === undefined) throw new Error('There are no modes')

  test('wrap as uint32 on the wire, but never under one set of keys', () => {
    const { encoder, decoder } = coders(mode)
    encoder.setCounters(2 ** 32 - 2)
    decoder.setCounters(2 ** 32 - 2)
    for (const expected of [2 ** 32 - 2, 2 ** 32 - 1]) {
      decoder.push(encoder.encode([Buffer.of(2)]))
      expect(decoder.next()).toEqual(Buffer.of(2))
      expect(decoder.lastSequenceNumber).toBe(expected)
    }
    expect(encoder.sequenceNumber).toBe(0)
    expect(() => encoder.encode([Buffer.of(2)])).toThrow('without new keys')
    decoder.push(coders(mode).encoder.encode([Buffer.of(2)]))
    expect(attempt(decoder)).toBe('ERR_SSH_TRANSPORT_SEQUENCE_EXHAUSTED')
  })

  test('go on over new keys without strict key exchange, and start again with it', () => {
    for (const isStrict of [false, true]) {
      const { encoder } = coders(mode)
      encoder.encode([Buffer.of(2)])
      const sealer = modes[1]?.seal()
      if (sealer === undefined) throw new Error('There is no second mode')
      encoder.useKeys(sealer, undefined, isStrict)
      expect(encoder.sequenceNumber).toBe(isStrict ? 0 : 1)
      expect([encoder.packets, encoder.bytes]).toEqual([0, 0])
    }
  })
})

describe('compression', () => {
  /** Run lengths: value and count. Enough to blow a payload up. */
  const compressor: Compressor = {
    compress: (payload) => Buffer.of(payload[0] ?? 0, payload.length),
  }
  const decompressor: Decompressor = {
    decompress(payload, limit) {
      const [value = 0, count = 0] = payload
      if (count * 2000 > limit) throw new Error('too long')
      return Buffer.alloc(count, value)
    },
  }

  function compressed() {
    const encoder = new PacketEncoder(seededRandom(1))
    const decoder = new PacketDecoder(maximumLength)
    encoder.useCompressor(compressor)
    decoder.useDecompressor(decompressor)
    return { encoder, decoder }
  }

  test('is undone before a payload is delivered', () => {
    const { encoder, decoder } = compressed()
    decoder.push(encoder.encode([Buffer.alloc(20, 7), Buffer.alloc(10, 7)]))
    expect(decoder.next()).toEqual(Buffer.alloc(30, 7))
  })

  test('that leads past the limit, or to nothing, ends the connection', () => {
    const { encoder, decoder } = compressed()
    decoder.push(encoder.encode([Buffer.alloc(200, 7)]))
    expect(attempt(decoder)).toBe('ERR_SSH_TRANSPORT_DECOMPRESSION')
    const other = compressed()
    const plain = new PacketEncoder(seededRandom(1))
    other.decoder.push(plain.encode([Buffer.of(7, 0)]))
    expect(attempt(other.decoder)).toBe(corrupt)
  })
})
