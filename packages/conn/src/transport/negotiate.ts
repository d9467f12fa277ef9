/** Algorithm negotiation as one pure function: two KEXINIT messages in, the agreement out (RFC 4253 §7.1). */

import { ciphers, compressionAlgorithms, macs } from '@ssh/crypto'
import { kexIndicators, type kexInit, type MessageOf, printable } from '@ssh/wire'
import { KeyExchangeFailed } from '../errors.js'
import { hostKeyAlgorithmNames } from './host-key-algorithms.js'
import { kexMethodNames } from './kex-methods.js'
import type { Role } from './role.js'

/** A decoded KEXINIT. */
export type KexInit = MessageOf<typeof kexInit>

/** What protects one direction. */
export interface DirectionAlgorithms {
  readonly encryption: string
  /** Undefined when the cipher authenticates by itself. */
  readonly mac: string | undefined
  readonly compression: string
}

/** What both sides agreed on. */
export interface NegotiatedAlgorithms {
  readonly kex: string
  readonly serverHostKey: string
  readonly clientToServer: DirectionAlgorithms
  readonly serverToClient: DirectionAlgorithms
}

/** The outcome of a negotiation. */
export interface Negotiation {
  readonly algorithms: NegotiatedAlgorithms
  /** The peer sent a first packet on a guess that did not come true: its next packet must be ignored. */
  readonly skipsGuess: boolean
}

/** What the peer's first KEXINIT says besides algorithms; markers in later ones mean nothing. */
export interface PeerMarkers {
  /** Both sides asked for strict key exchange (OpenSSH PROTOCOL §1.10). */
  readonly isStrict: boolean
  /** The peer takes EXT_INFO (RFC 8308 §2.1). */
  readonly takesExtensionInfo: boolean
}

/** Kinds of algorithms that are negotiated. */
export type AlgorithmCategory = 'kex' | 'serverHostKey' | 'encryption' | 'mac' | 'compression'

/** The markers we send in the first KEXINIT. */
export function markersOf(role: Role): readonly string[] {
  return role === 'client'
    ? [kexIndicators.extInfoClient, kexIndicators.strictClient]
    : [kexIndicators.extInfoServer, kexIndicators.strictServer]
}

/** @param role our own */
export function readMarkers(role: Role, remote: KexInit): PeerMarkers {
  const names = remote.kexAlgorithms
  return role === 'client'
    ? {
        isStrict: names.includes(kexIndicators.strictServer),
        takesExtensionInfo: names.includes(kexIndicators.extInfoServer),
      }
    : {
        isStrict: names.includes(kexIndicators.strictClient),
        takesExtensionInfo: names.includes(kexIndicators.extInfoClient),
      }
}

/**
 * Chooses, for each kind, the client's first name that the server has too.
 *
 * @param role our own; the outcome is the same on both sides
 * @throws KeyExchangeFailed `ERR_SSH_KEX_NO_COMMON_ALGORITHM` with `details` category, direction, ours, theirs, and in
 *   `available` what would have matched had it been asked for
 */
export function negotiate(role: Role, local: KexInit, remote: KexInit): Negotiation {
  const client = role === 'client' ? local : remote
  const server = role === 'client' ? remote : local
  const choose = (category: AlgorithmCategory, field: ListField, direction?: string): string => {
    const ours = withoutMarkers(local[field])
    const theirs = withoutMarkers(remote[field])
    const offered = new Set(server[field])
    const chosen = withoutMarkers(client[field]).find((name) => offered.has(name))
    if (chosen === undefined) throw noCommonAlgorithm(category, direction, ours, theirs)
    return chosen
  }
  const chooseDirection = (suffix: 'ClientToServer' | 'ServerToClient', direction: string): DirectionAlgorithms => {
    const encryption = choose('encryption', `encryptionAlgorithms${suffix}`, direction)
    return {
      encryption,
      mac: ciphers.get(encryption)?.isAead ? undefined : choose('mac', `macAlgorithms${suffix}`, direction),
      compression: choose('compression', `compressionAlgorithms${suffix}`, direction),
    }
  }
  const algorithms: NegotiatedAlgorithms = {
    kex: choose('kex', 'kexAlgorithms'),
    serverHostKey: choose('serverHostKey', 'serverHostKeyAlgorithms'),
    clientToServer: chooseDirection('ClientToServer', 'from client to server'),
    serverToClient: chooseDirection('ServerToClient', 'from server to client'),
  }
  // A guess is right only when both sides would have put the same names first.
  const isGuessRight =
    withoutMarkers(client.kexAlgorithms)[0] === withoutMarkers(server.kexAlgorithms)[0] &&
    client.serverHostKeyAlgorithms[0] === server.serverHostKeyAlgorithms[0]
  return { algorithms, skipsGuess: remote.firstKexPacketFollows && !isGuessRight }
}

type ListField = { [K in keyof KexInit]: KexInit[K] extends readonly string[] ? K : never }[keyof KexInit]

const markers: ReadonlySet<string> = new Set(Object.values(kexIndicators))

/** Markers sit among the key exchange algorithms but are none: one that both sides list must never be chosen. */
function withoutMarkers(names: readonly string[]): readonly string[] {
  return names.filter((name) => !markers.has(name))
}

const titles: Readonly<Record<AlgorithmCategory, string>> = {
  kex: 'key exchange algorithm',
  serverHostKey: 'host key algorithm',
  encryption: 'cipher',
  mac: 'MAC',
  compression: 'compression',
}

/** Every name of a kind that could be offered. */
export function supportedNames(category: AlgorithmCategory): readonly string[] {
  switch (category) {
    case 'kex':
      return kexMethodNames
    case 'serverHostKey':
      return hostKeyAlgorithmNames()
    case 'encryption':
      return ciphers.names
    case 'mac':
      return macs.names
    case 'compression':
      return compressionAlgorithms.names
  }
}

function noCommonAlgorithm(
  category: AlgorithmCategory,
  direction: string | undefined,
  ours: readonly string[],
  theirs: readonly string[],
): KeyExchangeFailed {
  const available = supportedNames(category).filter((name) => theirs.includes(name))
  const [match] = available
  const hint =
    match === undefined
      ? 'Update the side with the older software'
      : `"${match}" is supported here but was not offered: add it to the ${titles[category]} option if you accept it`
  const list = (names: readonly string[]) => (names.length === 0 ? 'nothing' : printable(names.join(', ')))
  return new KeyExchangeFailed(
    'ERR_SSH_KEX_NO_COMMON_ALGORITHM',
    `No common ${titles[category]}${direction === undefined ? '' : ` ${direction}`}. ` +
      `We offered ${list(ours)}; the peer offered ${list(theirs)}. ${hint}`,
    { details: { category, ...(direction !== undefined && { direction }), ours, theirs, available } },
  )
}
