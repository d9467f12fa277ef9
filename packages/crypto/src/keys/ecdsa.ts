/** `ecdsa-sha2-nistp256`, `-nistp384` and `-nistp521` (RFC 5656 §3; key files: draft-ietf-sshm-ssh-agent §3.2.2). */

import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type JsonWebKey,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { promisify } from 'node:util'
import { asBuffer, ascii, equalBytes, mpint, printable, type Reader, struct, WireError, Writer } from '@ssh/wire'
import { KeyImportError } from '../errors.js'
import { hasNodeCurve } from '../node-curve.js'
import type { KeyType, PrivateKeyMaterial, PublicKeyMaterial } from './key-type.js'
import { type SignatureAlgorithm, signatureAlgorithmsOf } from './signature.js'

/** One NIST curve. */
interface Curve {
  /** As in the blob (RFC 5656 §10.1). */
  readonly name: string
  /** As in a JSON Web Key. */
  readonly crv: string
  /** As node:crypto's createECDH calls it. */
  readonly nodeName: string
  /** Bytes of a coordinate, and of r and s. */
  readonly size: number
}

export const ecdsaNistp256 = keyType({ name: 'nistp256', crv: 'P-256', nodeName: 'prime256v1', size: 32 })
export const ecdsaNistp384 = keyType({ name: 'nistp384', crv: 'P-384', nodeName: 'secp384r1', size: 48 })
export const ecdsaNistp521 = keyType({ name: 'nistp521', crv: 'P-521', nodeName: 'secp521r1', size: 66 })

/** r and s of a signature (RFC 5656 §3.1.2). */
const signatureFields = struct('ECDSA signature', { r: mpint, s: mpint })

function keyType(curve: Curve): KeyType {
  const name = `ecdsa-sha2-${curve.name}`

  const fromPoint = (point: Uint8Array): EcdsaPublic =>
    new EcdsaPublic(curve, point, new Writer().writeUtf8(name).writeUtf8(curve.name).writeString(point).finish())

  /** The curve is named twice, in the type and in a field of its own: both must agree (RFC 5656 §3.1). */
  const readPoint = (reader: Reader): Uint8Array => {
    const found = ascii.read(reader)
    if (found !== curve.name) {
      throw new KeyImportError(`An ${name} key must be on the curve ${curve.name}, found ${printable(found, 64)}`)
    }
    return reader.readString()
  }

  return {
    name,
    status: 'default',
    source: 'RFC 5656 §3.1',
    certificateType: `${name}-cert-v01@openssh.com`,
    jwk: { kty: 'EC', crv: curve.crv },
    isAvailable: () => hasNodeCurve(curve.nodeName),
    signatureAlgorithms: signatureAlgorithmsOf(name),
    readPublic: (reader, blob) => new EcdsaPublic(curve, readPoint(reader), blob),
    readPrivate(reader) {
      const publicMaterial = fromPoint(Uint8Array.from(readPoint(reader)))
      return new EcdsaPrivate(curve, publicMaterial, mpint.read(reader))
    },
    publicFromJwk: (jwk) => fromPoint(toPoint(jwk)),
    privateFromJwk: (jwk) => new EcdsaPrivate(curve, fromPoint(toPoint(jwk)), Buffer.from(jwk.d ?? '', 'base64url')),
    async generate() {
      const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: curve.nodeName })
      return this.privateFromJwk(privateKey.export({ format: 'jwk' }))
    },
  }
}

class EcdsaPublic implements PublicKeyMaterial {
  readonly blob: Uint8Array
  readonly point: Uint8Array
  readonly keyObject: KeyObject
  readonly #curve: Curve

  constructor(curve: Curve, point: Uint8Array, blob: Uint8Array) {
    if (point.length !== 1 + 2 * curve.size || point[0] !== 4) {
      throw new KeyImportError(
        `A point on ${curve.name} is 0x04 and ${2 * curve.size} bytes (uncompressed), found ${point.length} bytes` +
          (point[0] === 2 || point[0] === 3 ? ' of a compressed point, which SSH does not use in practice' : ''),
      )
    }
    this.#curve = curve
    this.point = point
    this.blob = blob
    try {
      // At once, not at first use: this is what checks that the point is on the curve.
      this.keyObject = createPublicKey({ key: toJwk(curve, point), format: 'jwk' })
    } catch (cause) {
      throw new KeyImportError(`The point is not on ${curve.name}: the key is damaged or forged`, { cause })
    }
  }

  verify({ hash }: SignatureAlgorithm, data: Uint8Array, signature: Uint8Array): boolean {
    const raw = toFixedWidth(signature, this.#curve.size)
    return raw !== undefined && verify(hash, data, { key: this.keyObject, dsaEncoding: 'ieee-p1363' }, raw)
  }
}

class EcdsaPrivate implements PrivateKeyMaterial {
  readonly publicMaterial: EcdsaPublic
  readonly keyObject: KeyObject
  readonly #curve: Curve

  constructor(curve: Curve, publicMaterial: EcdsaPublic, scalar: Uint8Array) {
    if (!equalBytes(publicPoint(curve, scalar), publicMaterial.point)) {
      throw new KeyImportError(`The ecdsa-sha2-${curve.name} private key and its public key do not belong together`)
    }
    const padded = Buffer.alloc(curve.size)
    padded.set(scalar, curve.size - scalar.length)
    const jwk = { ...toJwk(curve, publicMaterial.point), d: padded.toString('base64url') }
    this.publicMaterial = publicMaterial
    this.keyObject = createPrivateKey({ key: jwk, format: 'jwk' })
    this.#curve = curve
  }

  sign({ hash }: SignatureAlgorithm, data: Uint8Array): Uint8Array {
    const raw = sign(hash, data, { key: this.keyObject, dsaEncoding: 'ieee-p1363' })
    const { size } = this.#curve
    return signatureFields.encode({ r: raw.subarray(0, size), s: raw.subarray(size) })
  }

  writeFields(writer: Writer): void {
    writer.writeUtf8(this.#curve.name).writeString(this.publicMaterial.point)
    mpint.write(writer, Buffer.from(this.keyObject.export({ format: 'jwk' }).d ?? '', 'base64url'))
  }
}

/** The point that belongs to a scalar; no bytes when the scalar is out of range. */
function publicPoint(curve: Curve, scalar: Uint8Array): Uint8Array {
  try {
    const ecdh = createECDH(curve.nodeName)
    ecdh.setPrivateKey(scalar)
    return ecdh.getPublicKey()
  } catch {
    return new Uint8Array(0)
  }
}

/** r and s side by side, each `size` bytes (IEEE P1363); undefined for what is no signature on such a curve. */
function toFixedWidth(signature: Uint8Array, size: number): Uint8Array | undefined {
  try {
    const { r, s } = signatureFields.decode(signature)
    if (r.length > size || s.length > size) return undefined
    const raw = new Uint8Array(2 * size)
    raw.set(r, size - r.length)
    raw.set(s, 2 * size - s.length)
    return raw
  } catch (error) {
    if (error instanceof WireError) return undefined
    throw error
  }
}

function toJwk(curve: Curve, point: Uint8Array): JsonWebKey {
  const coordinates = asBuffer(point)
  return {
    kty: 'EC',
    crv: curve.crv,
    x: coordinates.toString('base64url', 1, 1 + curve.size),
    y: coordinates.toString('base64url', 1 + curve.size),
  }
}

function toPoint({ x = '', y = '' }: JsonWebKey): Uint8Array {
  return Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')])
}
