/**
 * Keys in files. Key objects know no files, so that they work wherever keys do; reading and writing are functions
 * beside them.
 */

import { randomUUID } from 'node:crypto'
import { open, rename, rm } from 'node:fs/promises'
import { abortSignal, bytes, expandHome, parseOptions, readRegularFile } from '@ssh/conn'
import {
  importPrivateKey,
  importPrivateKeyList,
  importPublicKey,
  importPublicKeyList,
  KeyEncryptionError,
  KeyImportError,
  type PrivateKey,
  type PrivateKeyFormat,
  type PublicKey,
  type PublicKeyFormat,
} from '@ssh/crypto'
import { AbortError, SshError } from '@ssh/wire'
import { z } from 'zod'

const passphrase = z.union([z.string(), bytes])

export const readPrivateKeyOptionsSchema = z.strictObject({
  /** Needed when the key is encrypted, ignored when it is not. Text is taken as UTF-8. */
  passphrase: passphrase.exactOptional(),
  /** Gives up. */
  signal: abortSignal.exactOptional(),
})

export const writePrivateKeyOptionsSchema = z.strictObject({
  /** Default `openssh`, what ssh-keygen writes. */
  format: z.enum(['openssh', 'pkcs1-pem', 'pkcs8-pem', 'sec1-pem'] satisfies PrivateKeyFormat[]).exactOptional(),
  /** Encrypts the key. Default: it is written as it is. */
  passphrase: passphrase.exactOptional(),
  /** Cipher of an encrypted key. Default `aes256-ctr` for the OpenSSH format, `aes256-cbc` for the others. */
  cipher: z.string().exactOptional(),
  /** bcrypt rounds of an encrypted OpenSSH file. Default 16. */
  rounds: z.int().exactOptional(),
  /** Gives up; the file stays as it was. */
  signal: abortSignal.exactOptional(),
})

export const writePublicKeyOptionsSchema = z.strictObject({
  /** Default `openssh`, the line `type base64 comment`. */
  format: z.enum(['openssh', 'rfc4716', 'pkcs1-pem', 'pkcs8-pem'] satisfies PublicKeyFormat[]).exactOptional(),
  /** Gives up; the file stays as it was. */
  signal: abortSignal.exactOptional(),
})

/** Options of {@link readPrivateKey}. */
export type ReadPrivateKeyOptions = z.input<typeof readPrivateKeyOptionsSchema>
/** Options of {@link writePrivateKey}. */
export type WritePrivateKeyOptions = z.input<typeof writePrivateKeyOptionsSchema>
/** Options of {@link writePublicKey}. */
export type WritePublicKeyOptions = z.input<typeof writePublicKeyOptionsSchema>

/**
 * Reads the private key in a file, in any format that `importPrivateKey` knows.
 * @param path `~/` is the home directory
 * @throws KeyImportError when the file cannot be read, or is no private key; `details.file`
 * @throws KeyEncryptionError when the passphrase is missing or wrong; `details.file`
 * @throws OptionsError, AbortError
 */
export async function readPrivateKey(path: string, options: ReadPrivateKeyOptions = {}): Promise<PrivateKey> {
  const parsed = parseOptions('readPrivateKey', readPrivateKeyOptionsSchema, options)
  return readKeyFile(path, (content) => importPrivateKey(content, parsed))
}

/** Reads every private key in a file; at least one. See {@link readPrivateKey}. */
export async function readPrivateKeyList(path: string, options: ReadPrivateKeyOptions = {}): Promise<PrivateKey[]> {
  const parsed = parseOptions('readPrivateKeyList', readPrivateKeyOptionsSchema, options)
  return readKeyFile(path, (content) => importPrivateKeyList(content, parsed))
}

/**
 * Reads the public key in a file, in any format that `importPublicKey` knows.
 * @param path `~/` is the home directory
 * @throws KeyImportError when the file cannot be read, or is no public key; `details.file`
 */
export async function readPublicKey(path: string): Promise<PublicKey> {
  return readKeyFile(path, importPublicKey)
}

/** Reads every public key in a file; at least one. See {@link readPublicKey}. */
export async function readPublicKeyList(path: string): Promise<PublicKey[]> {
  return readKeyFile(path, importPublicKeyList)
}

/**
 * Writes a private key to a file that only this user may read, from its first byte on. A file that is there is replaced
 * as a whole, so that nobody ever finds half a key.
 * @param path `~/` is the home directory
 * @throws KeyExportError when the format has no room for such a key, or the options contradict each other
 * @throws Error the system's, when the file cannot be written
 * @throws OptionsError, AbortError
 */
export async function writePrivateKey(
  key: PrivateKey,
  path: string,
  options: WritePrivateKeyOptions = {},
): Promise<void> {
  const { format, signal, ...rest } = parseOptions('writePrivateKey', writePrivateKeyOptionsSchema, options)
  await replaceFile(path, await key.exportPrivateKey(format, rest), 0o600, signal)
}

/**
 * Writes a public key, or that of a private one, to a file. A file that is there is replaced as a whole.
 * @param path `~/` is the home directory
 * @throws KeyExportError when the format has no room for such a key
 * @throws Error the system's, when the file cannot be written
 * @throws OptionsError, AbortError
 */
export async function writePublicKey(
  key: Pick<PublicKey, 'exportPublicKey'>,
  path: string,
  options: WritePublicKeyOptions = {},
): Promise<void> {
  const { format, signal } = parseOptions('writePublicKey', writePublicKeyOptionsSchema, options)
  await replaceFile(path, key.exportPublicKey(format), 0o644, signal)
}

async function readKeyFile<K>(path: string, importKey: (content: Uint8Array) => K | Promise<K>): Promise<K> {
  try {
    return await importKey(await readRegularFile(path))
  } catch (error) {
    throw withFile(error, path)
  }
}

/** The same error, saying which file it is about. */
function withFile(error: unknown, file: string): unknown {
  if (!SshError.isSshError(error) || error instanceof AbortError) return error
  const options = { cause: error, details: { ...error.details, file } }
  if (error instanceof KeyEncryptionError)
    return new KeyEncryptionError(error.code, `${file}: ${error.message}`, options)
  return new KeyImportError(error instanceof KeyImportError ? `${file}: ${error.message}` : error.message, options)
}

async function replaceFile(
  path: string,
  content: string,
  mode: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const target = expandHome(path)
  const draft = `${target}.${randomUUID()}`
  try {
    const file = await open(draft, 'wx', mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    if (signal?.aborted) throw new AbortError(signal.reason)
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
