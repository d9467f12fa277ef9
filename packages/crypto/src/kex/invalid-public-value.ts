/** The one way to refuse a public value. */

import { disconnectReasons } from '@ssh/wire'
import { CryptoError } from '../errors.js'

/**
 * A public value of the peer that must not be used. Ends the connection with SSH_DISCONNECT_KEY_EXCHANGE_FAILED.
 * @param what the kind of value, for instance `X25519 public key`
 * @param why what is wrong with it and what was expected
 */
export function invalidPublicValue(what: string, why: string, cause?: unknown): CryptoError {
  return new CryptoError('ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE', `The peer sent a bad ${what}: ${why}`, {
    disconnectReason: disconnectReasons.keyExchangeFailed,
    ...(cause !== undefined && { cause }),
  })
}

/** @throws CryptoError `ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE` unless `value` has exactly `length` bytes */
export function expectLength(value: Uint8Array, length: number, what: string): void {
  if (value.length !== length) throw invalidPublicValue(what, `it has ${value.length} bytes, expected ${length}`)
}
