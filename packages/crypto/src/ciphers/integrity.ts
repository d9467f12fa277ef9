/** The one answer to a packet whose tag does not fit, whatever the reason: peers must not learn which it was. */

import { timingSafeEqual } from 'node:crypto'
import { disconnectReasons } from '@ssh/wire'
import { CryptoError } from '../errors.js'

/** Bytes of the packet_length field (RFC 4253 §6). */
export const lengthFieldSize = 4

/** A packet that fails its check. Ends the connection with SSH_DISCONNECT_MAC_ERROR. */
export function integrityError(cause?: unknown): CryptoError {
  return new CryptoError(
    'ERR_SSH_CRYPTO_INTEGRITY',
    'A packet does not match its tag: it was changed on its way, or the two sides hold different keys; connect anew',
    { disconnectReason: disconnectReasons.macError, ...(cause !== undefined && { cause }) },
  )
}

/**
 * Where the tag of a received packet begins.
 * @param minimum bytes that must come before it
 * @throws CryptoError `ERR_SSH_CRYPTO_INTEGRITY` when the packet is too short for both
 */
export function tagOffset(packet: Uint8Array, tagLength: number, minimum: number): number {
  const offset = packet.length - tagLength
  if (offset < minimum) throw integrityError()
  return offset
}

/**
 * Compares in constant time.
 * @throws CryptoError `ERR_SSH_CRYPTO_INTEGRITY` unless both tags are the same
 */
export function expectTag(received: Uint8Array, computed: Uint8Array): void {
  // timingSafeEqual throws a RangeError on a length mismatch; the length itself is no secret.
  if (received.length !== computed.length || !timingSafeEqual(received, computed)) throw integrityError()
}
