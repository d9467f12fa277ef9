/** How every reader of keys starts, and how every one of them fails. */

import { ascii, printable, type Reader, SshError, WireError } from '@ssh/wire'
import { KeyImportError } from '../errors.js'
import type { KeyType } from './key-type.js'
import { keyTypes } from './key-types.js'

/**
 * Reads the name that starts a blob or a private key's fields.
 * @throws KeyImportError for a certificate and for a type nobody here knows
 */
export function readKeyType(reader: Reader): KeyType {
  const name = ascii.read(reader)
  const type = keyTypes.get(name)
  if (type) return type
  throw isCertificateType(name)
    ? new KeyImportError(`This is a certificate (${name}), where a plain key is needed`)
    : new KeyImportError(
        `Keys of type "${printable(name, 64)}" are not supported; supported are ${keyTypes.names.join(', ')}`,
      )
}

/** Whether a name is the type of certificates for one of the {@link keyTypes}. */
export function isCertificateType(name: string): boolean {
  return keyTypes.rows.some((type) => type.certificateType === name)
}

/**
 * Runs a reader of something called `what`, and turns what is wrong with the bytes into a KeyImportError.
 * Errors of this package pass; so does an AbortError.
 */
export function importing<T>(what: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw toImportError(what, error)
  }
}

/** The KeyImportError that a failure to read something called `what` amounts to; typed errors stay as they are. */
export function toImportError(what: string, error: unknown): unknown {
  if (SshError.isSshError(error) && !(error instanceof WireError)) return error
  const why = error instanceof WireError ? `: ${error.message}` : ''
  return new KeyImportError(`The ${what} is damaged or cut short${why}`, { cause: error })
}
