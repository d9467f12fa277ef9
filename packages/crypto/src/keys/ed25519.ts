/** `ssh-ed25519` (RFC 8709; key files: draft-ietf-sshm-ssh-agent §3.2.3). */

import {
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import { equalBytes, type Reader, Writer } from '@ssh/wire'
import { CryptoError, KeyImportError } from '../errors.js'
import { tweetnaclEd25519 } from './ed25519-tweetnacl.js'
import type { KeyType, PrivateKeyMaterial, PublicKeyMaterial } from './key-type.js'
import { signatureAlgorithmsOf } from './signature.js'

const name = 'ssh-ed25519'
const keyLength = 32
const signatureLength = 64

export const ed25519: KeyType = {
  name,
  status: 'default',
  source: 'RFC 8709 §4',
  certificateType: 'ssh-ed25519-cert-v01@openssh.com',
  jwk: { kty: 'OKP', crv: 'Ed25519' },
  signatureAlgorithms: signatureAlgorithmsOf(name),
  readPublic: (reader, blob) => new Ed25519Public(readExactly(reader, keyLength, 'public key'), blob),
  readPrivate(reader) {
    const publicKey = readExactly(reader, keyLength, 'public key')
    const secretKey = readExactly(reader, 2 * keyLength, 'private key')
    const key = new Ed25519Private(Uint8Array.from(secretKey.subarray(0, keyLength)))
    if (!equalBytes(key.publicMaterial.publicKey, publicKey) || !equalBytes(secretKey.subarray(keyLength), publicKey)) {
      throw new KeyImportError(`The ${name} private key and its public key do not belong together`)
    }
    return key
  },
  publicFromJwk: (jwk) => fromPublicKey(Buffer.from(jwk.x ?? '', 'base64url')),
  privateFromJwk: (jwk) => new Ed25519Private(Buffer.from(jwk.d ?? '', 'base64url')),
  generate: async () => new Ed25519Private(randomBytes(keyLength)),
}

class Ed25519Public implements PublicKeyMaterial {
  readonly publicKey: Uint8Array
  readonly blob: Uint8Array
  #keyObject: KeyObject | undefined

  constructor(publicKey: Uint8Array, blob: Uint8Array) {
    this.publicKey = publicKey
    this.blob = blob
  }

  get keyObject(): KeyObject {
    expectNode()
    const jwk: JsonWebKey = { ...ed25519.jwk, x: Buffer.from(this.publicKey).toString('base64url') }
    return (this.#keyObject ??= createPublicKey({ key: jwk, format: 'jwk' }))
  }

  verify(_algorithm: unknown, data: Uint8Array, signature: Uint8Array): boolean {
    if (signature.length !== signatureLength) return false
    return isInNode()
      ? verify(null, data, this.keyObject, signature)
      : tweetnaclEd25519.verify(this.publicKey, data, signature)
  }
}

class Ed25519Private implements PrivateKeyMaterial {
  readonly publicMaterial: Ed25519Public
  readonly #seed: Uint8Array
  #keyObject: KeyObject | undefined

  constructor(seed: Uint8Array) {
    this.#seed = seed
    this.publicMaterial = fromPublicKey(
      isInNode()
        ? Buffer.from(createPublicKey(this.keyObject).export({ format: 'jwk' }).x ?? '', 'base64url')
        : tweetnaclEd25519.publicKeyOf(seed),
    )
  }

  get keyObject(): KeyObject {
    expectNode()
    return (this.#keyObject ??= importSeed(this.#seed))
  }

  sign(_algorithm: unknown, data: Uint8Array): Uint8Array {
    return isInNode() ? sign(null, data, this.keyObject) : tweetnaclEd25519.sign(this.#seed, data)
  }

  writeFields(writer: Writer): void {
    const { publicKey } = this.publicMaterial
    writer
      .writeString(publicKey)
      .writeUint32(2 * keyLength)
      .writeBytes(this.#seed)
      .writeBytes(publicKey)
  }
}

function fromPublicKey(publicKey: Uint8Array): Ed25519Public {
  return new Ed25519Public(publicKey, new Writer().writeUtf8(name).writeString(publicKey).finish())
}

function readExactly(reader: Reader, length: number, what: string): Uint8Array {
  const bytes = reader.readString()
  if (bytes.length === length) return bytes
  throw new KeyImportError(`An ${name} ${what} has ${length} bytes, found ${bytes.length}`)
}

/** PKCS#8 around a seed (RFC 8410 §7): all of it is fixed but the seed. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

function importSeed(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
}

let inNode: boolean | undefined

/** Whether node:crypto has Ed25519; asked once. */
function isInNode(): boolean {
  if (inNode === undefined) {
    try {
      inNode = importSeed(new Uint8Array(keyLength)).asymmetricKeyType === 'ed25519'
    } catch {
      inNode = false
    }
  }
  return inNode
}

/** tweetnacl signs and verifies in node:crypto's place, but knows no file format. */
function expectNode(): void {
  if (isInNode()) return
  throw new CryptoError('ERR_SSH_CRYPTO_UNSUPPORTED', `This runtime cannot write ${name} keys as PEM; use openssh`)
}
