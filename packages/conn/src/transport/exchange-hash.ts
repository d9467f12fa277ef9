/** The exchange hash H, which binds everything both sides said so far to the keys (RFC 4253 §8). */

import { createHash } from 'node:crypto'
import type { HashName } from '@ssh/crypto'
import { mpint, string, Writer } from '@ssh/wire'

/** What both sides sent before the method's own messages. */
export interface ExchangeTranscript {
  /** V_C and V_S, without line ends. */
  readonly clientIdentification: Uint8Array
  readonly serverIdentification: Uint8Array
  /** I_C and I_S: whole KEXINIT payloads. */
  readonly clientKexInit: Uint8Array
  readonly serverKexInit: Uint8Array
}

/** What the method's messages brought, in the order in which it is hashed. */
export interface ExchangeFields {
  /** K_S. */
  readonly hostKey: Uint8Array
  /** What stands between K_S and K, encoded: public values, and the group where one was agreed on. */
  readonly methodFields: Uint8Array
  /** K, encoded as {@link encodeSecret} does. */
  readonly encodedSecret: Uint8Array
}

/** The shared secret as the hash and the key derivation take it (RFC 4253 §8; hybrids: a string). */
export function encodeSecret(secret: Uint8Array, encoding: 'mpint' | 'string'): Uint8Array {
  const writer = new Writer(secret.length + 5)
  const codec = encoding === 'mpint' ? mpint : string
  codec.write(writer, secret)
  return writer.finish()
}

/** H. */
export function exchangeHash(hash: HashName, transcript: ExchangeTranscript, fields: ExchangeFields): Uint8Array {
  const writer = new Writer(4096)
    .writeString(transcript.clientIdentification)
    .writeString(transcript.serverIdentification)
    .writeString(transcript.clientKexInit)
    .writeString(transcript.serverKexInit)
    .writeString(fields.hostKey)
    .writeBytes(fields.methodFields)
  return createHash(hash).update(writer.finish()).update(fields.encodedSecret).digest()
}
