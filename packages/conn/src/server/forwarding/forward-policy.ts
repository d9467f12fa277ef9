/**
 * Which forwardings a client may ask for: what the options say, what the keys say that let the user in, and whether
 * there is a callback to ask. sshd_config(5) AllowTcpForwarding, AllowStreamLocalForwarding, PermitOpen, PermitListen;
 * sshd(8) port-forwarding, permitopen, permitlisten.
 */

import type { KeyRestrictions, PermittedEndpoint } from '../../config/key-restrictions.js'
import { matchesPattern } from '../../config/patterns.js'

/** `'local'`: only connections that the client opens to here; `'remote'`: only listening here for the client. */
export type AllowForwarding = boolean | 'local' | 'remote'

/** What the options say. */
export interface ForwardPolicy {
  readonly allowTcpForwarding: AllowForwarding
  readonly allowStreamLocalForwarding: AllowForwarding
  /** Undefined: any. */
  readonly permitOpen: readonly PermittedEndpoint[] | undefined
  readonly permitListen: readonly PermittedEndpoint[] | undefined
}

/** One request: a connection from here to somewhere, or connections to here that the client is to get. */
export type ForwardRequest =
  | {
      readonly kind: 'tcpip'
      readonly direction: 'open' | 'listen'
      /** In lower case. */
      readonly host: string
      readonly port: number
    }
  | { readonly kind: 'streamlocal'; readonly direction: 'open' | 'listen' }

/** What the keys of a login say about forwarding. */
export type ForwardRestrictions = Pick<KeyRestrictions, 'allowPortForwarding' | 'permitOpen' | 'permitListen'>

/** `'ask'`: the callback decides; `'native'`: there is none, and this process does it. */
export type ForwardVerdict = 'refuse' | 'ask' | 'native'

/**
 * Decides about one request.
 * @param restrictions of each key that took part in the login: all of them must allow it
 * @param hasCallback whether the builder has a callback for this kind and direction
 */
export function judgeForward(
  request: ForwardRequest,
  policy: ForwardPolicy,
  restrictions: readonly ForwardRestrictions[],
  hasCallback: boolean,
): ForwardVerdict {
  if (!restrictions.every((restriction) => keyAllows(request, restriction))) return 'refuse'
  if (request.kind === 'tcpip' && !isListed(request, permitted(request, policy))) return 'refuse'
  if (hasCallback) return 'ask'
  const allowed = request.kind === 'tcpip' ? policy.allowTcpForwarding : policy.allowStreamLocalForwarding
  return allowed === true || allowed === (request.direction === 'open' ? 'local' : 'remote') ? 'native' : 'refuse'
}

function keyAllows(request: ForwardRequest, restriction: ForwardRestrictions): boolean {
  if (!restriction.allowPortForwarding) return false
  const list = permitted(request, restriction)
  // A list of hosts and ports names no path. sshd lets every path pass then; but whoever lists what a key may reach
  // does not mean the sockets of this machine as well.
  return request.kind === 'tcpip' ? isListed(request, list) : list === undefined
}

function permitted(
  { direction }: ForwardRequest,
  lists: Pick<ForwardPolicy, 'permitOpen' | 'permitListen'>,
): readonly PermittedEndpoint[] | undefined {
  return direction === 'open' ? lists.permitOpen : lists.permitListen
}

type TcpRequest = Extract<ForwardRequest, { kind: 'tcpip' }>

function isListed({ direction, host, port }: TcpRequest, list: readonly PermittedEndpoint[] | undefined): boolean {
  const fitsHost = (permitted: string) =>
    // Destinations are compared as they are, listening addresses by patterns: so sshd has it.
    permitted === '*' || (direction === 'open' ? permitted === host : matchesPattern(permitted, host))
  return list === undefined || list.some((each) => (each.port === 0 || each.port === port) && fitsHost(each.host))
}
