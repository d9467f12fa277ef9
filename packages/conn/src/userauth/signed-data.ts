/** What a publickey signature covers. */

import { services, userauthMethods, userauthRequest, Writer } from '@ssh/wire'

/** The request that a signature is part of. */
export interface SignedRequest {
  /** The first exchange hash: binds the signature to this connection. */
  readonly sessionIdentifier: Uint8Array
  readonly userName: string
  readonly algorithmName: string
  /** Public key blob. */
  readonly publicKey: Uint8Array
}

/** The session identifier and the request up to its signature (RFC 4252 §7). */
export function signedData({ sessionIdentifier, userName, algorithmName, publicKey }: SignedRequest): Uint8Array {
  const request = userauthRequest.encode({
    userName,
    serviceName: services.connection,
    methodName: 'publickey',
    // The fields of a signed request but the signature are those of a query.
    methodData: userauthMethods.publickeyQuery.encode({ hasSignature: true, algorithmName, publicKey }),
  })
  return new Writer().writeString(sessionIdentifier).writeBytes(request).finish()
}
