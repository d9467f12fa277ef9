/** Which methods a user must complete, as a value that shrinks with each success. sshd_config(5), AuthenticationMethods. */

import { OptionsError } from '../errors.js'
import type { RequiredMethods } from './auth-decision.js'
import type { AuthMethodName } from './auth-order.js'

/** Any one method will do. */
export const anyMethod: RequiredMethods = [['publickey'], ['keyboard-interactive'], ['password']]

/**
 * The same lists, if they are safe. None at all lets nobody in.
 * @throws OptionsError when one is empty: everybody would have completed it
 */
export function checkRequiredMethods(lists: RequiredMethods): RequiredMethods {
  if (lists.every((list) => list.length > 0)) return lists
  throw new OptionsError('Each list of requiredMethods needs at least one method')
}

/** Methods that may come next, each once: what a USERAUTH_FAILURE lists. */
export function methodsThatCanContinue(remaining: RequiredMethods): readonly AuthMethodName[] {
  return [...new Set(remaining.flatMap((list) => list.slice(0, 1)))]
}

/** What remains after a success: the lists that began with the method, without it. */
export function afterSuccess(remaining: RequiredMethods, method: AuthMethodName): RequiredMethods {
  return remaining.filter((list) => list[0] === method).map((list) => list.slice(1))
}

/** Whether some list has been completed. */
export function isComplete(remaining: RequiredMethods): boolean {
  return remaining.some((list) => list.length === 0)
}
