/** Where private keys come from: files, text, bytes, or objects that are keys already. */

import { importPrivateKey, KeyEncryptionError, KeyImportError, type Signer } from '@ssh/crypto'
import { SshError } from '@ssh/wire'
import { z } from 'zod'
import { readRegularFile } from './io/files.js'
import { bytes, callback, objectWith } from './options-schema.js'

/** A file path, the text or bytes of a key file, or a key object. Text counts as a key when it has several lines. */
export type KeySource = string | Uint8Array | Signer

/** A passphrase, or a function that is asked for it with the name of the file; null gives up. */
export type PassphraseSource =
  | string
  | ((file: string) => string | null | undefined | Promise<string | null | undefined>)

export const keySource: z.ZodType<KeySource, KeySource> = z.union([
  z.string().min(1),
  bytes,
  objectWith<Signer>('a private key', 'sign', 'publicKey'),
])

export const passphraseSource = z.union([z.string(), callback<Exclude<PassphraseSource, string>>()])

/**
 * Keys the user named. A key that cannot be used is an error.
 * @throws KeyImportError, KeyEncryptionError
 */
export function loadNamedKeys(
  sources: KeySource | readonly KeySource[],
  passphrase: PassphraseSource | undefined,
): Promise<Signer[]> {
  const list = Array.isArray(sources) ? (sources as readonly KeySource[]) : [sources as KeySource]
  return Promise.all(list.map((source) => loadNamedKey(source, passphrase)))
}

/** One key the user named. @throws KeyImportError, KeyEncryptionError */
export async function loadNamedKey(source: KeySource, passphrase: PassphraseSource | undefined): Promise<Signer> {
  if (typeof source !== 'string') {
    return source instanceof Uint8Array ? readKey(source, 'a key given as bytes', passphrase) : source
  }
  if (isKeyText(source)) return readKey(source, 'a key given as text', passphrase)
  return readKey(await readKeyFile(source), source, passphrase)
}

async function readKeyFile(path: string): Promise<Uint8Array> {
  try {
    return await readRegularFile(path)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new KeyImportError(`The private key cannot be used: ${why}`, { cause, details: { file: path } })
  }
}

/**
 * Reads one key; a passphrase function is asked only when the key turns out to be encrypted.
 * @param origin which key it is, for errors and for the passphrase function
 */
export async function readKey(
  data: string | Uint8Array,
  origin: string,
  passphrase: PassphraseSource | undefined,
): Promise<Signer> {
  try {
    if (typeof passphrase !== 'function')
      return await importPrivateKey(data, passphrase === undefined ? {} : { passphrase })
    return await readAsking(data, () => passphrase(origin))
  } catch (error) {
    throw withOrigin(error, origin)
  }
}

async function readAsking(data: string | Uint8Array, ask: () => unknown): Promise<Signer> {
  try {
    return await importPrivateKey(data)
  } catch (error) {
    const isPassphraseMissing = error instanceof KeyEncryptionError && error.code === 'ERR_SSH_KEY_PASSPHRASE_MISSING'
    const passphrase = isPassphraseMissing ? await ask() : undefined
    if (typeof passphrase === 'string') return await importPrivateKey(data, { passphrase })
    throw error
  }
}

/** The same error, saying which key it is about. */
function withOrigin(error: unknown, origin: string): unknown {
  if (!SshError.isSshError(error)) return error
  const options = { cause: error, details: { ...error.details, file: origin } }
  if (error instanceof KeyEncryptionError) {
    return new KeyEncryptionError(error.code, `${origin}: ${error.message}`, options)
  }
  return error instanceof KeyImportError ? new KeyImportError(`${origin}: ${error.message}`, options) : error
}

/** Whether a string is a key itself: no path has several lines or an armour. */
export function isKeyText(source: string): boolean {
  return source.includes('\n') || source.includes('-----BEGIN')
}
