/** What a client tried, and the error that tells it when nothing worked. */

import { printable } from '@ssh/wire'
import { PermissionDenied } from '../errors.js'
import type { AuthMethodName } from './auth-order.js'

/** One credential that was sent, or why none was. */
export interface AuthAttempt {
  readonly method: 'none' | AuthMethodName
  /** `unanswered`: the connection ended instead. */
  readonly result: 'accepted' | 'partial success' | 'rejected' | 'unanswered' | 'skipped'
  /** SHA256 fingerprint of the key, for `publickey`. */
  readonly keyFingerprint?: string
  /** Signature algorithm, for `publickey`. */
  readonly algorithm?: string
  /** Why it was skipped. */
  readonly reason?: string
}

/** What is known when authentication fails. */
export interface FailedAuth {
  readonly userName: string
  readonly attempts: readonly AuthAttempt[]
  /** What the server said it would accept; undefined before its first answer. */
  readonly serverMethods: readonly string[] | undefined
  /** What we were willing to use. */
  readonly preferredAuth: readonly AuthMethodName[]
}

/**
 * The error for a login that failed. `details`: `userName`, `attempts`, `serverMethods`.
 * @param why what ended it, when it was not that the server refused everything
 */
export function permissionDenied(failed: FailedAuth, why?: string, cause?: unknown): PermissionDenied {
  const { userName, attempts, serverMethods } = failed
  const sentences = [
    `The server did not let in user "${printable(userName, 64)}"${why === undefined ? '' : `: ${why}`}`,
    list('Tried', attempts.filter((attempt) => attempt.result !== 'skipped').map(describeTried)),
    list('Not tried', attempts.filter((attempt) => attempt.result === 'skipped').map(describeSkipped)),
    serverMethods && `The server accepts: ${serverMethods.map((name) => printable(name, 64)).join(', ') || 'nothing'}`,
    hint(failed),
  ]
  return new PermissionDenied(sentences.filter((sentence) => sentence !== undefined).join('. '), {
    details: { userName, attempts, serverMethods },
    ...(cause !== undefined && { cause }),
  })
}

/** The credentials a message names; a thousand keys in an agent need not all be in it, as `details` has them. */
const maximumListed = 10

function list(title: string, items: readonly string[]): string | undefined {
  if (items.length === 0) return undefined
  const shown = items.slice(0, maximumListed).join('; ')
  return `${title}: ${shown}${items.length > maximumListed ? `; and ${items.length - maximumListed} more` : ''}`
}

function describeTried({ method, algorithm, keyFingerprint, result }: AuthAttempt): string {
  return [method, algorithm, keyFingerprint, `(${result})`].filter((part) => part !== undefined).join(' ')
}

function describeSkipped({ method, keyFingerprint, reason }: AuthAttempt): string {
  const subject = keyFingerprint === undefined ? method : `${method} ${keyFingerprint}`
  return reason === undefined ? subject : `${subject} (${reason})`
}

/** Options that hold what a method needs. */
const optionOf = new Map([
  ['publickey', 'clientKeys'],
  ['password', 'password'],
  ['keyboard-interactive', 'keyboardInteractive'],
])

/** Which options would have let us try more of what the server accepts. */
function hint({ attempts, serverMethods, preferredAuth }: FailedAuth): string | undefined {
  const isUnused = (method: string): boolean => !attempts.some((attempt) => attempt.method === method)
  const unused = serverMethods?.filter((method) => !preferredAuth.some((name) => name === method) && isUnused(method))
  const options = (unused ?? []).map((method) => optionOf.get(method)).filter((option) => option !== undefined)
  return options.length === 0 ? undefined : `Not given: ${options.join(', ')}`
}
