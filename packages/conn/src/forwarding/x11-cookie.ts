/** Cookies of the X protocol's MIT-MAGIC-COOKIE-1: whoever knows the cookie of a display may use it. Xsecurity(7). */

import { randomBytes, timingSafeEqual } from 'node:crypto'

/** The one way of authorization that is forwarded. */
export const mitMagicCookie = 'MIT-MAGIC-COOKIE-1'

const cookieLength = 16

/** Bytes of the longest cookie that is taken; all known displays have 16. */
export const longestCookie = 64

/** A cookie that opens nothing: it stands for the real one where that must not be known (RFC 4254 §6.3.1). */
export function inventCookie(): Uint8Array {
  return randomBytes(cookieLength)
}

/** Whether two cookies are the same, in a time that does not tell how much of them is. */
export function isSameCookie(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other)
}

/** The cookie in an `x11-req`; undefined when it is of another protocol or not what a cookie can be. */
export function cookieOfRequest(request: {
  readonly authenticationProtocol: string
  readonly authenticationCookie: string
}): Uint8Array | undefined {
  const { authenticationProtocol, authenticationCookie: text } = request
  // Anything but digits would be text that somebody else chose in a file that decides who may do what.
  if (authenticationProtocol !== mitMagicCookie || !/^(?:[\da-f]{2})+$/i.test(text)) return undefined
  return text.length <= longestCookie * 2 ? Buffer.from(text, 'hex') : undefined
}
