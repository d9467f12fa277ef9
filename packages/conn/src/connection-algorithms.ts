/** The algorithms of a connection, as its users are told. */

import type { NegotiatedAlgorithms } from './transport/negotiate.js'

/** Algorithms in use. */
export interface ConnectionAlgorithms {
  readonly kex: string
  readonly serverHostKey: string
  readonly encryptionClientToServer: string
  readonly encryptionServerToClient: string
  /** Undefined with an AEAD cipher. */
  readonly macClientToServer: string | undefined
  readonly macServerToClient: string | undefined
  readonly compressionClientToServer: string
  readonly compressionServerToClient: string
}

export function describeAlgorithms(algorithms: NegotiatedAlgorithms): ConnectionAlgorithms {
  const { kex, serverHostKey, clientToServer, serverToClient } = algorithms
  return {
    kex,
    serverHostKey,
    encryptionClientToServer: clientToServer.encryption,
    encryptionServerToClient: serverToClient.encryption,
    macClientToServer: clientToServer.mac,
    macServerToClient: serverToClient.mac,
    compressionClientToServer: clientToServer.compression,
    compressionServerToClient: serverToClient.compression,
  }
}
