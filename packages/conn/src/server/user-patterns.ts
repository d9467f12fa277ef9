/** Lists of users, as sshd's AllowUsers and DenyUsers. sshd_config(5), PATTERNS in ssh_config(5). */

import { z } from 'zod'
import { faultOfAddressList, isInAddressList } from '../config/address-list.js'
import { matchesPattern } from '../config/patterns.js'

const userPattern = z.string().refine(isUserPattern, 'expected a pattern of user names, or name@host')

/** Patterns of names, or of names and where they come from: `['alice', 'dev-*', 'backup@192.0.2.0/24']`. */
export const userPatterns = z.array(userPattern).readonly()

/**
 * Whether somebody fits one of the patterns.
 * @param address numeric
 * @param ifUnknown the answer about a pattern of hosts when there is no address
 */
export function isListedUser(
  patterns: readonly string[],
  userName: string,
  address: string | undefined,
  ifUnknown: boolean,
): boolean {
  return patterns.some((pattern) => {
    const { name, host } = splitPattern(pattern)
    if (!matchesPattern(name, userName)) return false
    if (host === undefined) return true
    return address === undefined ? ifUnknown : isInAddressList(host, address)
  })
}

function isUserPattern(pattern: string): boolean {
  const { name, host } = splitPattern(pattern)
  return name !== '' && !name.startsWith('!') && (host === undefined || faultOfAddressList(host) === undefined)
}

/** The last `@` counts: names may have one. */
function splitPattern(pattern: string): { readonly name: string; readonly host: string | undefined } {
  const at = pattern.lastIndexOf('@')
  if (at === -1) return { name: pattern, host: undefined }
  return { name: pattern.slice(0, at), host: pattern.slice(at + 1) }
}
