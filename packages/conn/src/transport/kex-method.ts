/** The contract of a key exchange method: messages in, answers and a shared secret out. The rows are in `kex-methods.ts`. */

import type { HashName, RandomSource } from '@ssh/crypto'
import { ProtocolError } from '../errors.js'

/** What one received message leads to: an answer, or the end of the method. */
export type KexStep<Result> =
  | { readonly type: 'send'; readonly payload: Uint8Array }
  | { readonly type: 'done'; readonly result: Result }

/** What both sides know at the end. */
export interface KexResult {
  /** What stands between K_S and K in the exchange hash, encoded. */
  readonly methodFields: Uint8Array
  /** The shared secret, raw. */
  readonly secret: Uint8Array
}

/** The client's end: the server has shown a key and signed. Nothing of it has been checked. */
export interface ClientKexResult extends KexResult {
  readonly hostKey: Uint8Array
  readonly signature: Uint8Array
}

/** The server's end: only its proof is missing. */
export interface ServerKexResult extends KexResult {
  /** The payload that ends the method. */
  reply(hostKey: Uint8Array, signature: Uint8Array): Uint8Array
}

/** A method under way on the client. */
export interface ClientKexRun {
  /** The payload that begins the method. */
  begin(): Uint8Array
  /** @throws SshError when the message is not the one expected, or its value is refused */
  receive(payload: Uint8Array): KexStep<ClientKexResult>
}

/** A method under way on the server. */
export interface ServerKexRun {
  /** @throws SshError when the message is not the one expected, or its value is refused */
  receive(payload: Uint8Array): KexStep<ServerKexResult>
}

/** A negotiable key exchange. */
export interface KexMethod {
  readonly hash: HashName
  readonly secretEncoding: 'mpint' | 'string'
  startClient(random: RandomSource): ClientKexRun
  startServer(random: RandomSource): ServerKexRun
}

/** A message of the right set at the wrong time, or from the wrong side. */
export function unexpectedKexMessage(found: string, expected: string): ProtocolError {
  return new ProtocolError(
    'ERR_SSH_KEX_UNEXPECTED_MESSAGE',
    `The peer sent ${found} during the key exchange where ${expected} was expected`,
    { details: { found, expected } },
  )
}
