/** How the client halves of the methods and the loop that runs them talk to each other. */

import type { AuthMethodName } from '../auth-order.js'
import type { AuthAttempt } from '../auth-report.js'
import type { Answerable, CredentialQuestion } from '../credential-question.js'

/** The client's half of one method. Each call ends by asking, sending, or giving up through the context. */
export interface ClientMethod {
  readonly name: AuthMethodName
  /** Tries its next credential. */
  next(): void
  /**
   * A message of the method's own, 60 to 79, while its request is with the server.
   * @throws ProtocolError, WireError
   */
  receive(payload: Uint8Array): void
  /** The credential that was with the server is one of the factors now, and more are wanted. */
  accepted(): void
  /** Some method's factor was accepted: what was refused before may be right now. */
  restart(): void
}

/** What is noted of a credential that is with the server. */
export type PendingAttempt = Omit<AuthAttempt, 'result' | 'reason'>

/** What a method may ask of the loop. */
export interface ClientMethodContext {
  readonly userName: string
  readonly sessionIdentifier: Uint8Array
  /** Asks the owner; exactly one of the two callbacks is called, unless authentication ends first. */
  ask<Answer>(
    pose: (answerable: Answerable<Answer>) => CredentialQuestion,
    onAnswer: (answer: Answer) => void,
    onSkip: (reason?: string) => void,
  ): void
  /** Sends a request; the server's answer is success, failure, or a message of the method. */
  request(attempt: PendingAttempt, methodData: Uint8Array): void
  /** Sends a message of the method within its request. */
  reply(attempt: PendingAttempt, payload: Uint8Array): void
  /** Notes that what is sent from here on proves something: getting in is no gift any more. */
  proving(): void
  /** Notes a credential that is not used. */
  skipped(attempt: PendingAttempt, reason?: string): void
  /** Has nothing left to try. */
  exhausted(): void
  /** Text for the user. */
  show(text: string, languageTag: string): void
}
