/**
 * What sshd_config says, to everybody and about one user of one client. sshd_config(5) of OpenSSH 9.
 *
 * What stands in front of the first Match holds for the whole server; the first value of a keyword counts. Behind a Match
 * that applies the first value counts too, and takes the place of what holds for all.
 */

import { printable } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'
import { isInAddressList } from './address-list.js'
import { type ConfigPosition, configError } from './config-line.js'
import { type MatchCriterion, matchesHostNames, matchesNames } from './config-match.js'
import {
  type ConfigEntry,
  type ConfigSource,
  ConfigValues,
  type ConfigVisitor,
  type IncludeReader,
  type KeywordOfTable,
  type ParsedConfig,
  parseConfig,
  walkConfig,
} from './config-model.js'
import { type ConfigTokens, expandTokens, isSafeInPath } from './config-tokens.js'
import { isNone } from './config-values.js'
import type { ConfigWarning } from './config-warning.js'
import { type ServerConfigValues, serverGrammar, serverKeywords } from './sshd-config-keywords.js'

/** Who logs in, from where, to where. What is not known fits no condition about it. */
export interface ServerConfigQuery {
  /** Name of the user. */
  readonly user?: string | undefined
  /** Names of the user's groups; undefined: nobody knows the user. */
  readonly groups?: readonly string[] | undefined
  /** Host name of the client, when somebody verified it; its address otherwise. */
  readonly host?: string | undefined
  /** Numeric address of the client. */
  readonly address?: string | undefined
  /** Numeric address that the client came to. */
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  /** Runs the command of a `Match exec`. Absent: such a condition is an error. */
  readonly execute?: (command: string) => Promise<boolean>
}

/** What files say. */
export interface ServerConfig {
  readonly values: ServerConfigValues
  /** Lines that count for nothing, because nobody knows their keyword. */
  readonly warnings: readonly ConfigWarning[]
}

/**
 * Reads a text of sshd_config, and what it includes.
 * @throws ConfigParseError with `details.file` and `details.line`
 */
export function parseServerConfig(source: ConfigSource, include: IncludeReader = noFiles): Promise<ParsedConfig> {
  return parseConfig({ scope: 'system', ...source }, serverGrammar, include)
}

async function noFiles(pattern: string): Promise<never> {
  throw new ConfigParseError(`Nothing was handed in to read "${printable(pattern, 256)}" with`)
}

/**
 * What a configuration says to everybody.
 * @returns what holds before anybody has said who they are
 */
export async function resolveGlobalServerConfig(config: ParsedConfig): Promise<ServerConfig> {
  const { values, warnings } = await collect(config, async (criteria) => isAll(criteria), false)
  return { values: values.typed(serverKeywords), warnings }
}

/**
 * What a configuration says about one user of one client.
 * @throws ConfigParseError when there is a `Match exec` and nothing to run it with
 */
export async function resolveServerConfig(config: ParsedConfig, query: ServerConfigQuery): Promise<ServerConfig> {
  const forAll = await collect(config, async (criteria) => isAll(criteria), false)
  const forOne = await collect(config, (criteria, position) => applies(criteria, position, query), true)
  const merged = new Map(forAll.values.entries())
  for (const [key, value] of forOne.values.entries()) {
    if (key === 'subsystem') merged.set(key, overridden(merged.get(key), value))
    else if (key === 'rekeyLimit') merged.set(key, { ...defined(merged.get(key)), ...defined(value) })
    else merged.set(key, value)
  }
  return {
    values: Object.fromEntries(merged) as ServerConfigValues,
    warnings: [
      ...forAll.warnings,
      ...forOne.warnings.filter(({ line, file }) => !isAmong(forAll.warnings, line, file)),
    ],
  }
}

/** What of an object is there. */
function defined(value: unknown): object {
  return Object.fromEntries(Object.entries(Object(value)).filter(([, each]) => each !== undefined))
}

function isAmong(warnings: readonly ConfigWarning[], line: number, file: string | undefined): boolean {
  return warnings.some((warning) => warning.line === line && warning.file === file)
}

/** Commands of the same name take each other's place, others stay. */
function overridden(global: unknown, specific: unknown): unknown {
  if (!Array.isArray(global) || !Array.isArray(specific)) return specific
  const byName = new Map([...global, ...specific].map((value: { name: string }) => [value.name, value]))
  return [...byName.values()]
}

type Applies = (criteria: readonly MatchCriterion[], position: ConfigPosition) => Promise<boolean>

async function collect(
  config: ParsedConfig,
  isFulfilled: Applies,
  isMatchOnly: boolean,
): Promise<{ values: ConfigValues; warnings: ConfigWarning[] }> {
  const values = new ConfigValues()
  const warnings: ConfigWarning[] = []
  const visitor: ConfigVisitor = {
    matchesHost: () => false,
    matches: async (criteria, position, isPossible) => isPossible && (await isFulfilled(criteria, position)),
    value: (keyword: KeywordOfTable, value) => values.add(keyword, value),
    unknown: (name, { file, line }) => {
      warnings.push({ file, line, message: `"${printable(name, 64)}" is no keyword that is known here` })
    },
  }
  await walkConfig(config, visitor, isMatchOnly)
  return { values, warnings }
}

function isAll(criteria: readonly MatchCriterion[]): boolean {
  return criteria.every(({ name, isNegated }) => name === 'all' && !isNegated)
}

async function applies(
  criteria: readonly MatchCriterion[],
  position: ConfigPosition,
  query: ServerConfigQuery,
): Promise<boolean> {
  for (const criterion of criteria) {
    const fits = criterion.name === 'exec' ? await executes(criterion, position, query) : fitsQuery(criterion, query)
    // What nobody knows is neither so nor not so.
    if (fits === undefined || fits === criterion.isNegated) return false
  }
  return true
}

function fitsQuery({ name, argument = '' }: MatchCriterion, query: ServerConfigQuery): boolean | undefined {
  const { user, groups, host, address, localAddress, localPort } = query
  switch (name) {
    case 'user':
      return user === undefined ? undefined : matchesNames(argument, user)
    case 'group':
      return groups === undefined ? undefined : isInGroups(argument, groups)
    case 'host':
      return host === undefined ? undefined : matchesHostNames(argument, host)
    case 'address':
      return address === undefined ? undefined : isInAddressList(argument, address)
    case 'localaddress':
      return localAddress === undefined ? undefined : isInAddressList(argument, localAddress)
    case 'localport':
      return localPort === undefined ? undefined : localPort === Number(argument === 'ssh' ? 22 : argument)
    // Names of clients are never made canonical; what is resolved for one of them is always final.
    case 'canonical':
      return false
    default:
      return true
  }
}

/** Whether one of the groups fits, and none that is negated is among them. */
export function isInGroups(list: string, groups: readonly string[]): boolean {
  const negated = list
    .split(',')
    .filter((pattern) => pattern.startsWith('!'))
    .map((pattern) => pattern.slice(1))
  if (groups.some((group) => negated.some((pattern) => matchesNames(pattern, group)))) return false
  return groups.some((group) => matchesNames(list, group))
}

async function executes(
  { argument = '' }: MatchCriterion,
  position: ConfigPosition,
  { execute, user }: ServerConfigQuery,
): Promise<boolean | undefined> {
  if (execute === undefined)
    throw configError(position, 'Match exec needs somebody to run its command, and there is nobody')
  if (user === undefined) return undefined
  const tokens = new Map([['u', user]])
  try {
    return await execute(expandTokens(argument, { keyword: 'Match exec', tokens, isForShell: true }))
  } catch (error) {
    throw error instanceof ConfigParseError ? configError(position, error.message, error) : error
  }
}

/** A user whose files are wanted. */
export interface ServerUser {
  readonly name: string
  /** Undefined: nobody knows where the user is at home. */
  readonly homeDirectory?: string | undefined
  readonly uid?: number | undefined
}

/**
 * A path of AuthorizedKeysFile or ChrootDirectory for one user; a relative one is in the user's home.
 * @throws ConfigParseError for a name that could lead to other files than were meant, and for a home that is not known
 */
export function expandUserPath(template: string, keyword: string, user: ServerUser): string {
  const { name, homeDirectory, uid } = user
  if (!isSafeInPath(name)) {
    throw new ConfigParseError(
      `${keyword}: the user name "${printable(name, 64)}" could lead to other files than were meant, and is refused`,
      { details: { keyword } },
    )
  }
  const tokens: ConfigTokens = new Map([
    ['u', name],
    ...(homeDirectory === undefined ? [] : ([['h', homeDirectory]] as const)),
    ...(uid === undefined ? [] : ([['U', String(uid)]] as const)),
  ])
  const path = expandTokens(template, { keyword, tokens, letters: 'hUu' })
  if (path.startsWith('/') || /^[A-Za-z]:[\\/]/.test(path)) return path
  if (homeDirectory !== undefined) return `${homeDirectory}/${path}`
  throw new ConfigParseError(
    `${keyword}: "${printable(path, 256)}" is relative to the home of "${printable(name, 64)}", which nobody knows; give an absolute path, or a userLookup`,
    { details: { keyword } },
  )
}

/** Whether a configuration, or a file of it, asks about groups. */
export function asksAboutGroups(config: ParsedConfig): boolean {
  return hasEntry(
    config,
    (entry) =>
      (entry.type === 'match' && entry.criteria.some(({ name }) => name === 'group')) ||
      (entry.type === 'value' && (entry.keyword.key === 'allowGroups' || entry.keyword.key === 'denyGroups')),
  )
}

/** Every value that a keyword has anywhere, behind whatever condition; its row has read them, and knows their type. */
export function allValues<K extends keyof ServerConfigValues>(
  config: ParsedConfig,
  keyword: K,
): readonly NonNullable<ServerConfigValues[K]>[] {
  return config.entries.flatMap((entry) => {
    if (entry.type === 'include') return entry.configs.flatMap((included) => allValues(included, keyword))
    const isIt = entry.type === 'value' && entry.keyword.key === keyword
    return isIt ? [entry.value as NonNullable<ServerConfigValues[K]>] : []
  })
}

/** Entries for which something holds, in all files; of values, whatever they are behind. */
function hasEntry(config: ParsedConfig, holds: (entry: ConfigEntry) => boolean): boolean {
  return config.entries.some(
    (entry) =>
      holds(entry) || (entry.type === 'include' && entry.configs.some((included) => hasEntry(included, holds))),
  )
}

/** Whether AllowUsers, DenyUsers, AllowGroups and DenyGroups let somebody in. Deny goes before allow. */
export function mayLogIn(values: ServerConfigValues, query: ServerConfigQuery & { readonly user: string }): boolean {
  const { allowUsers, denyUsers = [], allowGroups, denyGroups } = values
  const { groups } = query
  if (denyUsers.some((pattern) => fitsUserPattern(pattern, query, true))) return false
  if (allowUsers !== undefined && !allowUsers.some((pattern) => fitsUserPattern(pattern, query, false))) return false
  if (denyGroups === undefined && allowGroups === undefined) return true
  // Whoever has no groups that are known cannot be said not to be in one.
  if (groups === undefined) return false
  const isIn = (patterns: readonly string[]) => patterns.some((pattern) => isInGroups(pattern, groups))
  return !isIn(denyGroups ?? []) && (allowGroups === undefined || isIn(allowGroups))
}

/** @param ifUnknown the answer for a client about whose host nothing is known */
function fitsUserPattern(
  pattern: string,
  { user, host, address }: ServerConfigQuery & { readonly user: string },
  ifUnknown: boolean,
): boolean {
  const at = pattern.lastIndexOf('@')
  if (at === -1) return matchesNames(pattern, user)
  if (!matchesNames(pattern.slice(0, at), user)) return false
  const hosts = pattern.slice(at + 1)
  if (host === undefined && address === undefined) return ifUnknown
  return isInAddressList(hosts, address, host) || (host !== undefined && matchesHostNames(hosts, host))
}

/** Whether a value of sshd_config says that there is none. */
export function isOff(value: string | undefined): boolean {
  return value === undefined || isNone(value)
}
