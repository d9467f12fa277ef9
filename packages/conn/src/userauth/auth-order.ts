/** The methods that exist, and which one a client tries next. */

/** Authentication methods that are implemented. */
export type AuthMethodName = 'publickey' | 'keyboard-interactive' | 'password'

/** What a client tries when it is not told: what needs no person first. */
export const defaultAuthOrder: readonly AuthMethodName[] = ['publickey', 'keyboard-interactive', 'password']

/**
 * The first method that we want, that the server still lists, and that has something left to try.
 * @param preferred our order
 * @param serverMethods the list in the server's last USERAUTH_FAILURE
 * @param exhausted methods with nothing left to try
 */
export function nextAuthMethod(
  preferred: readonly AuthMethodName[],
  serverMethods: readonly string[],
  exhausted: ReadonlySet<AuthMethodName>,
): AuthMethodName | undefined {
  return preferred.find((method) => serverMethods.includes(method) && !exhausted.has(method))
}
