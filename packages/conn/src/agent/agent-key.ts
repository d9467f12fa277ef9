/** A key in an agent: a `Signer` whose signatures the agent makes. */

import { type FingerprintHash, KeyImportError, type PublicKey, parsePublicKey, type Signer } from '@ssh/crypto'
import { equalBytes, printable } from '@ssh/wire'
import { AgentError } from '../errors.js'
import { OpaquePublicKey } from './opaque-public-key.js'

/** Asks the agent for a signature by one of the key's algorithms. */
export type AgentSign = (key: PublicKey, data: Uint8Array, algorithm: string) => Promise<Uint8Array>

/**
 * One key that an agent holds. It can be given wherever a key to log in with can, as long as the agent is connected.
 *
 * Keys of types that this SDK cannot take apart (security keys, certificates) can log in all the same; what they are is
 * told by `algorithm` and `publicKey.blob`.
 */
export class AgentKey implements Signer {
  /** What whoever added the key wrote beside it. It may hold any characters. */
  readonly comment: string
  readonly #blob: Uint8Array
  readonly #sign: AgentSign
  #publicKey: PublicKey | undefined

  /** Made by `listKeys` of an agent. */
  constructor(blob: Uint8Array, comment: string, sign: AgentSign) {
    this.#blob = Uint8Array.from(blob)
    this.comment = comment
    this.#sign = sign
  }

  /**
   * Its public half, as the agent lists it. Taken apart when it is first asked for: an agent that says that it holds
   * thousands of keys must not cost a second.
   */
  get publicKey(): PublicKey {
    this.#publicKey ??= readAgentKey(this.#blob, this.comment)
    return this.#publicKey
  }

  /** Whether it is this key. */
  holds(publicKey: PublicKey): boolean {
    return equalBytes(this.#blob, publicKey.blob)
  }

  /** Key type, for instance `ssh-ed25519`. */
  get algorithm(): string {
    return this.publicKey.algorithm
  }

  /** Signature algorithms, best first; none for a key of a type that nobody here knows, which cannot log in. */
  get signatureAlgorithms(): readonly string[] {
    return this.publicKey.signatureAlgorithms
  }

  /** As `getFingerprint` of the public key. */
  getFingerprint(hash?: FingerprintHash): string {
    return this.publicKey.getFingerprint(hash)
  }

  /**
   * The agent may ask its user first, so this can take as long as a person takes.
   * @param algorithm one of `signatureAlgorithms`; default the first
   * @returns a signature blob (RFC 4253 §6.6)
   * @throws AgentError when the agent refuses, signs by another algorithm, or is gone
   */
  async sign(data: Uint8Array, algorithm = this.signatureAlgorithms[0]): Promise<Uint8Array> {
    if (algorithm !== undefined && this.signatureAlgorithms.includes(algorithm)) {
      return this.#sign(this.publicKey, data, algorithm)
    }
    const supported = this.signatureAlgorithms.join(', ') || 'nothing that is known here'
    throw new AgentError(
      'ERR_SSH_AGENT_KEY_UNSUPPORTED',
      `A key of type "${printable(this.algorithm, 64)}" signs by ${supported}, not by ${printable(algorithm ?? 'anything', 64)}`,
      { details: { keyType: this.algorithm, algorithm, supported: this.signatureAlgorithms } },
    )
  }

  toJSON(): object {
    const { algorithm, comment } = this
    return { algorithm, fingerprint: this.getFingerprint(), comment: printable(comment) }
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return `AgentKey ${JSON.stringify(this)}`
  }
}

/** The public key in a blob; one that cannot be taken apart is passed on unread. */
export function readAgentKey(blob: Uint8Array, comment: string): PublicKey {
  try {
    return parsePublicKey(blob, comment)
  } catch (error) {
    if (error instanceof KeyImportError) return new OpaquePublicKey(blob, comment)
    throw error
  }
}
