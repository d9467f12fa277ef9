/**
 * A client of an SSH agent: draft-ietf-sshm-ssh-agent, OpenSSH PROTOCOL.agent. Speaks over any ByteChannel: the agent's
 * socket, or a channel to the agent of a client that forwards it. What an agent says is as hostile as what a server says.
 */

import { encodePrivateKey, type PrivateKey, type PublicKey, parseSignature, signatureAlgorithms } from '@ssh/crypto'
import {
  AbortError,
  type AgentResponse,
  agentConfirmConstraint,
  agentExtensionNames,
  agentLifetimeConstraint,
  agentQueryResponses,
  agentRequests,
  agentResponses,
  ascii,
  type ByteChannel,
  concatBytes,
  parseDuration,
  printable,
  Reader,
  toUtf8,
} from '@ssh/wire'
import { AgentError, OptionsError } from '../errors.js'
import { FrameReader, frame } from './agent-frames.js'
import { AgentKey } from './agent-key.js'
import { signatureNameOf, signFlagsOf } from './key-algorithms.js'

const [
  requestIdentities,
  signRequest,
  addIdentity,
  removeIdentity,
  removeAllIdentities,
  ,
  ,
  lock,
  unlock,
  addIdConstrained,
  ,
  extension,
] = agentRequests.definitions

/** Calls back once, some milliseconds from now. @returns a function that cancels */
export type Schedule = (callback: () => void, delayMs: number) => () => void

export interface AgentClientOptions {
  readonly schedule: Schedule
  /**
   * Milliseconds an agent may take to answer, after which its connection is given up; default 30 s, 0: no limit. Never
   * counts for signatures, about which an agent may ask its user first.
   */
  readonly timeoutMs?: number
}

/** What every request takes. */
export interface AgentRequestOptions {
  /** Gives up waiting; what the agent was asked to do, it may still do. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `sign`. */
export interface AgentSignOptions extends AgentRequestOptions {
  /** One of the key's `signatureAlgorithms`; default the first. Decides the flags. */
  readonly algorithm?: string | undefined
  /** Flags of the request in place of those: 2 is SHA-256, 4 is SHA-512, both for RSA keys (§3.6.1). */
  readonly flags?: number | undefined
}

/** Options of `addKey`. */
export interface AddKeyOptions extends AgentRequestOptions {
  /** What is listed beside the key. Default: the comment of the key. */
  readonly comment?: string | undefined
  /** After this long (milliseconds, or text like `'8h'`; counted in whole seconds) the agent forgets the key. Default: never. */
  readonly lifetime?: number | string | undefined
  /** Whether the agent asks its user before each use. Default false. */
  readonly confirm?: boolean | undefined
}

interface PendingRequest {
  readonly payload: Uint8Array
  /** For errors: what was asked. */
  readonly what: string
  readonly timeoutMs: number
  /** @throws AgentError, WireError when the reply does not fit */
  readonly settle: (reply: Uint8Array) => void
  readonly fail: (error: Error) => void
}

const defaultTimeoutMs = 30_000
/** Keys of one agent, as OpenSSH has it (MAX_AGENT_IDENTITIES). */
const mostKeys = 2048

/**
 * A connection to an agent. Requests are answered in the order of the calls, one at a time. An agent that answers what it
 * must not, or not at all, loses its connection, and every request that is pending fails with the reason.
 *
 * @example
 * await using agent = await connectAgent()
 * for (const key of await agent.listKeys()) console.log(key.algorithm, key.comment)
 */
export class AgentClient {
  readonly #channel: ByteChannel
  readonly #schedule: Schedule
  readonly #timeoutMs: number
  readonly #frames = new FrameReader()
  /** Not sent yet, the next first. */
  readonly #queue = new Set<PendingRequest>()
  /** With the agent; its reply must be waited for also when nobody wants it any more. */
  #current: PendingRequest | undefined
  #cancelTimeout: (() => void) | undefined
  /** Set once nothing more can be asked; what those who ask too late are told. */
  #endError: AgentError | undefined
  readonly #closed: Promise<void>
  #settleClosed: (error: AgentError | undefined) => void = () => {}

  /** @param channel is the client's own from now on */
  constructor(channel: ByteChannel, options: AgentClientOptions) {
    this.#channel = channel
    this.#schedule = options.schedule
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs
    this.#closed = new Promise((resolve, reject) => {
      this.#settleClosed = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#closed.catch(() => {})
    channel.attach({
      onData: (chunk) => this.#receive(chunk),
      onEnd: () => this.#over(),
      onClose: (error) => this.#over(error),
    })
  }

  /** Resolves when the connection ended as it should, rejects with what broke it. Never an unhandled rejection. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /**
   * Keys the agent holds, in its order; none while it is locked.
   * @throws AgentError, AbortError
   */
  async listKeys(options: AgentRequestOptions = {}): Promise<AgentKey[]> {
    const answer = await this.#ask(requestIdentities.encode({}), 'to list its keys', 'identitiesAnswer', options)
    return answer.identities.map(
      ({ publicKey, comment }) =>
        new AgentKey(publicKey, comment, (key, data, algorithm) => this.sign(key, data, { algorithm })),
    )
  }

  /**
   * Signs with one of the agent's keys. There is no time limit, as the agent may ask its user first; give a signal.
   * @param key a key, or its public key blob
   * @returns a signature blob (RFC 4253 §6.6)
   * @throws AgentError `ERR_SSH_AGENT_REFUSED` when the agent has no such key, or its user refuses;
   *   `ERR_SSH_AGENT_WRONG_ALGORITHM` when it signed by another algorithm than it was asked for
   * @throws AgentError, AbortError
   */
  async sign(
    key: PublicKey | AgentKey | Uint8Array,
    data: Uint8Array,
    options: AgentSignOptions = {},
  ): Promise<Uint8Array> {
    const publicKey = 'publicKey' in key ? key.publicKey : key
    const known = publicKey instanceof Uint8Array ? undefined : publicKey.signatureAlgorithms[0]
    const { algorithm = known, flags, signal } = options
    const request = {
      publicKey: blobOf(publicKey),
      data,
      flags: flags ?? (algorithm === undefined ? 0 : signFlagsOf(algorithm)),
    }
    const payload = signRequest.encode(request)
    const reply = await this.#ask(payload, 'to sign', 'signResponse', { signal }, 0)
    const signature = Uint8Array.from(reply.signature)
    const made = this.#trusting(() => algorithmOf(signature))
    const expected = flags === undefined && algorithm !== undefined ? signatureNameOf(algorithm) : made
    if (made !== expected) throw wrongAlgorithm(made, expected)
    return signature
  }

  /**
   * Hands a private key to the agent, which keeps it until it is removed, the agent ends, or the lifetime is over.
   * @throws KeyExportError when the key is not held in this process
   * @throws OptionsError when `lifetime` is no duration of 1 second to 136 years
   * @throws AgentError, AbortError
   */
  async addKey(key: PrivateKey, options: AddKeyOptions = {}): Promise<void> {
    const { comment, lifetime, confirm = false, signal } = options
    const constraints: Uint8Array[] = []
    if (lifetime !== undefined) {
      constraints.push(agentLifetimeConstraint.encode({ constraintType: 1, seconds: toSeconds(lifetime) }))
    }
    if (confirm) constraints.push(agentConfirmConstraint.encode({ constraintType: 2 }))
    const reader = new Reader(encodePrivateKey(key, comment))
    const keyType = ascii.read(reader)
    const keyData = concatBytes([reader.readRest(), ...constraints])
    const request = constraints.length === 0 ? addIdentity : addIdConstrained
    await this.#ask(request.encode({ keyType, keyData }), 'to add a key', 'success', { signal })
  }

  /** Removes one key. @throws AgentError `ERR_SSH_AGENT_REFUSED` when the agent has no such key; AgentError, AbortError */
  async removeKey(key: PublicKey | AgentKey | Uint8Array, options: AgentRequestOptions = {}): Promise<void> {
    const publicKey = blobOf('publicKey' in key ? key.publicKey : key)
    await this.#ask(removeIdentity.encode({ publicKey }), 'to remove a key', 'success', options)
  }

  /** Removes all keys. @throws AgentError, AbortError */
  async removeAll(options: AgentRequestOptions = {}): Promise<void> {
    await this.#ask(removeAllIdentities.encode({}), 'to remove all keys', 'success', options)
  }

  /**
   * Locks the agent: until it is unlocked it lists no keys and signs nothing, for anybody.
   * @throws AgentError `ERR_SSH_AGENT_REFUSED` when it is locked already; AgentError, AbortError
   */
  async lock(passphrase: string, options: AgentRequestOptions = {}): Promise<void> {
    await this.#ask(lock.encode({ passphrase: toUtf8(passphrase) }), 'to be locked', 'success', options)
  }

  /** Unlocks the agent. @throws AgentError `ERR_SSH_AGENT_REFUSED` for a wrong passphrase; AgentError, AbortError */
  async unlock(passphrase: string, options: AgentRequestOptions = {}): Promise<void> {
    await this.#ask(unlock.encode({ passphrase: toUtf8(passphrase) }), 'to be unlocked', 'success', options)
  }

  /**
   * Names of the extensions the agent knows (§3.8.1); none when it does not even know this question.
   * @throws AgentError, AbortError
   */
  async queryExtensions(options: AgentRequestOptions = {}): Promise<readonly string[]> {
    const payload = extension.encode({ extensionType: 'query', contents: new Uint8Array(0) })
    return await this.#request(payload, 'for its extensions', options, this.#timeoutMs, (reply) => {
      const answer = agentQueryResponses.decode(reply)
      if (answer.type === 'failure' || answer.type === 'extensionFailure') return []
      if (answer.type === 'extensionResponse' && answer.extensionType !== 'query') {
        throw invalidReply(`it answered for the extension "${printable(answer.extensionType, 64)}"`)
      }
      return agentExtensionNames.decode(answer.contents).names
    })
  }

  /** Ends the connection; whatever is pending fails. Never rejects. */
  async close(): Promise<void> {
    const isIdle = this.#current === undefined
    this.#end(new AgentError('ERR_SSH_AGENT_CLOSED', 'This connection to an agent was closed'), undefined)
    if (isIdle) this.#channel.close()
    else this.#channel.abort()
    await this.#closed.catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @param timeoutMs 0: no limit */
  #ask<T extends AgentResponse['type']>(
    payload: Uint8Array,
    what: string,
    expected: T,
    options: AgentRequestOptions,
    timeoutMs = this.#timeoutMs,
  ): Promise<Extract<AgentResponse, { type: T }>> {
    return this.#request(payload, what, options, timeoutMs, (reply) => {
      const answer = agentResponses.decode(reply)
      if (answer.type === 'identitiesAnswer' && answer.identities.length > mostKeys) {
        throw invalidReply(`it lists ${answer.identities.length} keys, and at most ${mostKeys} are believed`)
      }
      if (answer.type === expected) return answer as Extract<AgentResponse, { type: T }>
      if (answer.type === 'failure' || answer.type === 'extensionFailure') throw refused(what)
      throw invalidReply(`it answered ${answer.type}, and not ${expected}, when it was asked ${what}`)
    })
  }

  /** @param read makes something of the reply, or throws `refused`; anything else that it throws ends the connection */
  #request<T>(
    payload: Uint8Array,
    what: string,
    { signal }: AgentRequestOptions,
    timeoutMs: number,
    read: (reply: Uint8Array) => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new AbortError(signal.reason)
      if (this.#endError !== undefined) throw this.#endError
      const release = () => signal?.removeEventListener('abort', onAbort)
      const request: PendingRequest = {
        payload: frame(payload),
        what,
        timeoutMs,
        settle: (reply) => {
          release()
          try {
            resolve(read(reply))
          } catch (error) {
            const fault = toAgentError(error)
            reject(fault)
            throw fault
          }
        },
        fail: (error) => {
          release()
          reject(error)
        },
      }
      const onAbort = () => {
        this.#queue.delete(request)
        reject(new AbortError(signal?.reason))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#queue.add(request)
      this.#sendNext()
    })
  }

  #sendNext(): void {
    if (this.#current !== undefined) return
    const [request] = this.#queue
    if (request === undefined) return
    this.#queue.delete(request)
    this.#current = request
    const { timeoutMs, what } = request
    if (timeoutMs > 0) {
      this.#cancelTimeout = this.#schedule(() => {
        const text = `The agent was asked ${what} and did not answer in ${timeoutMs} ms`
        this.#break(new AgentError('ERR_SSH_AGENT_TIMEOUT', text, { details: { timeoutMs } }))
      }, timeoutMs)
    }
    this.#channel.write(request.payload)
  }

  #receive(chunk: Uint8Array): void {
    // Handed back at once: what is held is bounded by the longest frame.
    this.#channel.release(chunk.length)
    if (this.#endError !== undefined) return
    try {
      this.#frames.push(chunk)
      for (let payload = this.#frames.next(); payload !== undefined; payload = this.#frames.next()) {
        this.#receiveReply(payload)
        if (this.#endError !== undefined) return
      }
    } catch (error) {
      this.#break(toAgentError(error))
    }
  }

  #receiveReply(payload: Uint8Array): void {
    const request = this.#current
    if (request === undefined) throw invalidReply('it spoke without having been asked')
    this.#cancelTimeout?.()
    this.#cancelTimeout = undefined
    try {
      request.settle(payload)
    } catch (error) {
      if (!isRefusal(error)) throw error
    } finally {
      this.#current = undefined
    }
    this.#sendNext()
  }

  /** Runs a reader of what an agent sent. */
  #trusting<T>(read: () => T): T {
    try {
      return read()
    } catch (error) {
      const fault = toAgentError(error)
      this.#break(fault)
      throw fault
    }
  }

  /** The agent ended the connection, or lost it. */
  #over(cause?: Error): void {
    const isCut = this.#current !== undefined || this.#frames.isInFrame
    const why = cause === undefined ? '' : `: ${cause.message}`
    const where = this.#frames.isInFrame ? ' in the middle of a reply' : ''
    const error = new AgentError('ERR_SSH_AGENT_CLOSED', `The agent closed the connection${where}${why}`, {
      ...(cause !== undefined && { cause }),
    })
    this.#end(error, isCut || cause !== undefined ? error : undefined)
    this.#channel.close()
  }

  /** The agent cannot be believed any more. */
  #break(error: AgentError): void {
    this.#end(error, error)
    this.#channel.abort(error)
  }

  /** @param broke undefined for a normal end */
  #end(error: AgentError, broke: AgentError | undefined): void {
    if (this.#endError !== undefined) return
    this.#endError = error
    this.#cancelTimeout?.()
    const pending = [...(this.#current === undefined ? [] : [this.#current]), ...this.#queue]
    this.#queue.clear()
    this.#current = undefined
    for (const request of pending) request.fail(error)
    this.#settleClosed(broke)
  }
}

/** A lifetime of 0 is none to OpenSSH's agent, and so the opposite of what was meant. */
function toSeconds(lifetime: number | string): number {
  const seconds = Math.ceil(parseDuration(lifetime) / 1000)
  if (seconds >= 1 && seconds <= 0xffffffff) return seconds
  throw new OptionsError(`A key's lifetime in an agent is 1 second to 136 years, not ${JSON.stringify(lifetime)}`)
}

function blobOf(key: PublicKey | Uint8Array): Uint8Array {
  return key instanceof Uint8Array ? key : key.blob
}

/** The algorithm that a signature names; whole when it is one that can be checked. */
function algorithmOf(signature: Uint8Array): string {
  const algorithm = ascii.read(new Reader(signature))
  return signatureAlgorithms.get(algorithm) === undefined ? algorithm : parseSignature(signature).algorithm
}

const refusedCode = 'ERR_SSH_AGENT_REFUSED'

function refused(what: string): AgentError {
  return new AgentError(refusedCode, `The agent was asked ${what}, and refused`)
}

function isRefusal(error: unknown): boolean {
  return error instanceof AgentError && error.code === refusedCode
}

function invalidReply(what: string, cause?: unknown): AgentError {
  return new AgentError('ERR_SSH_AGENT_INVALID_REPLY', `The agent does not follow the protocol: ${what}`, {
    ...(cause !== undefined && { cause }),
  })
}

function toAgentError(error: unknown): AgentError {
  if (error instanceof AgentError) return error
  return invalidReply(error instanceof Error ? error.message : String(error), error)
}

function wrongAlgorithm(made: string, expected: string): AgentError {
  return new AgentError(
    'ERR_SSH_AGENT_WRONG_ALGORITHM',
    `The agent signed by ${printable(made, 64)}, and not by ${expected}, which it was asked for; ` +
      'agents that know no SHA-2 for RSA keys do so, and a newer one, or a key of another type, helps',
    { details: { made, expected } },
  )
}
