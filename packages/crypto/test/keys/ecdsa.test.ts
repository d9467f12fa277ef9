import { createECDH, createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mpint, Reader, toBigInt } from '@ssh/wire'
import { describe, expect, it } from 'vitest'
import { encodeSignature, importPrivateKey, parsePublicKey, parseSignature } from '../../src/index.js'
import { generatePrivateKey } from '../../src/keys/generate.js'
import { describeWycheproof, type WycheproofTest } from '../kex/wycheproof.js'
import { blob, mpintBytes, thrownBy } from './blobs.js'

const curves = [
  { curve: 'nistp256', nodeName: 'prime256v1', hash: 'sha256', size: 32, file: 'ecdsa_secp256r1_sha256_test.json' },
  { curve: 'nistp384', nodeName: 'secp384r1', hash: 'sha384', size: 48, file: 'ecdsa_secp384r1_sha384_test.json' },
  { curve: 'nistp521', nodeName: 'secp521r1', hash: 'sha512', size: 66, file: 'ecdsa_secp521r1_sha512_test.json' },
] as const

interface SignatureTest extends WycheproofTest {
  readonly msg: string
  readonly sig: string
}

/** The two INTEGERs of a DER signature as they stand there; undefined when the DER around them is not DER. */
function integersOf(der: Buffer): [r: Buffer, s: Buffer] | undefined {
  let offset = 0
  const take = (tag: number): Buffer | undefined => {
    if (der[offset] !== tag) return undefined
    let length = der[offset + 1] ?? 0
    offset += 2
    if (length === 0x81 && (der[offset] ?? 0) >= 0x80) length = der[offset++] ?? 0
    else if (length >= 0x80) return undefined
    offset += length
    return offset <= der.length ? der.subarray(offset - length, offset) : undefined
  }
  const sequence = take(0x30)
  if (sequence === undefined || offset !== der.length) return undefined
  offset -= sequence.length
  const [r, s] = [take(2), take(2)]
  return r && s && offset === der.length ? [r, s] : undefined
}

describe.each(curves)('ecdsa-sha2-$curve', ({ curve, nodeName, hash, size, file }) => {
  const name = `ecdsa-sha2-${curve}` as const
  const ecdh = createECDH(nodeName)
  const point = ecdh.generateKeys()
  const parse = (...parts: (string | Uint8Array)[]) => thrownBy(() => parsePublicKey(blob(...parts)))

  describeWycheproof<SignatureTest>(file, (tests) => {
    it('holds: r and s as two mpints verify when valid, and no other numbers do', () => {
      let converted = 0
      for (const { tcId, msg, sig, result, group } of tests) {
        const integers = integersOf(Buffer.from(sig, 'hex'))
        // What is wrong with the DER cannot be said in SSH's encoding.
        if (integers === undefined) continue
        converted++
        const key = parsePublicKey(
          blob(name, curve, Buffer.from((group.publicKey as { uncompressed: string }).uncompressed, 'hex')),
        )
        const signature = encodeSignature({ algorithm: name, signature: blob(...integers) })
        expect(key.verify(Buffer.from(msg, 'hex'), signature), `test ${tcId}`).toBe(result === 'valid')
      }
      expect(converted).toBeGreaterThan(290)
    })
  })

  it('refuses a curve that is not the one its type names', () => {
    expect(parse(name, curve, point)).toBeUndefined()
    for (const other of ['nistp256', 'nistp384', 'nistp521', ''].filter((other) => other !== curve)) {
      expect(parse(name, other, point)?.code).toBe('ERR_SSH_KEY_IMPORT')
    }
    const [other] = curves.filter((row) => row.curve !== curve)
    expect(parse(name, curve, createECDH(other!.nodeName).generateKeys())?.code).toBe('ERR_SSH_KEY_IMPORT')
  })

  it('refuses a point off the curve, at infinity, compressed, too short or too long', () => {
    const off = Buffer.from(point)
    off[off.length - 1]! ^= 1
    const zero = Buffer.alloc(point.length)
    zero[0] = 4
    const wrong = [
      off,
      zero,
      Buffer.alloc(1),
      Buffer.alloc(0),
      ecdh.getPublicKey(null, 'compressed'),
      ecdh.getPublicKey(null, 'hybrid'),
      point.subarray(0, -1),
      Buffer.concat([point, Buffer.alloc(1)]),
      Buffer.concat([Buffer.of(4), Buffer.alloc(2 * size, 0xff)]),
    ]
    for (const bytes of wrong) {
      expect(parse(name, curve, bytes)?.code, bytes.toString('hex')).toBe('ERR_SSH_KEY_IMPORT')
    }
  })

  it('verifies what node:crypto signs, and node:crypto verifies with the same numbers', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: nodeName })
    const jwk = publicKey.export({ format: 'jwk' })
    const coordinates = [jwk.x!, jwk.y!].map((text) => Buffer.from(text, 'base64url'))
    const key = parsePublicKey(blob(name, curve, Buffer.concat([Buffer.of(4), ...coordinates])))
    const data = Buffer.from('data')
    const raw = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const signature = blob(mpintBytes(raw.subarray(0, size)), mpintBytes(raw.subarray(size)))
    expect(key.verify(data, encodeSignature({ algorithm: name, signature }))).toBe(true)
  })

  it('writes r and s as minimal mpints whatever their leading bits', async () => {
    const key = await generatePrivateKey(name)
    for (let index = 0; index < 40; index++) {
      const data = Buffer.of(index)
      const signature = key.sign(data)
      expect(parseSignature(signature).algorithm).toBe(name)
      expect(key.publicKey.verify(data, signature)).toBe(true)
    }
  })

  it('does not verify bytes after s, needless zeros, or negative numbers', async () => {
    const key = await generatePrivateKey(name)
    const data = Buffer.from('data')
    const { signature } = parseSignature(key.sign(data))
    const [r, s] = [signature.subarray(4, 4 + signature[3]!), signature.subarray(8 + signature[3]!)]
    const verify = (bytes: Uint8Array) =>
      key.publicKey.verify(data, encodeSignature({ algorithm: name, signature: bytes }))
    expect(verify(blob(r, s))).toBe(true)
    expect(verify(Buffer.concat([signature, Buffer.alloc(1)]))).toBe(false)
    expect(verify(blob(Buffer.concat([Buffer.alloc(1), r]), s))).toBe(false)
    expect(verify(blob(Buffer.concat([Buffer.of(0xff), r]), s))).toBe(false)
    expect(verify(blob(r))).toBe(false)
  })
})

/** Order of P-521 (SEC 2 §2.6.1). */
const order = BigInt(
  '0x01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
)

/** The inverse modulo the order, by Euclid's algorithm. */
function inverse(value: bigint): bigint {
  let [a, b, x, y] = [value, order, 1n, 0n]
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y]
  return ((x % order) + order) % order
}

describe('the nonces of ecdsa-sha2-nistp521', () => {
  it('B15: leave no bit constant or likely, least of all the nine topmost (CVE-2024-31497)', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'secp521r1' })
    const key = await importPrivateKey(pair.privateKey.export({ type: 'sec1', format: 'pem' }).toString())
    const d = toBigInt(Buffer.from(pair.privateKey.export({ format: 'jwk' }).d ?? '', 'base64url'))
    const data = Buffer.from('the same for every signature')
    const h = toBigInt(createHash('sha512').update(data).digest())
    const rounds = 800
    const ones = Array.from({ length: 9 }, () => 0)
    for (let round = 0; round < rounds; round++) {
      const reader = new Reader(parseSignature(key.sign(data)).signature)
      const [r, s] = [toBigInt(mpint.read(reader)), toBigInt(mpint.read(reader))]
      const nonce = (inverse(s) * (h + r * d)) % order
      for (let bit = 0; bit < 9; bit++) if ((nonce >> BigInt(520 - bit)) & 1n) ones[bit] = (ones[bit] ?? 0) + 1
    }
    // Eight standard deviations: chance takes it out of these bounds once in 10^15 runs.
    for (const count of ones) expect(Math.abs(count - rounds / 2)).toBeLessThan(4 * Math.sqrt(rounds))
  })
})
