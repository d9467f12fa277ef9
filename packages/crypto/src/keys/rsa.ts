/** `ssh-rsa` keys (RFC 4253 §6.6, RFC 8332; key files: draft-ietf-sshm-ssh-agent §3.2.4). */

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { promisify } from 'node:util'
import { asBuffer, type FieldValues, fromBigInt, mpint, struct, toBigInt, Writer } from '@ssh/wire'
import { CryptoError, KeyImportError } from '../errors.js'
import type { KeyType, PrivateKeyMaterial, PublicKeyMaterial } from './key-type.js'
import { type SignatureAlgorithm, signatureAlgorithmsOf } from './signature.js'

const name = 'ssh-rsa'

/** Bits of a modulus: what is read is what OpenSSH reads, what is made is at least what is still called safe. */
const modulusBits = { read: 1024, make: 2048, makeByDefault: 3072, maximum: 16_384 } as const
/** Bits of a public exponent: a longer one has no use but to make verifying slow. */
const maximumExponentBits = 32

const publicFields = struct('ssh-rsa public key', { e: mpint, n: mpint })
const privateFields = struct('ssh-rsa private key', { n: mpint, e: mpint, d: mpint, qi: mpint, p: mpint, q: mpint })
type PrivateNumbers = FieldValues<typeof privateFields.fields>

export const rsa: KeyType = {
  name,
  status: 'default',
  source: 'RFC 4253 §6.6',
  certificateType: 'ssh-rsa-cert-v01@openssh.com',
  jwk: { kty: 'RSA' },
  signatureAlgorithms: signatureAlgorithmsOf(name),
  readPublic(reader, blob) {
    const { e, n } = publicFields.read(reader)
    return new RsaPublic(n, e, blob)
  },
  readPrivate: (reader) => new RsaPrivate(privateFields.read(reader)),
  publicFromJwk: (jwk) => fromNumbers(fromBase64Url(jwk.n), fromBase64Url(jwk.e)),
  privateFromJwk: (jwk) => new RsaPrivate(toNumbers(jwk)),
  async generate(bits = modulusBits.makeByDefault) {
    const { make, maximum } = modulusBits
    if (!Number.isInteger(bits) || bits < make || bits > maximum) {
      throw new CryptoError('ERR_SSH_CRYPTO_UNSUPPORTED', `A new RSA key has ${make} to ${maximum} bits, not ${bits}`)
    }
    const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: bits })
    return this.privateFromJwk(privateKey.export({ format: 'jwk' }))
  },
}

class RsaPublic implements PublicKeyMaterial {
  readonly blob: Uint8Array
  readonly n: Uint8Array
  readonly e: Uint8Array
  #keyObject: KeyObject | undefined

  constructor(n: Uint8Array, e: Uint8Array, blob: Uint8Array) {
    const bits = bitLength(n)
    if (bits < modulusBits.read || bits > modulusBits.maximum) {
      throw new KeyImportError(
        `An RSA modulus must have ${modulusBits.read} to ${modulusBits.maximum} bits, found ${bits}`,
      )
    }
    if (!isOdd(n)) throw new KeyImportError('An RSA modulus must be odd: the key is damaged or forged')
    if (!isOdd(e) || bitLength(e) < 2 || bitLength(e) > maximumExponentBits) {
      throw new KeyImportError(
        `An RSA public exponent must be odd, at least 3 and have at most ${maximumExponentBits} bits`,
      )
    }
    this.n = n
    this.e = e
    this.blob = blob
  }

  get keyObject(): KeyObject {
    return (this.#keyObject ??= createPublicKey({ key: publicJwk(this), format: 'jwk' }))
  }

  verify({ hash }: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean {
    const missing = this.n.length - signature.length
    if (missing < 0) return false
    // A number's leading zeros are sometimes left out (OpenSSH puts them back too); OpenSSL wants all of them.
    const padded = missing === 0 ? signature : Buffer.concat([Buffer.alloc(missing), signature])
    return verify(hash, data, this.keyObject, padded)
  }
}

class RsaPrivate implements PrivateKeyMaterial {
  readonly publicMaterial: RsaPublic
  readonly keyObject: KeyObject

  constructor(numbers: PrivateNumbers) {
    this.publicMaterial = fromNumbers(Uint8Array.from(numbers.n), Uint8Array.from(numbers.e))
    const jwk = { ...publicJwk(numbers), ...privateJwk(numbers) }
    this.keyObject = createPrivateKey({ key: jwk, format: 'jwk' })
  }

  sign(algorithm: SignatureAlgorithm, data: Uint8Array): Uint8Array {
    const signature = sign(algorithm.hash, data, this.keyObject)
    // One faulty signature made with the Chinese remainder theorem gives the private key away to whoever sees it.
    if (!this.publicMaterial.verify(algorithm, data, signature)) {
      throw new CryptoError(
        'ERR_SSH_CRYPTO_INVALID_SIGNATURE',
        'The RSA signature just made does not verify and was thrown away: the key or this machine is damaged',
      )
    }
    return signature
  }

  writeFields(writer: Writer): void {
    privateFields.write(writer, toNumbers(this.keyObject.export({ format: 'jwk' })))
  }
}

function fromNumbers(n: Uint8Array, e: Uint8Array): RsaPublic {
  const writer = new Writer().writeUtf8(name)
  publicFields.write(writer, { e, n })
  return new RsaPublic(n, e, writer.finish())
}

function publicJwk({ n, e }: { readonly n: Uint8Array; readonly e: Uint8Array }): JsonWebKey {
  return { ...rsa.jwk, n: toBase64Url(n), e: toBase64Url(e) }
}

/**
 * The private part, with the two exponents that key files leave out.
 * @throws KeyImportError unless all numbers belong together (only that p and q are prime is taken on trust)
 */
function privateJwk(numbers: PrivateNumbers): JsonWebKey {
  const parts = [numbers.d, numbers.p, numbers.q, numbers.qi]
  // First, because arithmetic with numbers of any length takes any time.
  if (parts.some((part) => part.length > numbers.n.length)) throw inconsistent()
  const [p, q, d] = [toBigInt(numbers.p), toBigInt(numbers.q), toBigInt(numbers.d)]
  const ed = toBigInt(numbers.e) * d
  const isConsistent =
    p > 2n &&
    q > 2n &&
    p * q === toBigInt(numbers.n) &&
    ed % (p - 1n) === 1n &&
    ed % (q - 1n) === 1n &&
    (toBigInt(numbers.qi) * q) % p === 1n
  if (!isConsistent) throw inconsistent()
  return {
    d: toBase64Url(numbers.d),
    p: toBase64Url(numbers.p),
    q: toBase64Url(numbers.q),
    dp: toBase64Url(fromBigInt(d % (p - 1n))),
    dq: toBase64Url(fromBigInt(d % (q - 1n))),
    qi: toBase64Url(numbers.qi),
  }
}

function inconsistent(): KeyImportError {
  return new KeyImportError('The numbers of the RSA private key do not belong together')
}

function toNumbers(jwk: JsonWebKey): PrivateNumbers {
  return {
    n: fromBase64Url(jwk.n),
    e: fromBase64Url(jwk.e),
    d: fromBase64Url(jwk.d),
    qi: fromBase64Url(jwk.qi),
    p: fromBase64Url(jwk.p),
    q: fromBase64Url(jwk.q),
  }
}

function toBase64Url(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64url')
}

function fromBase64Url(text = ''): Uint8Array {
  return Buffer.from(text, 'base64url')
}

/** @param magnitude minimal big-endian bytes */
function bitLength(magnitude: Uint8Array): number {
  return magnitude.length === 0 ? 0 : magnitude.length * 8 - (Math.clz32(magnitude[0] ?? 0) - 24)
}

function isOdd(magnitude: Uint8Array): boolean {
  return ((magnitude.at(-1) ?? 0) & 1) === 1
}
