/** A server's side of OpenSSH's host key update (PROTOCOL §2.5): names its keys, and proves that it holds them. */

import type { PrivateKey } from '@ssh/crypto'
import { globalRequests, hostKeysProveReply, toBase64 } from '@ssh/wire'
import { hostKeyAlgorithm } from '../transport/host-key-algorithms.js'
import type { KeysChanged } from '../transport/transport-options.js'
import { hostKeyProofData } from '../trust/host-key-update.js'

export class HostKeyProofs {
  /** By blob, so that a key given twice is named once: OpenSSH's client listens to no list with duplicates. */
  readonly #keys: ReadonlyMap<string, PrivateKey>
  readonly #sessionIdentifier: Uint8Array
  readonly #kexSignature: string | undefined
  /** Made once for each key, so that a client that keeps asking costs nothing. */
  readonly #made = new Map<PrivateKey, Uint8Array>()

  constructor(hostKeys: readonly PrivateKey[], { sessionIdentifier, algorithms }: KeysChanged) {
    this.#keys = new Map(hostKeys.map((key) => [toBase64(key.publicKey.blob), key]))
    this.#sessionIdentifier = sessionIdentifier
    this.#kexSignature = hostKeyAlgorithm(algorithms.serverHostKey)?.signatureAlgorithm
  }

  /** Data of `hostkeys-00@openssh.com`. */
  announcement(): Uint8Array {
    return globalRequests.encode('hostkeys-00@openssh.com', {
      hostKeys: [...this.#keys.values()].map(({ publicKey }) => publicKey.blob),
    })
  }

  /**
   * Answers a `hostkeys-prove-00@openssh.com`.
   * @returns data of the reply; undefined when a key is asked for that is not ours, or more than there are
   * @throws WireError
   */
  answer(data: Uint8Array): Uint8Array | undefined {
    const { hostKeys } = globalRequests.decode('hostkeys-prove-00@openssh.com', data)
    if (hostKeys.length > this.#keys.size) return undefined
    const keys = hostKeys.map((blob) => this.#keys.get(toBase64(blob))).filter((key) => key !== undefined)
    if (keys.length < hostKeys.length) return undefined
    return hostKeysProveReply.encode({ signatures: keys.map((key) => this.#prove(key)) })
  }

  #prove(key: PrivateKey): Uint8Array {
    const made = this.#made.get(key)
    if (made !== undefined) return made
    // An RSA key signs as it did, or would have done, in the key exchange: OpenSSH's client takes nothing else.
    const algorithm = key.signatureAlgorithms.find((name) => name === this.#kexSignature)
    const signature = key.sign(hostKeyProofData(key.publicKey, this.#sessionIdentifier), algorithm)
    this.#made.set(key, signature)
    return signature
  }
}
