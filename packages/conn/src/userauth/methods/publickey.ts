/** publickey: RFC 4252 §7, with RSA's newer hashes (RFC 8332) chosen by `server-sig-algs` (RFC 8308 §3.1). */

import { type PublicKey, parsePublicKey, type Signer, signatureAlgorithms } from '@ssh/crypto'
import { equalBytes, printable, publickeyMessages, SshError, toBase64, userauthMethods } from '@ssh/wire'
import { ProtocolError } from '../../errors.js'
import type { AuthVerdict } from '../auth-decision.js'
import { signedData } from '../signed-data.js'
import type { ClientMethod, ClientMethodContext, PendingAttempt } from './client-method.js'
import type { ReadServerRequest, ServerMethodContext } from './server-method.js'

/** Keys that are taken from the owner in one go: more than any server has patience for. */
const maximumKeys = 256

/** A key and an algorithm that are with the server. */
interface Offer {
  readonly signer: Signer
  readonly algorithmName: string
}

export interface PublickeyClientOptions {
  /** Signature algorithms that may be used, best first; undefined: all but those of SHA-1. */
  readonly signatureAlgorithms: readonly string[] | undefined
  /** What the server said it verifies; undefined when it said nothing. */
  serverSignatureAlgorithms(): readonly string[] | undefined
  /** Whether the first key is sent with its signature at once. */
  readonly isOptimistic: boolean
}

/** The client's half: asks whether a key would do, and only then for its signature. */
export class PublickeyClient implements ClientMethod {
  readonly name = 'publickey'
  readonly #context: ClientMethodContext
  readonly #options: PublickeyClientOptions
  /** Keys tried since the start, and keys that are factors already: neither is worth another try. */
  readonly #tried = new Set<string>()
  readonly #accepted = new Set<string>()
  #taken = 0
  #isOptimistic: boolean
  #offer: Offer | undefined
  /** Whether the offer went without a signature, so that PK_OK may come. */
  #isQuery = false
  /** More algorithms for the key of `#offer`, should the server refuse this one. */
  #otherAlgorithms: readonly string[] = []

  constructor(context: ClientMethodContext, options: PublickeyClientOptions) {
    this.#context = context
    this.#options = options
    this.#isOptimistic = options.isOptimistic
  }

  next(): void {
    const [algorithmName, ...others] = this.#otherAlgorithms
    if (this.#offer === undefined || algorithmName === undefined) {
      this.#nextKey()
      return
    }
    this.#otherAlgorithms = others
    this.#query({ signer: this.#offer.signer, algorithmName })
  }

  receive(payload: Uint8Array): void {
    const { algorithmName, publicKey } = publickeyMessages.decode(payload)
    const offer = this.#offer
    if (offer === undefined || !this.#isQuery) {
      throw new ProtocolError('ERR_SSH_AUTH_UNEXPECTED_MESSAGE', 'The server accepted a key that was not offered')
    }
    if (algorithmName !== offer.algorithmName || !equalBytes(publicKey, offer.signer.publicKey.blob)) {
      throw new ProtocolError(
        'ERR_SSH_AUTH_KEY_MISMATCH',
        `The server was offered a key for ${offer.algorithmName}, but accepted another one for ${printable(algorithmName, 64)}`,
      )
    }
    this.#sign(offer)
  }

  accepted(): void {
    if (this.#offer !== undefined) this.#accepted.add(keyId(this.#offer.signer))
  }

  restart(): void {
    this.#tried.clear()
    this.#taken = 0
    this.#offer = undefined
    this.#otherAlgorithms = []
  }

  #nextKey(): void {
    const isFromStart = this.#taken === 0
    if (this.#taken++ >= maximumKeys) {
      this.#context.exhausted()
      return
    }
    this.#context.ask<Signer>(
      (answerable) => ({ method: 'publickey', isFromStart, ...answerable }),
      (signer) => this.#useKey(signer),
      (reason) => {
        this.#isOptimistic = false
        if (reason !== undefined) this.#context.skipped({ method: 'publickey' }, reason)
        this.#context.exhausted()
      },
    )
  }

  #useKey(signer: Signer): void {
    const id = keyId(signer)
    // The same key often is both in an agent and in a file.
    if (this.#tried.has(id) || this.#accepted.has(id)) {
      this.#nextKey()
      return
    }
    this.#tried.add(id)
    const [algorithmName, ...others] = this.#algorithmsFor(signer)
    if (algorithmName === undefined) {
      this.#context.skipped(
        { method: 'publickey', keyFingerprint: signer.publicKey.getFingerprint() },
        `the server and signatureAlgs allow none of ${signer.signatureAlgorithms.join(', ')}`,
      )
      this.#nextKey()
      return
    }
    this.#otherAlgorithms = others
    const offer = { signer, algorithmName }
    if (this.#isOptimistic) {
      this.#isOptimistic = false
      this.#sign(offer)
    } else {
      this.#query(offer)
    }
  }

  /**
   * Algorithms to try with a key, best first. A server's list is only for choosing between several, since some leave
   * out what they nevertheless verify; without a list each of them may be the one that an old server knows.
   */
  #algorithmsFor(signer: Signer): readonly string[] {
    const wanted = this.#options.signatureAlgorithms
    const able = signer.signatureAlgorithms
    const allowed =
      wanted === undefined
        ? able.filter((name) => signatureAlgorithms.get(name)?.status !== 'legacy')
        : wanted.filter((name) => able.includes(name))
    const verified = this.#options.serverSignatureAlgorithms()
    if (verified === undefined || allowed.length <= 1) return allowed
    return allowed.filter((name) => verified.includes(name)).slice(0, 1)
  }

  #query(offer: Offer): void {
    this.#offer = offer
    this.#isQuery = true
    const { algorithmName, signer } = offer
    this.#context.request(
      attemptOf(offer),
      userauthMethods.publickeyQuery.encode({ hasSignature: false, algorithmName, publicKey: signer.publicKey.blob }),
    )
  }

  #sign(offer: Offer): void {
    this.#offer = offer
    this.#isQuery = false
    const { algorithmName, signer } = offer
    const publicKey = signer.publicKey.blob
    const { sessionIdentifier, userName } = this.#context
    const data = signedData({ sessionIdentifier, userName, algorithmName, publicKey })
    this.#context.ask<Uint8Array>(
      (answerable) => ({ method: 'signature', signer, data, algorithmName, ...answerable }),
      (signature) => {
        this.#context.proving()
        this.#context.request(
          attemptOf(offer),
          userauthMethods.publickeySigned.encode({ hasSignature: true, algorithmName, publicKey, signature }),
        )
      },
      (reason) => {
        this.#context.skipped(attemptOf(offer), reason ?? 'no signature was made')
        this.#otherAlgorithms = []
        this.#nextKey()
      },
    )
  }
}

function keyId(signer: Signer): string {
  return toBase64(signer.publicKey.blob)
}

function attemptOf({ signer, algorithmName }: Offer): PendingAttempt {
  return { method: 'publickey', keyFingerprint: signer.publicKey.getFingerprint(), algorithm: algorithmName }
}

/** The server's half. A key identifies nobody before its signature over this very request has been verified. */
export const readPublickeyRequest: ReadServerRequest = (methodData) => {
  const isSigned = methodData[0] !== undefined && methodData[0] !== 0
  const { algorithmName, publicKey, signature } = isSigned
    ? userauthMethods.publickeySigned.decode(methodData)
    : { ...userauthMethods.publickeyQuery.decode(methodData), signature: undefined }
  // Copies: the packet they came in is not ours to keep while a decision is pending.
  const blob = Uint8Array.from(publicKey)
  const proof = signature && Uint8Array.from(signature)
  return (context) => {
    const key = usableKey(context, algorithmName, blob)
    if (key === undefined) context.fail()
    else if (proof === undefined) answerQuery(context, algorithmName, key)
    else checkSignature(context, algorithmName, key, proof)
  }
}

function answerQuery<Grant>(context: ServerMethodContext<Grant>, algorithmName: string, publicKey: PublicKey): void {
  const { userName } = context
  context.decide<'accept' | 'reject'>(
    (answer) => ({ type: 'publickey-query', userName, publicKey, answer }),
    (verdict) => {
      if (verdict === 'accept') context.send(pkOk.encode({ algorithmName, publicKey: publicKey.blob }))
      else context.fail()
    },
  )
}

function checkSignature<Grant>(
  context: ServerMethodContext<Grant>,
  algorithmName: string,
  publicKey: PublicKey,
  signature: Uint8Array,
): void {
  const { userName, sessionIdentifier } = context
  const data = signedData({ sessionIdentifier, userName, algorithmName, publicKey: publicKey.blob })
  if (!publicKey.verify(data, signature, algorithmName)) {
    context.fail()
    return
  }
  context.decide<AuthVerdict<Grant>>(
    (answer) => ({ type: 'publickey', userName, publicKey, algorithmName, answer }),
    (verdict) => context.settle(verdict, publicKey),
  )
}

const [pkOk] = publickeyMessages.definitions

/** The key, if its algorithm is accepted: asked before the key is parsed, as parsing is what an attacker aims at. */
function usableKey<Grant>(
  context: ServerMethodContext<Grant>,
  algorithmName: string,
  blob: Uint8Array,
): PublicKey | undefined {
  if (!context.signatureAlgorithms.includes(algorithmName)) return undefined
  try {
    const publicKey = parsePublicKey(blob)
    const isUsable = publicKey.signatureAlgorithms.includes(algorithmName) && !context.isSpent(publicKey)
    return isUsable ? publicKey : undefined
  } catch (error) {
    if (SshError.isSshError(error)) return undefined
    throw error
  }
}
