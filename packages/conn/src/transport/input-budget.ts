/** How much a peer may cost this side: traffic before it is authenticated, and key exchanges at its wish. */

import { ProtocolError } from '../errors.js'
import type { TransportLimits } from './transport-options.js'

const minute = 60_000

export class InputBudget {
  readonly #limits: TransportLimits
  #bytes = 0
  #packets = 0
  #rekeys = 0
  #windowStart = -Infinity

  constructor(limits: TransportLimits) {
    this.#limits = limits
  }

  /** One payload of a peer that is not authenticated. @throws ProtocolError when it was one too many */
  takePreAuth(length: number): void {
    this.#bytes += length
    this.#packets++
    const { preAuthBytes, preAuthPackets } = this.#limits
    if (this.#bytes <= preAuthBytes && this.#packets <= preAuthPackets) return
    throw new ProtocolError(
      'ERR_SSH_TRANSPORT_PRE_AUTH_LIMIT',
      `The peer sent ${this.#bytes} bytes in ${this.#packets} packets before authentication was done; ` +
        `the limits are ${preAuthBytes} bytes and ${preAuthPackets} packets`,
      { details: { bytes: this.#bytes, packets: this.#packets } },
    )
  }

  /** The peer began a key exchange. @throws ProtocolError when it does so too often */
  takeRekey(now: number): void {
    if (now - this.#windowStart >= minute) {
      this.#windowStart = now
      this.#rekeys = 0
    }
    if (++this.#rekeys <= this.#limits.peerRekeysPerMinute) return
    throw new ProtocolError(
      'ERR_SSH_TRANSPORT_REKEY_FLOOD',
      `The peer began more than ${this.#limits.peerRekeysPerMinute} key exchanges within a minute`,
    )
  }
}
