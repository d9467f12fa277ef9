/** Algorithm negotiation as one pure function: two KEXINIT messages in, the agreement out (RFC 4253 §7.1). */

/** What protects one direction. */
export interface DirectionAlgorithms {
  readonly encryption: string
  /** Undefined when the cipher authenticates by itself. */
  readonly mac: string | undefined
  readonly compression: string
}

/** What both sides agreed on. */
export interface NegotiatedAlgorithms {
  readonly kex: string
  readonly serverHostKey: string
  readonly clientToServer: DirectionAlgorithms
  readonly serverToClient: DirectionAlgorithms
}
