/** How the server halves of the methods and the machine that runs them talk to each other. */

import type { PublicKey } from '@ssh/crypto'
import type { AuthDecision, AuthVerdict } from '../auth-decision.js'

/**
 * Reads the method's part of a request at once, so that malformed bytes are refused before anyone is asked about
 * the user, and the same for every user.
 * @returns what runs the request when its turn comes
 * @throws WireError
 */
export type ReadServerRequest = (methodData: Uint8Array) => RunServerRequest

/** Runs one request. Ends by deciding, settling, failing or sending through the context. */
export type RunServerRequest = <Grant>(context: ServerMethodContext<Grant>) => void

/** Makes the decision to ask for, given the function that takes the verdict. */
export type PoseDecision<Grant, Verdict> = (answer: (verdict: Verdict) => void) => AuthDecision<Grant>

/** What a method may ask of the machine. */
export interface ServerMethodContext<Grant> {
  readonly userName: string
  readonly sessionIdentifier: Uint8Array
  readonly signatureAlgorithms: readonly string[]
  readonly allowPasswordChange: boolean
  /** Whether a key has been accepted as a factor already: it cannot be two. */
  isSpent(publicKey: PublicKey): boolean
  /** Asks the owner; `onVerdict` is called once, unless authentication ends first. */
  decide<Verdict>(pose: PoseDecision<Grant, Verdict>, onVerdict: (verdict: Verdict) => void): void
  /** The method has come to its end. */
  settle(verdict: AuthVerdict<Grant>, publicKey?: PublicKey): void
  /** Refuses, whoever the user is. */
  fail(): void
  /** Sends a message of the method; the client is free to begin anew. */
  send(payload: Uint8Array): void
  /** Sends a question of the method, whose answer is the client's next message 61. */
  prompt(payload: Uint8Array, onResponse: (payload: Uint8Array) => void): void
}

/** Longest password, response or user name that anyone is asked about, in UTF-8 bytes: hashing takes time. */
export const maximumSecretLength = 1024

/** Whether the application may be bothered with it. */
export function isShortEnough(text: string): boolean {
  // A string holds at most three bytes per unit, so the exact count is rarely needed.
  return text.length * 3 <= maximumSecretLength || Buffer.byteLength(text) <= maximumSecretLength
}
