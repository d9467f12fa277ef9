/** Private keys from the text or bytes of a file, whatever its format. */

import { AbortError, equalBytes, Reader } from '@ssh/wire'
import { KeyImportError } from '../errors.js'
import type { PrivateKey } from '../keys/key.js'
import { readPrivateKey } from '../keys/private-key.js'
import { toImportError } from '../keys/read-key-type.js'
import type { ArmouredBlock } from './armour.js'
import { openKeySource } from './key-source.js'
import { importPrivateDer } from './node-keys.js'
import { expectPadding, openOpensshContainer } from './openssh-private.js'
import { decryptPem } from './pem-encryption.js'
import { decryptPkcs8 } from './pkcs8-encryption.js'
import { certificateLine, publicKeyLine, type WrongKind, wrongKindError } from './recognise.js'

export interface PrivateKeyImportOptions {
  /** Needed when the key is encrypted, ignored when it is not. Text is taken as UTF-8. */
  readonly passphrase?: string | Uint8Array
  /** Gives up; only encrypted keys take long enough for that to matter. */
  readonly signal?: AbortSignal
}

/**
 * Reads one private key: OpenSSH, or PEM or DER of PKCS#8, PKCS#1 or SEC1; encrypted or not.
 *
 * An encrypted key takes what its maker chose to make guessing slow: 0.2 s for the 16 rounds of OpenSSH, most of it
 * on this thread but in steps of some milliseconds, so that other work goes on in between.
 * @throws KeyImportError `ERR_SSH_KEY_IMPORT` for anything else, and unless there is exactly one private key
 * @throws KeyEncryptionError `ERR_SSH_KEY_PASSPHRASE_MISSING`, `ERR_SSH_KEY_PASSPHRASE_WRONG`
 * @throws AbortError
 * @example
 * const key = await importPrivateKey(await readFile('id_ed25519'), { passphrase: 'secret' })
 */
export async function importPrivateKey(
  data: string | Uint8Array,
  options: PrivateKeyImportOptions = {},
): Promise<PrivateKey> {
  const [key, ...more] = await importPrivateKeyList(data, options)
  if (key !== undefined && more.length === 0) return key
  throw new KeyImportError(`Expected one private key, found ${more.length + 1}; use importPrivateKeyList`)
}

/**
 * Reads every private key of a file; all that are encrypted have the same passphrase. Blocks of other kinds, such as
 * the certificate that often stands beside a PEM key, are skipped.
 * @returns at least one key, in the order of the file
 * @throws as {@link importPrivateKey} does
 */
export async function importPrivateKeyList(
  data: string | Uint8Array,
  options: PrivateKeyImportOptions = {},
): Promise<PrivateKey[]> {
  try {
    if (options.signal?.aborted) throw new AbortError(options.signal.reason)
    const source = openKeySource(data)
    const keys: PrivateKey[] = []
    for (const block of source.blocks) {
      const read = readers.get(block.label)
      if (read) keys.push(await read(block, options))
    }
    if (keys.length === 0) throw wrongKindError(source, 'private key', wrongKinds, formats)
    return keys
  } catch (error) {
    throw toImportError('private key', error)
  }
}

type BlockReader = (block: ArmouredBlock, options: PrivateKeyImportOptions) => Promise<PrivateKey>

/** One row per kind of block that holds a private key. */
const readers = new Map<string, BlockReader>([
  ['OPENSSH PRIVATE KEY', readOpenssh],
  ['PRIVATE KEY', async ({ body }) => importPrivateDer(body, 'pkcs8')],
  [
    'ENCRYPTED PRIVATE KEY',
    async ({ body }, { passphrase }) => importPrivateDer(await decryptPkcs8(body, passphrase), 'pkcs8'),
  ],
  ['RSA PRIVATE KEY', async (block, { passphrase }) => importPrivateDer(await decryptPem(block, passphrase), 'pkcs1')],
  ['EC PRIVATE KEY', async (block, { passphrase }) => importPrivateDer(await decryptPem(block, passphrase), 'sec1')],
])

async function readOpenssh(
  { body }: ArmouredBlock,
  { passphrase, signal }: PrivateKeyImportOptions,
): Promise<PrivateKey> {
  const { publicKey, privatePart } = await openOpensshContainer(body, passphrase, signal)
  try {
    const reader = new Reader(privatePart)
    const key = readPrivateKey(reader)
    expectPadding(reader.readRest())
    if (equalBytes(key.publicKey.blob, publicKey)) return key
    throw new KeyImportError('The public key in the file is not that of its private key: the file was tampered with')
  } finally {
    privatePart.fill(0)
  }
}

const formats = 'an OpenSSH private key, or PEM or DER of PKCS#8, PKCS#1 (RSA) or SEC1 (EC)'

const wrongKinds: readonly WrongKind[] = [
  [
    certificateLine,
    'This is an OpenSSH certificate; give the private key it was made for, and the certificate beside it',
  ],
  [publicKeyLine, 'This is a public key; give the private key, usually the file of the same name without .pub'],
  [/PUBLIC KEY\]/, 'This is a public key; give the private key it belongs to'],
  [/CERTIFICATE\]/, 'This is an X.509 certificate; give the private key it was made for'],
]
