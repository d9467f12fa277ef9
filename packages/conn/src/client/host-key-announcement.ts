/** The client's side of OpenSSH's host key update (PROTOCOL §2.5): hears which keys there are, and asks for proof. */

import { globalRequests, hostKeysProveReply } from '@ssh/wire'
import { areProven, type HostKeyUpdate, maximumHostKeys } from '../trust/host-key-update.js'
import type { ClientLink } from './client-link.js'
import type { HostKeyCheck } from './host-key-check.js'

export class HostKeyAnnouncement {
  readonly #link: ClientLink
  readonly #check: HostKeyCheck
  readonly #algorithms: readonly string[]
  readonly #updatesFile: boolean
  #isTaken = false

  /**
   * @param algorithms host key algorithms that were offered
   * @param updatesFile whether what the server proves is written to known_hosts
   */
  constructor(link: ClientLink, check: HostKeyCheck, algorithms: readonly string[], updatesFile = false) {
    this.#link = link
    this.#check = check
    this.#algorithms = algorithms
    this.#updatesFile = updatesFile
  }

  /**
   * The server named its keys. The first time counts, as servers do it once; and nothing is asked before somebody
   * wants to know, as every proof costs the server a signature.
   * @param data of `hostkeys-00@openssh.com`
   * @throws WireError
   */
  receive(data: Uint8Array): void {
    const { hostKeys } = globalRequests.decode('hostkeys-00@openssh.com', data)
    if (this.#isTaken || hostKeys.length > maximumHostKeys) return
    this.#isTaken = true
    // Copies: it may be long until somebody listens, and a view would hold far more memory than its own.
    const blobs = hostKeys.map((blob) => Uint8Array.from(blob))
    if (this.#updatesFile) this.#compare(blobs)
    else this.#link.onceHeard('hostKeys', () => this.#compare(blobs))
  }

  #compare(blobs: readonly Uint8Array[]): void {
    const compared = this.#check.compare(blobs, this.#algorithms)
    const { mux, transport } = this.#link.peer
    const { sessionIdentifier } = transport
    if (compared === undefined || sessionIdentifier === undefined) return
    const { unproven, ...others } = compared
    const report = () => this.#report({ added: unproven, ...others })
    if (unproven.length === 0) return report()
    const question = globalRequests.encode('hostkeys-prove-00@openssh.com', {
      hostKeys: unproven.map(({ blob }) => blob),
    })
    mux.globalRequest('hostkeys-prove-00@openssh.com', question, (reply) => {
      if (reply.outcome !== 'success') return
      const { signatures } = hostKeysProveReply.decode(reply.data)
      // One proof that does not hold, and nothing of what the server said is passed on.
      if (areProven(unproven, signatures, sessionIdentifier, this.#algorithms)) report()
    })
  }
  #report(update: HostKeyUpdate): void {
    this.#link.onceHeard('hostKeys', () => this.#link.tell('hostKeys', update))
    if (!this.#updatesFile) return
    // A file that cannot be written is no reason to end a connection to a server that is known.
    this.#check.update(update).catch((error: unknown) => {
      this.#link.logger?.warn?.({ layer: 'trust', event: 'known-hosts-not-updated', error })
    })
  }
}
