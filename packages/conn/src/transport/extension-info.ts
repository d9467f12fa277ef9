/** Extension negotiation: what SSH_MSG_EXT_INFO says (RFC 8308 §2.3). When it may be said is the phase gate's matter. */

import { extensions, extInfo, toUtf8 } from '@ssh/wire'
import type { Role } from './role.js'

/** Most extensions that are read; the count is the peer's. */
const maximumExtensions = 128

/**
 * Our EXT_INFO, or undefined when there is nothing to announce.
 * Both sides can take global requests they do not know, and say so; a server adds what users may sign with and `ping`.
 */
export function encodeExtensionInfo(role: Role, serverSigAlgs: readonly string[]): Uint8Array {
  const announced = [{ name: 'global-requests-ok', value: extensions.encode('global-requests-ok', { reserved: none }) }]
  if (role === 'server') {
    const algorithms = toUtf8(serverSigAlgs.join(','))
    announced.unshift({ name: 'server-sig-algs', value: extensions.encode('server-sig-algs', { algorithms }) })
    announced.push({
      name: 'ping@openssh.com',
      value: extensions.encode('ping@openssh.com', { version: toUtf8('0') }),
    })
  }
  return extInfo.encode({ extensions: announced })
}

const none = new Uint8Array(0)

/**
 * The peer's EXT_INFO as name → value. A later message replaces an earlier one as a whole (RFC 8308 §2.4).
 * @throws WireError when it is malformed
 */
export function decodeExtensionInfo(payload: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const announced = extInfo.decode(payload).extensions.slice(0, maximumExtensions)
  return new Map(announced.map(({ name, value }) => [name, value]))
}
