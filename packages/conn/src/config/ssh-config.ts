/**
 * What ssh_config says about one host. ssh_config(5) of OpenSSH 9.
 *
 * Files are walked through from the top, and the first value of a keyword counts. When a `Match final` is met, or host
 * names are made canonical, they are walked through once more, with the name that came out, and only what was not said
 * before is added. This machine (its names, its variables, a shell, name service) is handed in.
 */

import { createHash } from 'node:crypto'
import { printable } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'
import { type ConfigPosition, configError } from './config-line.js'
import { type MatchCriterion, matchesHostNames, matchesHostPatterns, matchesNames } from './config-match.js'
import {
  type ConfigSource,
  ConfigValues,
  type ConfigVisitor,
  type ExpansionRule,
  type IncludeReader,
  type KeywordOfTable,
  type ParsedConfig,
  parseConfig,
  walkConfig,
} from './config-model.js'
import { type ConfigTokens, expandTokens, type Variables } from './config-tokens.js'
import { isNone, ValueFault } from './config-values.js'
import type { ConfigWarning } from './config-warning.js'
import { expandForward, type WrittenForward } from './forward-spec.js'
import { isInBlock, parseCidr, parseIpAddress } from './ip-address.js'
import { type ClientConfigValues, type ClientKeyword, clientGrammar, clientKeywords } from './ssh-config-keywords.js'

/** This machine, as a configuration may ask about it. */
export interface ConfigMachine {
  /** Of the user who runs this: `~` and `%d`. */
  readonly homeDirectory: string
  /** `%u`, and whom `Match localuser` asks about. */
  readonly userName: string
  /** `%i`. */
  readonly userId: string
  /** `%l`, and up to its first dot `%L`. */
  readonly hostName: string
  /** `${NAME}`. */
  readonly variables: Variables
  /** Numeric addresses of this machine's network interfaces, for `Match localnetwork`. */
  localAddresses(): readonly string[]
  /**
   * Runs the command of `Match exec` in the user's shell; resolves to whether it ended with status 0. Absent: nothing is
   * run, and what stands behind such a Match does not apply.
   */
  readonly execute?: (command: string) => Promise<boolean>
  /** Looks a host name up, for CanonicalizeHostname. Absent: no name is found. */
  readonly lookUp?: HostLookup
}

/**
 * Looks a host name up; a dot at its end keeps the system from adding domains.
 * @param wantsCanonicalName whether a name that it leads to will be looked at
 * @returns undefined when there is no such host; else the name that its CNAME leads to, if there is one
 */
export type HostLookup = (
  host: string,
  wantsCanonicalName: boolean,
) => Promise<{ readonly canonicalName?: string | undefined } | undefined>

/** Whom a client wants to reach. What is given here goes before what files say. */
export interface ClientConfigQuery {
  /** As the user wrote it: perhaps an alias. */
  readonly host: string
  readonly username?: string | undefined
  readonly port?: number | undefined
  readonly machine: ConfigMachine
}

/** What files say about a host. */
export interface ClientConfig {
  /** As it was asked for. */
  readonly originalHost: string
  /** Where to connect: after Hostname and CanonicalizeHostname. In lower case, unless it is an address. */
  readonly host: string
  readonly port: number
  readonly username: string
  /** What files say, by keyword, with tokens, variables and `~` replaced; what no file says is absent. */
  readonly values: ClientConfigValues
  /** The same as written. */
  readonly written: ClientConfigValues
  /** What `%` and a letter stand for. */
  readonly tokens: ConfigTokens
  /** What `${NAME}` and `$NAME` stand for. */
  readonly variables: Variables
  /** Lines that count for nothing because nobody knows their keyword, and conditions that were not looked into. */
  readonly warnings: readonly ConfigWarning[]
}

/**
 * Reads a text of ssh_config, and what it includes.
 * @throws ConfigParseError with `details.file` and `details.line`
 */
export function parseClientConfig(source: ConfigSource, include: IncludeReader = noFiles): Promise<ParsedConfig> {
  return parseConfig(source, clientGrammar, include)
}

async function noFiles(pattern: string): Promise<never> {
  throw new ConfigParseError(`Nothing was handed in to read "${printable(pattern, 256)}" with`)
}

/**
 * What configurations say about a host.
 * @param configs in their order: the user's before the system's
 * @throws ConfigParseError when a token means nothing, a variable is not set, a name must not reach a shell, or a name
 *   cannot be made canonical and must be
 */
export async function resolveClientConfig(
  configs: readonly ParsedConfig[],
  query: ClientConfigQuery,
): Promise<ClientConfig> {
  const resolver = new Resolver(configs, query)
  return resolver.resolve()
}

/** Keywords about the name, which a second pass must not change. */
const canonicalKeys = ['canonicalizeHostname', 'canonicalizeMaxDots', 'canonicalizeFallbackLocal'] as const

/** Keywords of which `none` says that there shall be none. */
const offByNone = [
  'controlPath',
  'knownHostsCommand',
  'localCommand',
  'pkcs11Provider',
  'proxyCommand',
  'remoteCommand',
  'revokedHostKeys',
] as const

/** Keywords whose value is an endpoint's name or is put together from it, and is looked at on its own. */
const forwardKinds = { localForward: 'local', remoteForward: 'remote', dynamicForward: 'dynamic' } as const

class Resolver {
  readonly #configs: readonly ParsedConfig[]
  readonly #query: ClientConfigQuery
  readonly #values = new ConfigValues()
  readonly #positions = new Map<string, ConfigPosition>()
  readonly #warnings: ConfigWarning[] = []
  /** What the final pass must not warn about again. */
  readonly #warned = new Set<string>()
  #wantsFinalPass = false

  constructor(configs: readonly ParsedConfig[], query: ClientConfigQuery) {
    this.#configs = configs
    this.#query = query
    const { username, port } = query
    if (username !== undefined) this.#values.set('user', username)
    if (port !== undefined) this.#values.set('port', port)
  }

  async resolve(): Promise<ClientConfig> {
    const { host: originalHost, machine } = this.#query
    await this.#pass(originalHost, false)
    const named = this.#substituted(originalHost)
    const host = parseIpAddress(named) === undefined ? await this.#canonical(named.toLowerCase()) : named
    if (this.#typed.canonicalizeHostname !== undefined && this.#typed.canonicalizeHostname !== 'no') {
      this.#wantsFinalPass = true
    }
    if (this.#wantsFinalPass) {
      this.#values.set('hostname', host)
      // How to find the name is settled by now.
      for (const key of canonicalKeys) if (!this.#values.has(key)) this.#values.set(key, clientKeywords[key].fallback)
      await this.#pass(host, true)
    }
    const { hostKeyAlias, proxyJump, port = 22, user = machine.userName } = this.#typed
    if (hostKeyAlias !== undefined) this.#values.set('hostKeyAlias', hostKeyAlias.toLowerCase())
    // What is off has kept later lines from turning it on, and has done its work.
    if (proxyJump?.length === 0) this.#values.delete('proxyJump')
    else if (proxyJump !== undefined) this.#values.set('proxyUseFdpass', false)
    for (const key of offByNone) if (isNone(this.#typed[key] ?? '')) this.#values.delete(key)
    const tokens = this.#tokens(host, hostKeyAlias?.toLowerCase() ?? originalHost)
    const written = this.#typed
    return {
      originalHost,
      host,
      port,
      username: user,
      values: this.#expanded(written, tokens),
      written,
      tokens,
      variables: machine.variables,
      warnings: this.#warnings,
    }
  }

  get #typed(): ClientConfigValues {
    return this.#values.typed(clientKeywords)
  }

  /** The name that Hostname puts in place of the one asked for. */
  #substituted(host: string): string {
    const { hostname } = this.#typed
    if (hostname === undefined) return host
    return this.#at('hostname', () => expandTokens(hostname, { keyword: 'Hostname', tokens: new Map([['h', host]]) }))
  }

  async #pass(host: string, isFinal: boolean): Promise<void> {
    const visitor: ConfigVisitor = {
      matchesHost: (patterns) => matchesHostPatterns(patterns, host),
      matches: (criteria, position, isPossible) => this.#matches(criteria, position, isPossible, host, isFinal),
      value: (keyword, value, position) => this.#add(keyword, value, position),
      unknown: (name, position) => this.#unknown(name, position),
    }
    for (const config of this.#configs) await walkConfig(config, visitor)
  }

  #add(keyword: KeywordOfTable, value: unknown, position: ConfigPosition): void {
    this.#values.add(keyword, value)
    if (!this.#positions.has(keyword.key)) this.#positions.set(keyword.key, position)
  }

  #unknown(name: string, position: ConfigPosition): void {
    const { ignoreUnknown } = this.#typed
    if (ignoreUnknown !== undefined && matchesHostNames(ignoreUnknown, name)) return
    this.#warn(`"${printable(name, 64)}" is no keyword that is known here, and counts for nothing`, position)
  }

  #warn(message: string, { file, line }: ConfigPosition): void {
    const place = `${file}:${line}`
    if (this.#warned.has(place)) return
    this.#warned.add(place)
    this.#warnings.push({ file, line, message })
  }

  async #matches(
    criteria: readonly MatchCriterion[],
    position: ConfigPosition,
    isPossible: boolean,
    host: string,
    isFinal: boolean,
  ): Promise<boolean> {
    if (criteria.some(({ name }) => name === 'final')) this.#wantsFinalPass = true
    const target = isFinal ? (this.#typed.hostname ?? host) : this.#substituted(host)
    for (const criterion of criteria) {
      // What is false needs no shell to become false.
      if (!isPossible) return false
      const fits =
        criterion.name === 'exec'
          ? await this.#executes(criterion, position, target)
          : this.#fits(criterion, target, isFinal)
      if (fits === undefined || fits === criterion.isNegated) return false
    }
    return isPossible
  }

  #fits({ name, argument = '' }: MatchCriterion, host: string, isFinal: boolean): boolean {
    const { machine, host: originalHost } = this.#query
    switch (name) {
      case 'canonical':
      case 'final':
        return isFinal
      case 'host':
        return matchesHostNames(argument, host)
      case 'originalhost':
        return matchesHostNames(argument, originalHost)
      case 'user':
        return matchesNames(argument, this.#typed.user ?? machine.userName)
      case 'localuser':
        return matchesNames(argument, machine.userName)
      case 'tagged':
        return matchesNames(argument, this.#typed.tag ?? '')
      case 'localnetwork':
        return machine.localAddresses().some((address) => isInNetworks(argument, address))
      default:
        return true
    }
  }

  /** @returns undefined when nothing may be run, and nobody can know */
  async #executes(
    { argument = '' }: MatchCriterion,
    position: ConfigPosition,
    host: string,
  ): Promise<boolean | undefined> {
    const { execute } = this.#query.machine
    if (execute === undefined) {
      this.#warn('Match exec is turned off, so what stands behind it does not apply', position)
      return undefined
    }
    const tokens = this.#tokens(host, this.#typed.hostKeyAlias ?? host)
    const command = placed(position, () =>
      expandTokens(argument, { keyword: 'Match exec', tokens, isForShell: true, unchecked: trustedTokens }),
    )
    return execute(command)
  }

  async #canonical(host: string): Promise<string> {
    const {
      canonicalizeHostname = 'no',
      canonicalDomains = [],
      canonicalizeMaxDots = 1,
      canonicalizeFallbackLocal = true,
      proxyCommand,
      proxyJump,
    } = this.#typed
    const isDirect = (proxyCommand === undefined || isNone(proxyCommand)) && (proxyJump ?? []).length === 0
    if (canonicalizeHostname === 'no' || !(isDirect || canonicalizeHostname === 'always')) return host
    const candidates = host.endsWith('.') ? [host] : canonicalDomains.map((domain) => `${host}.${domain}.`)
    const dots = host.split('.').length - 1
    if (!host.endsWith('.') && dots > canonicalizeMaxDots) return await this.#followed(host, host)
    for (const candidate of candidates) {
      const found = await this.#query.machine.lookUp?.(
        candidate,
        (this.#typed.canonicalizePermittedCnames ?? []).length > 0,
      )
      if (found !== undefined) return this.#permitted(candidate.slice(0, -1), found.canonicalName)
    }
    if (!canonicalizeFallbackLocal) {
      const why = `${printable(host)} is in none of the domains ${canonicalDomains.join(', ')}, and CanonicalizeFallbackLocal is no`
      throw configError(this.#positions.get('canonicalizeFallbackLocal') ?? { file: undefined, line: 0 }, why)
    }
    return await this.#followed(host, host)
  }

  /** A name that no domain was added to may still lead to another one. */
  async #followed(host: string, lookedUp: string): Promise<string> {
    if ((this.#typed.canonicalizePermittedCnames ?? []).length === 0) return host
    const found = await this.#query.machine.lookUp?.(lookedUp, true)
    return this.#permitted(host, found?.canonicalName)
  }

  #permitted(host: string, canonicalName: string | undefined): string {
    const { canonicalizePermittedCnames: rules = [] } = this.#typed
    const name = canonicalName?.replace(/\.$/, '').toLowerCase()
    if (name === undefined || name === host) return host
    const isPermitted = rules.some(
      ({ sources, targets }) => matchesHostNames(sources, host) && matchesHostNames(targets, name),
    )
    return isPermitted ? name : host
  }

  #tokens(host: string, keyAlias: string): ConfigTokens {
    const { machine, host: originalHost } = this.#query
    const { user = machine.userName, port = 22, proxyJump = [] } = this.#typed
    const jumpHost = hostOfJump(proxyJump[proxyJump.length - 1])
    const hash = createHash('sha1')
    for (const part of [machine.hostName, host, String(port), user, jumpHost]) hash.update(part)
    return new Map([
      ['C', hash.digest('hex')],
      ['d', machine.homeDirectory],
      ['h', host],
      ['i', machine.userId],
      ['j', jumpHost],
      ['k', keyAlias],
      ['L', machine.hostName.split('.', 1).join('')],
      ['l', machine.hostName],
      ['n', originalHost],
      ['p', String(port)],
      ['r', user],
      ['u', machine.userName],
    ])
  }

  /** Values of all keywords that become something; of others nobody needs to know whether they make sense. */
  #expanded(written: ClientConfigValues, tokens: ConfigTokens): ClientConfigValues {
    const expanded = new Map<string, unknown>(Object.entries(written))
    for (const [key, { name, expands, becomes }] of Object.entries(clientKeywords)) {
      const value = expanded.get(key)
      if (value === undefined || expands === undefined || key === 'hostname' || becomes.startsWith('ignored')) continue
      // Needs a host key that is not there yet.
      if (key === 'knownHostsCommand') continue
      const expand = (text: string) => this.#expandedText(text, name, expands, tokens)
      expanded.set(
        key,
        this.#at(key, () => {
          if (typeof value === 'string') return expand(value)
          return isTextList(value) ? value.map(expand) : value
        }),
      )
    }
    const result = Object.fromEntries(expanded) as ClientConfigValues
    return { ...result, ...this.#expandedForwards(written, tokens) }
  }

  #expandedForwards(written: ClientConfigValues, tokens: ConfigTokens) {
    const { variables } = this.#query.machine
    const expandAll = (key: keyof typeof forwardKinds) =>
      this.#at(key, () =>
        written[key]?.map((forward): WrittenForward => {
          const { name, expands } = clientKeywords[key]
          const expandPath = (path: string) =>
            expandTokens(path, { keyword: name, tokens, ...(expands?.letters !== undefined && expands) })
          return expandForward(forwardKinds[key], forward, variables, expandPath)
        }),
      )
    const [localForward, remoteForward, dynamicForward] = [
      expandAll('localForward'),
      expandAll('remoteForward'),
      expandAll('dynamicForward'),
    ]
    return {
      ...(localForward && { localForward }),
      ...(remoteForward && { remoteForward }),
      ...(dynamicForward && { dynamicForward }),
    }
  }

  #expandedText(text: string, keyword: string, rule: ExpansionRule, tokens: ConfigTokens): string {
    const { homeDirectory, variables } = this.#query.machine
    if (isNone(text)) return text
    // A login name that a file gives is as good as the rest of the file.
    return expandTokens(rule.hasHome ? expandHome(text, homeDirectory) : text, {
      keyword,
      tokens,
      ...(rule.letters !== undefined && { letters: rule.letters }),
      ...(rule.hasVariables && { variables }),
      ...(rule.isForShell && { isForShell: true }),
      ...(rule.hasHome && { isForPath: true }),
      unchecked: this.#query.username === undefined && keyword !== 'ProxyCommand' ? `${trustedTokens}r` : trustedTokens,
    })
  }

  /** Says which line a fault comes from. */
  #at<T>(key: ClientKeyword | string, action: () => T): T {
    const position = this.#positions.get(key)
    return position === undefined ? action() : placed(position, action)
  }
}

/** Tokens that name this machine and its user: nobody else chose them, and a home may have a blank in it. */
const trustedTokens = 'Cdilpu'

function placed<T>(position: ConfigPosition, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof ValueFault || error instanceof ConfigParseError)
      throw configError(position, error.message, error)
    throw error
  }
}

function expandHome(path: string, home: string): string {
  if (path === '~' || path.startsWith('~/')) return `${home}${path.slice(1)}`
  if (path.startsWith('~')) {
    throw new ValueFault(`"${printable(path, 128)}" is in the home of another user, who is not looked up`)
  }
  return path
}

function isInNetworks(blocks: string, address: string): boolean {
  const bytes = parseIpAddress(address)
  if (bytes === undefined) return false
  return blocks.split(',').some((text) => {
    const block = parseCidr(text)
    return block !== undefined && isInBlock(block, bytes)
  })
}

/** The host of `[user@]host[:port]`. */
function hostOfJump(jump: string | undefined): string {
  const [, bracketed, plain = ''] = /^(?:ssh:\/\/)?(?:[^@]+@)?(?:\[([^\]]+)\]|([^:/]+))/.exec(jump ?? '') ?? []
  return bracketed ?? plain
}

function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
