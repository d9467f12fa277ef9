/** Options that both ends of a connection have, and what they mean for its peer. */

import {
  type AlgorithmRow,
  ciphers,
  compressionAlgorithms,
  kexAlgorithms,
  macs,
  type Registry,
  signatureAlgorithms,
} from '@ssh/crypto'
import { z } from 'zod'
import { type AlgorithmNames, chooseAlgorithms } from './algorithm-lists.js'
import { debugLogger } from './io/debug-logger.js'
import { type Logger, safeLogger } from './log.js'
import { algorithmList, duration, objectWith, size } from './options-schema.js'
import { groupExchangeAlgorithms } from './transport/group-exchange.js'
import type { Role } from './transport/role.js'
import type { AlgorithmPreferences, RekeyLimits } from './transport/transport-options.js'

/** Fields of both option schemas. */
export const protocolOptions = {
  /** Key exchange algorithms, in order. Default: those that are fast and safe; a server leaves out what costs it much. */
  kexAlgs: algorithmList.optional(),
  /** Ciphers, in order, for both directions. */
  encryptionAlgs: algorithmList.optional(),
  /** MACs, in order, for both directions; not used with AEAD ciphers. */
  macAlgs: algorithmList.optional(),
  /** Compression methods, in order. Default: none. */
  compressionAlgs: algorithmList.optional(),
  /** Signature algorithms of users' keys: what a client signs with, in order, and what a server accepts. */
  signatureAlgs: algorithmList.optional(),
  /** Change keys after this many bytes. Default 1 GiB. */
  rekeyBytes: size.pipe(z.number().min(1, 'expected at least 1 byte')).optional(),
  /** Change keys after this long. Default 1 h; 0 turns it off. */
  rekeyInterval: duration.optional(),
  /** Limit for key exchange and login once TCP is connected. Default 120 s; 0 turns it off. */
  loginTimeout: duration.optional(),
  /** Pause without traffic after which the other end is asked for a sign of life. Default: client 15 s, server 0, off. */
  keepaliveInterval: duration.optional(),
  /** Unanswered keepalives after which the connection counts as lost. Default 3. */
  keepaliveCountMax: z.int().min(1).optional(),
  /**
   * Receives structured events. What it throws concerns no connection. Default: standard error when NODE_DEBUG names
   * `ssh`, else none.
   */
  logger: objectWith<Logger>('a logger', 'debug')
    .optional()
    .transform((given) => (given === undefined ? debugLogger() : safeLogger(given))),
}

/** Software version in an identification string (RFC 4253 §4.2). */
export const softwareVersionText = z
  .string()
  .regex(/^[\x21-\x2c\x2e-\x7e]{1,200}$/, 'expected printable ASCII without blanks or "-"')

const protocolSchema = z.object(protocolOptions)

/** These options, checked. */
export type ProtocolOptions = Partial<z.output<typeof protocolSchema>>

/**
 * Algorithms to offer.
 * @param serverHostKey host key algorithms, in order
 * @throws OptionsError when a list names what nobody knows, or leaves nothing
 */
export function choosePreferences(
  role: Role,
  options: ProtocolOptions,
  serverHostKey: readonly string[],
): AlgorithmPreferences {
  return {
    kex: chooseAlgorithms('kexAlgs', options.kexAlgs, kexNames(role)),
    serverHostKey,
    encryption: chooseAlgorithms('encryptionAlgs', options.encryptionAlgs, ciphers),
    mac: chooseAlgorithms('macAlgs', options.macAlgs, macs),
    compression: chooseAlgorithms('compressionAlgs', options.compressionAlgs, compressionAlgorithms),
  }
}

/** Signature algorithms of users' keys. @throws OptionsError as {@link choosePreferences} */
export function chooseUserSignatures(options: ProtocolOptions): readonly string[] {
  return chooseAlgorithms('signatureAlgs', options.signatureAlgs, signatureAlgorithms)
}

/** A client can make a server compute for the price of a packet: what costs much is offered only when asked for. */
function kexNames(role: Role): AlgorithmNames {
  const registries: readonly Registry<AlgorithmRow>[] = [kexAlgorithms, groupExchangeAlgorithms]
  const isCostly = (name: string) => kexAlgorithms.get(name)?.isCostly ?? groupExchangeAlgorithms.has(name)
  return {
    names: registries.flatMap(({ names }) => names),
    defaultNames: registries
      .flatMap(({ defaultNames }) => defaultNames)
      .filter((name) => role === 'client' || !isCostly(name)),
  }
}

/** When to change keys; what was not said is left to the transport. */
export function rekeyLimits({ rekeyBytes, rekeyInterval }: ProtocolOptions): Partial<RekeyLimits> {
  return {
    ...(rekeyBytes !== undefined && { bytes: rekeyBytes }),
    ...(rekeyInterval !== undefined && { intervalMs: rekeyInterval === 0 ? Number.POSITIVE_INFINITY : rekeyInterval }),
  }
}

/** Patience with the other end, before and after login. */
export function patience(options: ProtocolOptions, defaultKeepaliveMs: number) {
  const { loginTimeout = 120_000, keepaliveInterval = defaultKeepaliveMs, keepaliveCountMax = 3 } = options
  return { loginTimeoutMs: loginTimeout, keepalive: { intervalMs: keepaliveInterval, countMax: keepaliveCountMax } }
}
