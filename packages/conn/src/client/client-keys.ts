/** Where a client's private keys come from. */

import { importPrivateKey, KeyEncryptionError, KeyImportError, type Signer } from '@ssh/crypto'
import { SshError } from '@ssh/wire'
import { readFileIfThere, readRegularFile } from '../io/files.js'
import type { KeySource, ParsedClientOptions, PassphraseSource } from './client-options.js'

/** Tried in this order when the user names no key. */
const defaultFiles = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa']

/** A key that is ready, or why it is not. */
export type LoadedKey = { readonly signer: Signer } | { readonly skipped: string }

/** Keys the user named. A key that cannot be used is an error. */
export function loadNamedKeys(
  sources: NonNullable<ParsedClientOptions['clientKeys']>,
  passphrase: PassphraseSource | undefined,
): Promise<Signer[]> {
  const list = Array.isArray(sources) ? (sources as readonly KeySource[]) : [sources as KeySource]
  return Promise.all(list.map((source) => loadNamedKey(source, passphrase)))
}

async function loadNamedKey(source: KeySource, passphrase: PassphraseSource | undefined): Promise<Signer> {
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
    if (SshError.isSshError(cause)) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new KeyImportError(`Cannot read the private key ${path}: ${why}`, { cause, details: { file: path } })
  }
}

/** Keys in the usual places. One that cannot be used is passed over, with the reason for the failure report. */
export async function loadDefaultKeys(passphrase: PassphraseSource | undefined): Promise<LoadedKey[]> {
  const keys: LoadedKey[] = []
  for (const file of defaultFiles) {
    const content = await readFileIfThere(file).catch(() => undefined)
    if (content === undefined) continue
    try {
      keys.push({ signer: await readKey(content, file, passphrase) })
    } catch (error) {
      keys.push({ skipped: error instanceof Error ? error.message : String(error) })
    }
  }
  return keys
}

/** Reads one key; a passphrase function is asked only when the key turns out to be encrypted. */
export async function readKey(
  data: string | Uint8Array,
  origin: string,
  passphrase: PassphraseSource | undefined,
): Promise<Signer> {
  try {
    return await importPrivateKey(data, typeof passphrase === 'string' ? { passphrase } : {})
  } catch (error) {
    if (isPassphraseMissing(error) && typeof passphrase === 'function') {
      const given = await passphrase(origin)
      if (given !== null && given !== undefined) return importPrivateKey(data, { passphrase: given })
    }
    throw withOrigin(error, origin)
  }
}

function isPassphraseMissing(error: unknown): boolean {
  return error instanceof KeyEncryptionError && error.code === 'ERR_SSH_KEY_PASSPHRASE_MISSING'
}

/** The same error, saying which key it is about. */
function withOrigin(error: unknown, origin: string): unknown {
  const options = { cause: error, details: { file: origin } }
  if (error instanceof KeyEncryptionError)
    return new KeyEncryptionError(error.code, `${origin}: ${error.message}`, options)
  if (error instanceof KeyImportError) return new KeyImportError(`${origin}: ${error.message}`, options)
  return error
}

/** Whether a string is a key itself: no path has several lines or an armour. */
function isKeyText(source: string): boolean {
  return source.includes('\n') || source.includes('-----BEGIN')
}
