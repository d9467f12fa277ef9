/**
 * The container of OpenSSH private keys (OpenSSH PROTOCOL.key): its armour, its encryption and its padding. The fields
 * of the key inside are the key type's business.
 */

import { randomBytes } from 'node:crypto'
import { ascii, fixedBytes, printable, Reader, string, struct, uint32, Writer, wipe } from '@ssh/wire'
import { KeyExportError, KeyImportError } from '../errors.js'
import type { KeyExportOptions } from '../keys/export-options.js'
import { formatPem } from './armour.js'
import { bcryptKdf } from './bcrypt-kdf.js'
import { type OpensshKeyCipher, opensshKeyCiphers } from './openssh-key-ciphers.js'
import { requirePassphrase, wrongPassphrase } from './passphrase.js'

/** Limits on what a file, which may be hostile, can make us do, and what is written when nobody says otherwise. */
const bcrypt = { maximumRounds: 2048, defaultRounds: 16, saltLength: 16, maximumSaltLength: 1024 } as const
const magic = Buffer.from('openssh-key-v1\0')
/** Plaintext of a file without encryption is padded all the same. */
const plainBlockSize = 8

const header = struct('openssh-key-v1', {
  magic: fixedBytes(magic.length),
  cipher: ascii,
  kdf: ascii,
  kdfOptions: string,
  keyCount: uint32,
})
const kdfOptions = struct('bcrypt options', { salt: string, rounds: uint32 })

/** What a container holds; all secret but the public key. */
export interface OpensshContainer {
  /** Public key blob, which stands outside the encryption and proves nothing. */
  readonly publicKey: Uint8Array
  /** Key, comment and padding, behind the check numbers. */
  readonly privatePart: Uint8Array
}

/**
 * Opens a container.
 * @throws KeyImportError, KeyEncryptionError, AbortError, or WireError when bytes are missing
 */
export async function openOpensshContainer(
  bytes: Uint8Array,
  passphrase: string | Uint8Array | undefined,
  signal: AbortSignal | undefined,
): Promise<OpensshContainer> {
  const reader = new Reader(bytes)
  const { magic: found, cipher: cipherName, kdf, kdfOptions: options, keyCount } = header.read(reader)
  if (!magic.equals(found)) throw new KeyImportError('An OpenSSH private key must start with "openssh-key-v1"')
  if (keyCount !== 1) throw new KeyImportError(`An OpenSSH private key file holds one key, this one says ${keyCount}`)
  const publicKey = reader.readString()
  const sealed = reader.readString()

  if (cipherName === 'none' && kdf === 'none') {
    reader.expectEnd('The OpenSSH private key')
    return { publicKey, privatePart: checkedPrivatePart(sealed, () => new KeyImportError('The check numbers differ')) }
  }
  const cipher = opensshKeyCiphers.get(cipherName)
  if (cipher === undefined || kdf !== 'bcrypt') {
    throw new KeyImportError(
      `The key is encrypted with "${printable(cipherName, 64)}" and "${printable(kdf, 64)}", which is not supported; ` +
        'change it with: ssh-keygen -p -Z aes256-ctr -f key',
    )
  }
  const tag = reader.readBytes(cipher.tagLength)
  reader.expectEnd('The OpenSSH private key')
  if (sealed.length === 0 || sealed.length % cipher.blockSize !== 0) {
    throw new KeyImportError(`The encrypted part has ${sealed.length} bytes, not a multiple of ${cipher.blockSize}`)
  }
  const { salt, rounds } = kdfOptions.decode(options)
  if (rounds < 1 || rounds > bcrypt.maximumRounds || salt.length < 1 || salt.length > bcrypt.maximumSaltLength) {
    throw new KeyImportError(
      `The key asks for ${rounds} bcrypt rounds and has ${salt.length} bytes of salt; accepted are 1 to ` +
        `${bcrypt.maximumRounds} rounds and at most ${bcrypt.maximumSaltLength} bytes`,
    )
  }
  const secret = await deriveKey(cipher, requirePassphrase(passphrase), salt, rounds, signal)
  return { publicKey, privatePart: checkedPrivatePart(open(cipher, secret, sealed, tag), wrongPassphrase) }
}

/** The public key blob of a container, which need not be opened for it. @throws WireError when bytes are missing */
export function readOuterPublicKey(bytes: Uint8Array): Uint8Array {
  const reader = new Reader(bytes)
  header.read(reader)
  return reader.readString()
}

/** What ends a private part: bytes 1, 2, 3 and so on. @throws KeyImportError */
export function expectPadding(padding: Uint8Array): void {
  if (padding.every((byte, index) => byte === ((index + 1) & 0xff))) return
  throw new KeyImportError('The padding of the OpenSSH private key is not 1, 2, 3 …: the key is damaged')
}

/**
 * Builds a container, armour and all.
 * @param privateKey type name, fields and comment; wiped
 * @throws KeyExportError for an unknown cipher or number of rounds
 */
export async function writeOpensshContainer(
  publicKey: Uint8Array,
  privateKey: Uint8Array,
  { passphrase, cipher: cipherName = 'aes256-ctr', rounds = bcrypt.defaultRounds }: KeyExportOptions,
): Promise<string> {
  const cipher = opensshKeyCiphers.get(cipherName)
  if (cipher === undefined) {
    throw new KeyExportError(
      `OpenSSH keys are encrypted with one of ${opensshKeyCiphers.names.join(', ')}, not "${printable(cipherName, 64)}"`,
    )
  }
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > bcrypt.maximumRounds) {
    throw new KeyExportError(`bcrypt takes 1 to ${bcrypt.maximumRounds} rounds, not ${rounds}`)
  }
  const checkNumber = randomBytes(4)
  const plain = new Writer(privateKey.length + 32)
    .writeBytes(checkNumber)
    .writeBytes(checkNumber)
    .writeBytes(privateKey)
  wipe(privateKey)
  const blockSize = passphrase === undefined ? plainBlockSize : cipher.blockSize
  for (let byte = 1; plain.length % blockSize !== 0; byte++) plain.writeByte(byte)
  const privatePart = plain.finish()

  const writer = new Writer(1024)
  if (passphrase === undefined) {
    header.write(writer, { magic, cipher: 'none', kdf: 'none', kdfOptions: new Uint8Array(0), keyCount: 1 })
    writer.writeString(publicKey).writeString(privatePart)
  } else {
    const salt = randomBytes(bcrypt.saltLength)
    const options = kdfOptions.encode({ salt, rounds })
    header.write(writer, { magic, cipher: cipher.name, kdf: 'bcrypt', kdfOptions: options, keyCount: 1 })
    const { key, iv } = await deriveKey(cipher, requirePassphrase(passphrase), salt, rounds)
    // The tag stands behind the string, and its length does not count the tag.
    writer
      .writeString(publicKey)
      .writeUint32(privatePart.length)
      .writeBytes(cipher.seal(key, iv, privatePart))
    wipe(key)
    wipe(privatePart)
  }
  return formatPem('OPENSSH PRIVATE KEY', writer.finish(), 70)
}

interface CipherSecret {
  readonly key: Uint8Array
  readonly iv: Uint8Array
}

async function deriveKey(
  { keyLength, ivLength }: OpensshKeyCipher,
  passphrase: Uint8Array,
  salt: Uint8Array,
  rounds: number,
  signal?: AbortSignal,
): Promise<CipherSecret> {
  const bytes = await bcryptKdf(passphrase, salt, keyLength + ivLength, rounds, signal)
  return { key: bytes.subarray(0, keyLength), iv: bytes.subarray(keyLength) }
}

function open(cipher: OpensshKeyCipher, { key, iv }: CipherSecret, sealed: Uint8Array, tag: Uint8Array): Uint8Array {
  try {
    return cipher.open(key, iv, sealed, tag)
  } catch (error) {
    throw wrongPassphrase(error)
  } finally {
    wipe(key)
  }
}

/** Two equal numbers come first: they tell that decrypting worked. */
function checkedPrivatePart(plain: Uint8Array, mismatch: () => Error): Uint8Array {
  const reader = new Reader(plain)
  const checkNumber = reader.readUint32()
  if (reader.readUint32() !== checkNumber) throw mismatch()
  return reader.readRest()
}
