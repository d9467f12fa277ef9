/**
 * Opens encrypted PKCS#8 (RFC 5958 §3): PBES2 and PBES1 (RFC 8018), and the PBE of PKCS#12 (RFC 7292 appendix C).
 *
 * OpenSSL would do most of it, but on the event loop and for as many iterations as the file asks for.
 */

import { createHash, pbkdf2, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { wipe } from '@ssh/wire'
import { KeyImportError } from '../errors.js'
import {
  aes128Cbc,
  aes192Cbc,
  aes256Cbc,
  type BlockDecryption,
  desCbc,
  rc2Cbc,
  tripleDesCbc,
} from './block-decryption.js'
import { contentOf, type DerValue, derTags, isContainer, readDer, readInteger, readOid, readSequence } from './der.js'
import { pkcs12Kdf } from './legacy-ciphers.js'
import { requirePassphrase, wrongPassphrase } from './passphrase.js'

/** What a file may cost us: iterations in the thread pool (seconds at most), on the event loop, memory of scrypt. */
const limits = { pbkdf2: 10_000_000, legacy: 100_000, scryptBytes: 1 << 28, scryptParallel: 16 } as const

/**
 * @param der EncryptedPrivateKeyInfo
 * @returns the PrivateKeyInfo inside; secret
 * @throws KeyImportError, KeyEncryptionError, or WireError when bytes are missing
 */
export async function decryptPkcs8(der: Uint8Array, passphrase: string | Uint8Array | undefined): Promise<Uint8Array> {
  const [algorithm, encrypted] = readSequence(readDer(der))
  const data = contentOf(encrypted, derTags.octetString)
  const { oid, parameters } = readAlgorithm(algorithm)
  const plain =
    oid === pbes2
      ? await decryptPbes2(parameters, data, requirePassphrase(passphrase))
      : await decryptLegacy(oid, parameters, data, requirePassphrase(passphrase))
  // Padding fits by chance once in 256 wrong passphrases.
  if (plain !== undefined && isContainer(plain)) return plain
  throw wrongPassphrase()
}

const pbes2 = '1.2.840.113549.1.5.13'
const pbkdf2Oid = '1.2.840.113549.1.5.12'
const scryptOid = '1.3.6.1.4.1.11591.4.11'

/** Ciphers of PBES2 (RFC 8018 appendix B.2). */
const pbes2Ciphers = new Map<string, BlockDecryption>([
  ['2.16.840.1.101.3.4.1.2', aes128Cbc],
  ['2.16.840.1.101.3.4.1.22', aes192Cbc],
  ['2.16.840.1.101.3.4.1.42', aes256Cbc],
  ['1.2.840.113549.3.7', tripleDesCbc],
  ['1.3.14.3.2.7', desCbc],
])

/** Hashes of PBKDF2's HMAC (RFC 8018 appendix B.1). */
const pseudorandomFunctions = new Map([
  ['1.2.840.113549.2.7', 'sha1'],
  ['1.2.840.113549.2.8', 'sha224'],
  ['1.2.840.113549.2.9', 'sha256'],
  ['1.2.840.113549.2.10', 'sha384'],
  ['1.2.840.113549.2.11', 'sha512'],
])

/** Everything older (RFC 8018 appendix A.3, RFC 7292 appendix C): one name for hash, derivation and cipher. */
const legacySchemes = new Map<string, { readonly kdf: 'md5' | 'sha1' | 'pkcs12'; readonly cipher: BlockDecryption }>([
  ['1.2.840.113549.1.5.3', { kdf: 'md5', cipher: desCbc }],
  ['1.2.840.113549.1.5.6', { kdf: 'md5', cipher: rc2Cbc(8) }],
  ['1.2.840.113549.1.5.10', { kdf: 'sha1', cipher: desCbc }],
  ['1.2.840.113549.1.5.11', { kdf: 'sha1', cipher: rc2Cbc(8) }],
  ['1.2.840.113549.1.12.1.3', { kdf: 'pkcs12', cipher: tripleDesCbc }],
  ['1.2.840.113549.1.12.1.5', { kdf: 'pkcs12', cipher: rc2Cbc(16) }],
  ['1.2.840.113549.1.12.1.6', { kdf: 'pkcs12', cipher: rc2Cbc(5) }],
])

async function decryptPbes2(
  parameters: DerValue | undefined,
  data: Uint8Array,
  passphrase: Uint8Array,
): Promise<Buffer | undefined> {
  const [kdf, encryption] = readSequence(present(parameters))
  const { oid, parameters: ivValue } = readAlgorithm(encryption)
  const cipher = pbes2Ciphers.get(oid) ?? unsupported(`cipher ${oid}`)
  const iv = contentOf(ivValue, derTags.octetString)
  if (iv.length !== cipher.ivLength) return unsupported(`an initial vector of ${iv.length} bytes`)
  const key = await deriveKey(kdf, passphrase, cipher.keyLength)
  try {
    return await cipher.decrypt(key, iv, data)
  } finally {
    wipe(key)
  }
}

async function deriveKey(kdf: DerValue | undefined, passphrase: Uint8Array, keyLength: number): Promise<Buffer> {
  const { oid, parameters } = readAlgorithm(kdf)
  const [saltValue, ...numbers] = readSequence(present(parameters))
  const salt = contentOf(saltValue, derTags.octetString)
  if (oid === pbkdf2Oid) {
    const iterations = readInteger(numbers[0])
    if (iterations < 1 || iterations > limits.pbkdf2) throw tooExpensive(`${iterations} iterations`)
    // keyLength (an INTEGER) may stand before the function, and both may be left out.
    const prf = numbers.find(({ tag }) => tag === derTags.sequence)
    const prfOid = prf && readAlgorithm(prf).oid
    const hash = prfOid === undefined ? 'sha1' : (pseudorandomFunctions.get(prfOid) ?? unsupported(`PRF ${prfOid}`))
    return promisify(pbkdf2)(passphrase, salt, iterations, keyLength, hash)
  }
  if (oid !== scryptOid) return unsupported(`key derivation ${oid}`)
  const [N, r, p] = [readInteger(numbers[0]), readInteger(numbers[1]), readInteger(numbers[2])]
  if (128 * N * r > limits.scryptBytes || p > limits.scryptParallel)
    throw tooExpensive(`scrypt with N=${N} r=${r} p=${p}`)
  return deriveScrypt(passphrase, salt, keyLength, { N, r, p, maxmem: 2 * limits.scryptBytes })
}

const deriveScrypt = promisify<Uint8Array, Uint8Array, number, object, Buffer>(scrypt)

async function decryptLegacy(
  oid: string,
  parameters: DerValue | undefined,
  data: Uint8Array,
  passphrase: Uint8Array,
): Promise<Buffer | undefined> {
  const { kdf, cipher } = legacySchemes.get(oid) ?? unsupported(`scheme ${oid}`)
  const [saltValue, iterationsValue] = readSequence(present(parameters))
  const salt = contentOf(saltValue, derTags.octetString)
  const iterations = readInteger(iterationsValue)
  if (iterations < 1 || iterations > limits.legacy) throw tooExpensive(`${iterations} iterations`)
  if (kdf === 'pkcs12') {
    const key = await pkcs12Kdf(passphrase, salt, 1, iterations, cipher.keyLength)
    return cipher.decrypt(key, await pkcs12Kdf(passphrase, salt, 2, iterations, cipher.ivLength), data)
  }
  const derived = pbkdf1(kdf, passphrase, salt, iterations)
  return cipher.decrypt(derived.subarray(0, 8), derived.subarray(8, 16), data)
}

/** RFC 8018 §5.1. */
function pbkdf1(hash: string, passphrase: Uint8Array, salt: Uint8Array, iterations: number): Buffer {
  let derived = createHash(hash).update(passphrase).update(salt).digest()
  for (let round = 1; round < iterations; round++) derived = createHash(hash).update(derived).digest()
  return derived
}

function readAlgorithm(value: DerValue | undefined): { oid: string; parameters: DerValue | undefined } {
  const [oid, parameters] = readSequence(present(value))
  return { oid: readOid(oid), parameters }
}

function present(value: DerValue | undefined): DerValue {
  if (value !== undefined) return value
  throw new KeyImportError('The encrypted PKCS#8 key lacks the parameters of its encryption')
}

function unsupported(what: string): never {
  throw new KeyImportError(
    `The key is encrypted with ${what}, which is not supported; change it with: openssl pkcs8 -topk8 -in key -out new`,
  )
}

function tooExpensive(what: string): KeyImportError {
  return new KeyImportError(`The key asks for ${what}, which would keep this machine busy for too long`)
}
