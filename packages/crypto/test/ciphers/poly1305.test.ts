import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { poly1305, tweetnaclPoly1305 } from '../../src/ciphers/poly1305.js'
import { compilePoly1305 } from '../../src/ciphers/poly1305-wasm.js'

/** RFC 8439 §2.5.1, word for word. */
function reference(message: Uint8Array, key: Uint8Array): Buffer {
  const number = (bytes: Uint8Array): bigint => [...bytes].reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  const r = number(key.subarray(0, 16)) & 0x0ffffffc0ffffffc0ffffffc0fffffffn
  const s = number(key.subarray(16))
  const p = (1n << 130n) - 5n
  let accumulator = 0n
  for (let offset = 0; offset < message.length; offset += 16) {
    accumulator = ((accumulator + number(Uint8Array.of(...message.subarray(offset, offset + 16), 1))) * r) % p
  }
  const tag = (accumulator + s) % (1n << 128n)
  return Buffer.from(tag.toString(16).padStart(32, '0'), 'hex').reverse()
}

function webAssembly() {
  const made = compilePoly1305()
  if (made === undefined) throw new Error('This runtime has no WebAssembly')
  return made
}

const implementations = [
  { name: 'WebAssembly', authenticate: webAssembly() },
  { name: 'tweetnacl', authenticate: tweetnaclPoly1305 },
  { name: 'the reference of these tests', authenticate: reference },
]

const ff = (count: number): string => 'ff'.repeat(count)
const zero = (count: number): string => '00'.repeat(count)

/** RFC 8439 §A.3, test vectors 7 to 13: sums and products at the edges of the modulus. */
const edges = [
  { r: `02${zero(15)}`, s: zero(16), data: ff(16), tag: `03${zero(15)}` },
  { r: `02${zero(15)}`, s: ff(16), data: `02${zero(15)}`, tag: `03${zero(15)}` },
  { r: `01${zero(15)}`, s: zero(16), data: `${ff(16)}f0${ff(15)}11${zero(15)}`, tag: `05${zero(15)}` },
  { r: `01${zero(15)}`, s: zero(16), data: `${ff(16)}fb${'fe'.repeat(15)}${'01'.repeat(16)}`, tag: zero(16) },
  { r: `02${zero(15)}`, s: zero(16), data: `fd${ff(15)}`, tag: `fa${ff(15)}` },
  {
    r: `01${zero(7)}04${zero(7)}`,
    s: zero(16),
    data: `e33594d7505e43b9${zero(8)}3394d7505e4379cd01${zero(7)}${zero(16)}01${zero(15)}`,
    tag: `14${zero(7)}55${zero(7)}`,
  },
  {
    r: `01${zero(7)}04${zero(7)}`,
    s: zero(16),
    data: `e33594d7505e43b9${zero(8)}3394d7505e4379cd01${zero(7)}${zero(16)}`,
    tag: `13${zero(15)}`,
  },
]

describe.each(implementations)('Poly1305 by $name', ({ authenticate }) => {
  it.each(edges)('agrees with RFC 8439 §A.3: r $r, tag $tag', ({ r, s, data, tag }) => {
    const made = authenticate(Buffer.from(data, 'hex'), Buffer.from(r + s, 'hex'))
    expect(Buffer.from(made).toString('hex')).toBe(tag)
  })
})

describe('Poly1305 by WebAssembly', () => {
  const authenticate = webAssembly()

  it('agrees with the reference for any message and key, above all those with few zeros or few ones', () => {
    const byte = fc.oneof(fc.constant(0xff), fc.constant(0), fc.nat(255))
    const bytes = (minLength: number, maxLength: number) =>
      fc.array(byte, { minLength, maxLength }).map((values) => Uint8Array.from(values))
    fc.assert(
      fc.property(bytes(0, 100), bytes(32, 32), (message, key) => {
        expect(Buffer.from(authenticate(message, key))).toEqual(reference(message, key))
      }),
      { numRuns: 2000 },
    )
  })

  it.each([0, 1, 15, 16, 17, 32_768, 327_600, 327_616, 327_680, 1_000_000])(
    'agrees with tweetnacl for %d bytes, taking more memory where it must',
    (length) => {
      const message = Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) % 256)
      const key = Uint8Array.from({ length: 32 }, (_, index) => 255 - index)
      expect(Buffer.from(authenticate(message, key))).toEqual(Buffer.from(tweetnaclPoly1305(message, key)))
    },
  )

  it('gives each tag memory of its own', () => {
    const first = authenticate(Buffer.from('one'), new Uint8Array(32).fill(1))
    const copy = Buffer.from(first)
    authenticate(Buffer.from('another'), new Uint8Array(32).fill(2))
    expect(Buffer.from(first)).toEqual(copy)
  })
})

describe('Poly1305', () => {
  it('is there without WebAssembly too', async () => {
    vi.stubGlobal('WebAssembly', undefined)
    vi.resetModules()
    try {
      expect(compilePoly1305()).toBeUndefined()
      const fresh = await import('../../src/ciphers/poly1305.js')
      const message = Buffer.from('Cryptographic Forum Research Group')
      const key = Uint8Array.from({ length: 32 }, (_, index) => index)
      expect(Buffer.from(fresh.poly1305(message, key))).toEqual(Buffer.from(poly1305(message, key)))
    } finally {
      vi.unstubAllGlobals()
    }
  })
})
