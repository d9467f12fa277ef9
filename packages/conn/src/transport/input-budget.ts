/** How much a peer may cost this side: traffic before it is authenticated, and key exchanges at its wish. */

import { ProtocolError } from '../errors.js'
import type { TransportLimits } from './transport-options.js'

const minute = 60_000

export class InputBudget {
  readonly #limits: TransportLimits
  #bytes = 0
  #packets = 0
  #preAuthRekeys = 0
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

  /**
   * The peer began another key exchange. Before authentication nothing calls for one, and each costs this side more
   * than the peer (CVE-2002-20001).
   * @throws ProtocolError when it does so too often
   */
  takeRekey(now: number, isAuthenticated: boolean): void {
    const { preAuthRekeys, peerRekeysPerMinute } = this.#limits
    if (!isAuthenticated && ++this.#preAuthRekeys > preAuthRekeys) {
      throw rekeyFlood(`more than ${preAuthRekeys} key exchanges before authentication was done`)
    }
    if (now - this.#windowStart >= minute) {
      this.#windowStart = now
      this.#rekeys = 0
    }
    if (++this.#rekeys > peerRekeysPerMinute) {
      throw rekeyFlood(`more than ${peerRekeysPerMinute} key exchanges within a minute`)
    }
  }
}

function rekeyFlood(what: string): ProtocolError {
  return new ProtocolError('ERR_SSH_TRANSPORT_REKEY_FLOOD', `The peer began ${what}`)
}
