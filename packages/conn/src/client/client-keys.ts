/** The keys a client offers, one after the other: an agent's, those the user named, those in the usual places. */

import {
  importPublicKey,
  KeyEncryptionError,
  KeyImportError,
  outerPublicKey,
  type PublicKey,
  type Signer,
} from '@ssh/crypto'
import { SshError } from '@ssh/wire'
import type { AgentKey } from '../agent/agent-key.js'
import { readFileIfThere } from '../io/files.js'
import { isKeyText, type KeySource, loadNamedKey, type PassphraseSource, readKey } from '../key-source.js'
import type { AgentIdentity, AgentSource } from './agent-options.js'
import { type LoginAgent, whyUnusable } from './login-agent.js'

/** Tried in this order. */
const defaultFiles = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa']

/** A key that is ready, or why it is not. */
export type LoadedKey = { readonly signer: Signer } | { readonly skipped: string }

export interface ClientKeyOptions {
  readonly clientKeys?: KeySource | readonly KeySource[] | null | undefined
  readonly passphrase?: PassphraseSource | undefined
  readonly agentPath?: AgentSource | null | undefined
  readonly agentIdentities?: AgentIdentity | readonly AgentIdentity[] | undefined
  readonly identitiesOnly?: boolean | undefined
  /** Files to look at in place of the usual ones, where no keys are named. */
  readonly identityFiles?: readonly string[] | undefined
}

export class ClientKeys {
  readonly #agent: LoginAgent
  readonly #passphrase: PassphraseSource | undefined
  /** Undefined: look in the usual places once a key is asked for. */
  readonly #named: readonly Signer[] | undefined
  /** Undefined: any key of the agent. */
  readonly #identities: readonly PublicKey[] | undefined
  readonly #identitiesOnly: boolean
  readonly #hasAgent: boolean
  readonly #defaultFiles: readonly string[]
  /** What became of each of the usual files, which are read once. */
  readonly #files = new Map<string, Promise<LoadedKey | undefined>>()

  private constructor(
    agent: LoginAgent,
    named: readonly Signer[] | undefined,
    identities: readonly PublicKey[] | undefined,
    options: ClientKeyOptions,
  ) {
    this.#agent = agent
    this.#named = named
    this.#identities = identities
    this.#passphrase = options.passphrase
    this.#identitiesOnly = options.identitiesOnly ?? false
    this.#hasAgent = options.agentPath !== null
    this.#defaultFiles = options.identityFiles ?? defaultFiles
  }

  /**
   * Reads what the user named, so that a key that cannot be used fails before anything is sent. The agent is asked only
   * about a named key that only it may have.
   * @param agent is its owner's to close
   * @throws KeyImportError, KeyEncryptionError
   */
  static async prepare(options: ClientKeyOptions, agent: LoginAgent): Promise<ClientKeys> {
    const { clientKeys, passphrase, agentIdentities } = options
    if (clientKeys === null) return new ClientKeys(agent, [], [], options)
    const identities =
      agentIdentities === undefined
        ? undefined
        : await Promise.all(listOf<AgentIdentity>(agentIdentities).map(readIdentity))
    if (clientKeys === undefined) return new ClientKeys(agent, undefined, identities, options)
    const sources = listOf<KeySource>(clientKeys)
    const named = await Promise.all(sources.map((source) => loadNamed(source, passphrase, agent)))
    return new ClientKeys(agent, named, identities ?? [], options)
  }

  /** Whether there may be a key at all. */
  get hasAny(): boolean {
    return this.#named === undefined || this.#named.length > 0 || (this.#identities ?? []).length > 0
  }

  /** The only key there is, when the user named exactly one. */
  get onlyKey(): Signer | undefined {
    const [key, ...others] = this.#named ?? []
    return others.length === 0 && this.#identities?.length === 0 ? key : undefined
  }

  /**
   * Every key in the order it is offered, each made ready when it is asked for. A key that cannot be used is passed over,
   * with the reason for the failure report. A key in two places comes twice.
   */
  async *all(): AsyncGenerator<LoadedKey, void> {
    if (this.#usesAgent) yield* this.#agentKeys()
    for (const signer of this.#named ?? []) yield { signer }
    if (this.#usesDefaultFiles) {
      let isNone = true
      for (const file of this.#defaultFiles) {
        const key = await this.#fromFile(file)
        if (key !== undefined) yield key
        isNone &&= key === undefined
      }
      if (isNone) yield { skipped: this.#noFile }
    }
  }

  get #usesAgent(): boolean {
    if (this.#identities !== undefined) return this.#identities.length > 0
    return !this.#identitiesOnly && this.#hasAgent
  }

  get #usesDefaultFiles(): boolean {
    return this.#named === undefined && !(this.#identitiesOnly && this.#identities !== undefined)
  }

  async *#agentKeys(): AsyncGenerator<LoadedKey, void> {
    let keys: readonly AgentKey[]
    try {
      keys = await this.#agent.keys()
    } catch (error) {
      yield { skipped: messageOf(error) }
      return
    }
    if (this.#identities === undefined) {
      if (keys.length === 0) yield { skipped: 'the agent holds no keys, or is locked' }
      for (const key of await this.#usualFirst(keys)) yield usable(key)
      return
    }
    for (const identity of this.#identities) {
      const key = keys.find((candidate) => candidate.holds(identity))
      yield key === undefined ? { skipped: `the agent does not hold ${identity.getFingerprint()}` } : usable(key)
    }
  }

  /** Those that are in files to look at come first, as with OpenSSH: a server may count every other one as an attempt. */
  async #usualFirst(keys: readonly AgentKey[]): Promise<readonly AgentKey[]> {
    if (keys.length < 2) return keys
    const usual = (await Promise.all(this.#defaultFiles.map(publicKeyOf))).filter((key) => key !== undefined)
    const isUsual = (key: AgentKey) => usual.some((publicKey) => key.holds(publicKey))
    return [...keys.filter(isUsual), ...keys.filter((key) => !isUsual(key))]
  }

  get #noFile(): string {
    if (this.#defaultFiles === defaultFiles) return 'no private key in ~/.ssh'
    return this.#defaultFiles.length === 0
      ? 'ssh_config names no key'
      : `no private key in ${this.#defaultFiles.join(', ')}`
  }

  #fromFile(file: string): Promise<LoadedKey | undefined> {
    const known = this.#files.get(file)
    if (known !== undefined) return known
    const loading = this.#readFile(file).catch((error: unknown) => ({ skipped: messageOf(error) }))
    this.#files.set(file, loading)
    return loading
  }

  async #readFile(file: string): Promise<LoadedKey | undefined> {
    const content = await readFileIfThere(file)
    const passphrase = this.#passphrase
    try {
      // An agent that holds the key spares the question for its passphrase.
      const given = typeof passphrase === 'function' ? undefined : passphrase
      if (content !== undefined) return { signer: await readKey(content, file, given) }
    } catch (error) {
      const held = await this.#heldFor(file)
      if (held !== undefined) return { signer: held }
      if (content === undefined || !isPassphraseMissing(error) || typeof passphrase !== 'function') throw error
      return { signer: await readKey(content, file, passphrase) }
    }
    const held = await this.#heldFor(file)
    return held && { signer: held }
  }

  /** The agent's key for a file, if the agent may be used for it. */
  async #heldFor(file: string): Promise<Signer | undefined> {
    if (this.#identities !== undefined) return undefined
    const publicKey = await publicKeyOf(file)
    return publicKey && this.#agent.holding(publicKey)
  }
}

function usable(key: AgentKey): LoadedKey {
  const why = whyUnusable(key)
  return why === undefined ? { signer: key } : { skipped: why }
}

/** A key the user named; of one that is encrypted, or whose public half alone is here, the agent's. */
async function loadNamed(
  source: KeySource,
  passphrase: PassphraseSource | undefined,
  agent: LoginAgent,
): Promise<Signer> {
  try {
    return await loadNamedKey(source, typeof passphrase === 'function' ? undefined : passphrase)
  } catch (error) {
    const mayBeElsewhere = isPassphraseMissing(error) || error instanceof KeyImportError
    const publicKey = mayBeElsewhere && isPath(source) ? await publicKeyOf(source) : publicKeyIn(source)
    const held = publicKey && (await agent.holding(publicKey))
    if (held !== undefined) return held
    if (isPassphraseMissing(error) && typeof passphrase === 'function') return loadNamedKey(source, passphrase)
    throw publicKey === undefined ? error : await alsoNotInAgent(error, agent)
  }
}

/** The same error, saying that the agent is no help. */
async function alsoNotInAgent(error: unknown, agent: LoginAgent): Promise<unknown> {
  const why = await agent.keys().then(
    () => 'the agent does not hold this key either',
    (reason: unknown) => messageOf(reason),
  )
  const text = `${messageOf(error)} (${why})`
  const options = SshError.isSshError(error) ? { cause: error, details: error.details } : { cause: error }
  if (error instanceof KeyEncryptionError) return new KeyEncryptionError(error.code, text, options)
  return error instanceof KeyImportError ? new KeyImportError(text, options) : error
}

/** @throws KeyImportError for what is no key, or does not tell its public half */
async function readIdentity(identity: AgentIdentity): Promise<PublicKey> {
  if (typeof identity !== 'string' && !(identity instanceof Uint8Array)) {
    return 'publicKey' in identity ? identity.publicKey : identity
  }
  if (!isPath(identity)) return publicKeyIn(identity) ?? importPublicKey(identity)
  const found = await publicKeyOf(identity)
  if (found !== undefined) return found
  throw new KeyImportError(`${identity}: no public key is there, nor in ${identity}.pub; agentIdentities needs one`, {
    details: { file: identity },
  })
}

function isPath(source: KeySource | AgentIdentity): source is string {
  return typeof source === 'string' && !isKeyText(source) && !/^\S+ AAAA/.test(source)
}

/** The public key at a path or, where that does not tell, in the `.pub` file beside it. */
async function publicKeyOf(path: string): Promise<PublicKey | undefined> {
  for (const file of [path, `${path}.pub`]) {
    // What cannot be read tells no key; whoever needs the file itself has heard of that.
    const content = await readFileIfThere(file).catch(() => undefined)
    const publicKey = content && publicKeyIn(content)
    if (publicKey !== undefined) return publicKey
  }
  return undefined
}

/** The public key that text or bytes are, or tell without a passphrase. */
function publicKeyIn(source: unknown): PublicKey | undefined {
  if (typeof source !== 'string' && !(source instanceof Uint8Array)) return undefined
  const outer = outerPublicKey(source)
  if (outer !== undefined) return outer
  try {
    return importPublicKey(source)
  } catch (error) {
    if (error instanceof KeyImportError) return undefined
    throw error
  }
}

function isPassphraseMissing(error: unknown): boolean {
  return error instanceof KeyEncryptionError && error.code === 'ERR_SSH_KEY_PASSPHRASE_MISSING'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function listOf<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? value : [value as T]
}
