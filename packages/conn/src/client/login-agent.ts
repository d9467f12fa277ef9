/** The agent of one login: connected when a key of it is first wanted, and closed once the login is over. */

import type { PrivateKey, PublicKey, Signer } from '@ssh/crypto'
import { AbortError, printable } from '@ssh/wire'
import type { AddKeyOptions, AgentClient } from '../agent/agent-client.js'
import type { AgentKey } from '../agent/agent-key.js'
import type { AgentSource } from './agent-options.js'
import { openAgent } from './agent-source.js'

export class LoginAgent {
  readonly #source: AgentSource | null | undefined
  readonly #ended = new AbortController()
  #client: AgentClient | undefined
  #keys: Promise<readonly AgentKey[]> | undefined

  /** @param source undefined: that of this session of the user; null: none */
  constructor(source: AgentSource | null | undefined) {
    this.#source = source
  }

  /**
   * What the agent holds, as it was when first asked.
   * @throws AgentError when there is no agent, or it cannot be used
   */
  keys(): Promise<readonly AgentKey[]> {
    this.#keys ??= this.#list()
    return this.#keys
  }

  /** The agent's key with this public half; undefined also where there is no agent. */
  async holding(publicKey: PublicKey): Promise<Signer | undefined> {
    const keys = await this.keys().catch(() => [])
    return keys.find((key) => key.holds(publicKey))
  }

  /** Hands a key to the agent. @throws AgentError */
  async add(key: PrivateKey, options: AddKeyOptions): Promise<void> {
    await this.keys()
    await this.#client?.addKey(key, { ...options, signal: this.#ended.signal })
  }

  /** Ends the connection, also one that is being made. */
  close(): void {
    this.#ended.abort()
    void this.#client?.close()
  }

  async #list(): Promise<readonly AgentKey[]> {
    const { signal } = this.#ended
    const client = await openAgent(this.#source, { signal })
    this.#client = client
    if (signal.aborted) {
      await client.close()
      throw new AbortError(signal.reason)
    }
    return await client.listKeys({ signal })
  }
}

/** Why an agent's key is not offered; undefined for one that is. */
export function whyUnusable(key: AgentKey): string | undefined {
  if (key.signatureAlgorithms.length > 0) return undefined
  const type = key.algorithm === '' ? 'of no known type' : `of type ${printable(key.algorithm, 64)}`
  return `the agent's key ${key.getFingerprint()} is ${type}, which cannot log in here`
}
