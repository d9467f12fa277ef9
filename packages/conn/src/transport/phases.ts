/**
 * The phase gate: which message numbers are legal now, for whom. Asked before anything of a message is decoded.
 *
 * Number ranges only, as data: what a message means is for whoever handles it. A cell that is not here is fatal, so a
 * message slips through only where this table says so. Message ranges: RFC 4250 §4.1.
 */

import type { Role } from './role.js'

/** Where the inbound half of a connection stands. */
export type Phase =
  /** Before the peer's first KEXINIT. */
  | 'kexInit'
  /** From there to its first NEWKEYS, without strict key exchange. */
  | 'exchange'
  /** The same with strict key exchange: nothing but the exchange itself (OpenSSH PROTOCOL §1.10). */
  | 'strictExchange'
  /** Exactly the one packet after the peer's first NEWKEYS: a legal place for EXT_INFO (RFC 8308 §2.4). */
  | 'newKeys'
  /** Until the service request is answered. */
  | 'service'
  /** Authentication is going on. */
  | 'auth'
  /** Client: EXT_INFO came during authentication, so SUCCESS must follow at once (RFC 8308 §2.4). */
  | 'authEnding'
  /** Authenticated. */
  | 'open'
  /** From a later KEXINIT of the peer to its NEWKEYS (RFC 4253 §7.1). */
  | 'rekey'

/** What to do with a message. */
export type Verdict =
  /** The transport's own. */
  | 'handle'
  /** For the rooms above. */
  | 'passUp'
  /** Dropped without an answer. */
  | 'ignore'
  /** Answered with SSH_MSG_UNIMPLEMENTED (RFC 4253 §11.4). */
  | 'unimplemented'
  /** Ends the connection. */
  | 'fatal'

/** One range of message numbers, and its verdict by phase; a phase that is absent is fatal. */
export interface PhaseRow {
  readonly name: string
  readonly first: number
  readonly last: number
  /** Who may receive it; both when absent. */
  readonly receiver?: Role
  readonly verdicts: Partial<Readonly<Record<Phase, Verdict>>>
}

/** In the order of a connection's life. */
export const phases = [
  'kexInit',
  'exchange',
  'strictExchange',
  'newKeys',
  'service',
  'auth',
  'authEnding',
  'open',
  'rekey',
] as const satisfies readonly Phase[]

const keyed = (verdict: Verdict) => ({ newKeys: verdict, service: verdict, auth: verdict, open: verdict })
const exchanging = { exchange: 'handle', strictExchange: 'handle', rekey: 'handle' } as const
/** Numbers nobody has given a meaning: an answer is owed only to a peer that is known. */
const unassigned = { open: 'unimplemented' } as const

/** The table. Ranges of one receiver do not overlap. */
export const phaseRows: readonly PhaseRow[] = [
  {
    name: 'disconnect',
    first: 1,
    last: 1,
    verdicts: {
      ...keyed('handle'),
      kexInit: 'handle',
      exchange: 'handle',
      strictExchange: 'handle',
      authEnding: 'handle',
      rekey: 'handle',
    },
  },
  // Before keys these are unauthenticated noise; whether strict key exchange forbids them is known after KEXINIT.
  {
    name: 'ignore',
    first: 2,
    last: 2,
    verdicts: { ...keyed('ignore'), kexInit: 'ignore', exchange: 'ignore', rekey: 'ignore' },
  },
  {
    name: 'unimplemented, debug',
    first: 3,
    last: 4,
    verdicts: { ...keyed('handle'), kexInit: 'ignore', exchange: 'ignore', rekey: 'handle' },
  },
  // Paramiko asks for the service again with each authentication attempt.
  {
    name: 'service request',
    first: 5,
    last: 5,
    receiver: 'server',
    verdicts: { newKeys: 'handle', service: 'handle', auth: 'handle' },
  },
  {
    name: 'service accept',
    first: 6,
    last: 6,
    receiver: 'client',
    verdicts: { newKeys: 'handle', service: 'handle' },
  },
  { name: 'extension info', first: 7, last: 7, receiver: 'client', verdicts: { newKeys: 'handle', auth: 'handle' } },
  { name: 'extension info', first: 7, last: 7, receiver: 'server', verdicts: { newKeys: 'handle' } },
  { name: 'transport, unassigned', first: 8, last: 19, verdicts: unassigned },
  { name: 'key exchange init', first: 20, last: 20, verdicts: { ...keyed('handle'), kexInit: 'handle' } },
  { name: 'new keys', first: 21, last: 21, verdicts: exchanging },
  { name: 'negotiation, unassigned', first: 22, last: 29, verdicts: unassigned },
  { name: 'key exchange method', first: 30, last: 49, verdicts: exchanging },
  // RFC 4252 §5.1: requests after the successful one are silently ignored.
  {
    name: 'authentication request',
    first: 50,
    last: 50,
    receiver: 'server',
    verdicts: { auth: 'passUp', open: 'ignore' },
  },
  { name: 'authentication failure', first: 51, last: 51, receiver: 'client', verdicts: { auth: 'passUp' } },
  {
    name: 'authentication success',
    first: 52,
    last: 52,
    receiver: 'client',
    verdicts: { auth: 'passUp', authEnding: 'passUp' },
  },
  // RFC 4252 §5.4 ends banners with success; one that comes late is noise, not an attack.
  { name: 'banner', first: 53, last: 53, receiver: 'client', verdicts: { auth: 'passUp', open: 'ignore' } },
  { name: 'authentication, unassigned', first: 54, last: 59, verdicts: unassigned },
  // 60 only ever goes to the client and 61 to the server, in every method that is built.
  { name: 'authentication method', first: 60, last: 60, receiver: 'client', verdicts: { auth: 'passUp' } },
  { name: 'authentication method', first: 61, last: 61, receiver: 'server', verdicts: { auth: 'passUp' } },
  { name: 'global request', first: 80, last: 82, verdicts: { open: 'passUp' } },
  { name: 'connection, unassigned', first: 83, last: 89, verdicts: unassigned },
  { name: 'channel', first: 90, last: 100, verdicts: { open: 'passUp' } },
  { name: 'channel, unassigned', first: 101, last: 127, verdicts: unassigned },
  { name: 'reserved', first: 128, last: 191, verdicts: unassigned },
  { name: 'ping, pong', first: 192, last: 193, verdicts: { open: 'handle' } },
  { name: 'local extensions', first: 194, last: 255, verdicts: unassigned },
]

/** Verdicts by message number. */
export type Verdicts = readonly Verdict[]

/** The table laid out for one look per packet. */
export const phaseGate: Readonly<Record<Role, Readonly<Record<Phase, Verdicts>>>> = {
  client: layOut('client'),
  server: layOut('server'),
}

function layOut(role: Role): Record<Phase, Verdicts> {
  const verdictsOf = (phase: Phase): Verdicts => {
    const verdicts: Verdict[] = Array.from({ length: 256 }, () => 'fatal')
    for (const row of phaseRows) {
      const verdict = row.verdicts[phase]
      if (verdict === undefined || (row.receiver ?? role) !== role) continue
      verdicts.fill(verdict, row.first, row.last + 1)
    }
    return verdicts
  }
  return Object.fromEntries(phases.map((phase) => [phase, verdictsOf(phase)])) as Record<Phase, Verdicts>
}
