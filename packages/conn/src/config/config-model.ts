/**
 * A configuration as read, before anybody asks it something: entries in their order, with included files where they were
 * included. What ssh_config and sshd_config have in common; their keywords are handed in as tables.
 */

import type { ConfigParseError } from '../errors.js'
import {
  type ConfigLine,
  type ConfigPosition,
  configError,
  maximumConfigLength,
  splitConfigLines,
} from './config-line.js'
import { type CriterionKind, type MatchCriterion, parseCriteria } from './config-match.js'
import { shown, someWords, ValueFault, type ValueKind } from './config-values.js'

/** What there is to know of a keyword. One row each, in `ssh-config-keywords.ts` and `sshd-config-keywords.ts`. */
export interface KeywordRow<T> {
  /** As in the manual. */
  readonly name: string
  /** Former names. */
  readonly aliases?: readonly string[]
  /** How its value is read and printed. */
  readonly kind: ValueKind<T>
  /** What two values make. Absent: the first counts, and later ones are passed over. */
  merge?(earlier: T, later: T): T
  /** The value when no file has one. */
  readonly fallback?: T
  /** The option of this SDK that it becomes; or, in words, why it becomes none. */
  readonly becomes: string
  /** What is replaced in its value. */
  readonly expands?: ExpansionRule
  /** A keyword that, once set to something, makes this one count for nothing. */
  readonly excludedBy?: string
  /** sshd_config: whether it may stand behind Match. */
  readonly isForMatch?: boolean
}

/** What is replaced in a value: `%` tokens by their letters, `${VAR}`, a `~` in front. */
export interface ExpansionRule {
  readonly letters?: string
  readonly hasVariables?: boolean
  readonly hasHome?: boolean
  /** The value goes to a shell. */
  readonly isForShell?: boolean
}

/** Keywords by the names that the SDK gives them. */
export type KeywordTable = Readonly<Record<string, KeywordRow<unknown>>>

/** The values of a table, typed by its rows. */
export type ValuesOf<R extends KeywordTable> = {
  readonly [K in keyof R]?: R[K] extends KeywordRow<infer T> ? T : never
}

/** A language: which keywords there are, and what Match may ask. */
export interface ConfigGrammar {
  /** Keywords by their names and aliases, in lower case. */
  readonly keywords: ReadonlyMap<string, KeywordOfTable>
  /** Keywords of former times, in lower case: passed over without a word. */
  readonly obsolete: ReadonlySet<string>
  readonly criteria: ReadonlyMap<string, CriterionKind>
  /** How many criteria may stand in front of `all`. */
  readonly criteriaBeforeAll: number
  /** Whether there is a keyword Host. */
  readonly hasHost: boolean
  /** Whether a keyword that nobody knows is a fault: what it would have forbidden must not be granted. */
  readonly refusesUnknown: boolean
  /** Looks at the value of a criterion. @throws ValueFault */
  checkCriterion?(criterion: MatchCriterion): void
}

export interface KeywordOfTable {
  readonly key: string
  readonly row: KeywordRow<unknown>
}

/** A table as a grammar wants it. */
export function keywordsByName(table: KeywordTable): ReadonlyMap<string, KeywordOfTable> {
  const entries = Object.entries(table).flatMap(([key, row]) =>
    [row.name, ...(row.aliases ?? [])].map((name) => [name.toLowerCase(), { key, row }] as const),
  )
  return new Map(entries)
}

/** A text to be read. */
export interface ConfigSource {
  readonly text: string
  /** Where it comes from, for messages and for whoever finds included files. */
  readonly file?: string
  /** Whose file it is: relative names of included files are below `~/.ssh` or below `/etc/ssh`. Default `user`. */
  readonly scope?: 'user' | 'system'
}

/**
 * Finds the files that an Include names.
 * @param pattern one word of the line: a path, perhaps relative, with wildcards, or with a `~` in front
 * @param from the text that it stands in
 * @returns texts in their order; none when no file is there
 */
export type IncludeReader = (pattern: string, from: ConfigSource) => Promise<readonly ConfigSource[]>

/** A configuration as read. */
export interface ParsedConfig {
  readonly file: string | undefined
  readonly entries: readonly ConfigEntry[]
}

export type ConfigEntry =
  | ({ readonly type: 'value'; readonly keyword: KeywordOfTable; readonly value: unknown } & ConfigPosition)
  | ({ readonly type: 'host'; readonly patterns: readonly string[] } & ConfigPosition)
  | ({ readonly type: 'match'; readonly criteria: readonly MatchCriterion[] } & ConfigPosition)
  | ({ readonly type: 'include'; readonly configs: readonly ParsedConfig[] } & ConfigPosition)
  | ({ readonly type: 'unknown'; readonly name: string } & ConfigPosition)

/** How deep files may include each other, as with OpenSSH. */
const maximumDepth = 16

/** How many files one may include, all in all, and how many names for them there may be. */
const maximumFiles = 1000

/** Characters that included files may have, all in all: what is kept of them takes many times that. */
const maximumIncludedLength = 4 * maximumConfigLength

/** How many values a list may have. OpenSSH has 100 key files and 256 users at most. */
const maximumValues = 4096

/**
 * Reads a configuration and all that it includes.
 * @throws ConfigParseError with file and line
 */
export async function parseConfig(
  source: ConfigSource,
  grammar: ConfigGrammar,
  include: IncludeReader,
): Promise<ParsedConfig> {
  return new Parser(grammar, include).parse(source, 0, false)
}

class Parser {
  readonly #grammar: ConfigGrammar
  readonly #include: IncludeReader
  #files = 0
  #patterns = 0
  #length = 0

  constructor(grammar: ConfigGrammar, include: IncludeReader) {
    this.#grammar = grammar
    this.#include = include
  }

  /** @param isConditional whether the text is included behind a Match */
  async parse(source: ConfigSource, depth: number, isConditional: boolean): Promise<ParsedConfig> {
    const entries: ConfigEntry[] = []
    let isInMatch = isConditional
    for (const line of splitConfigLines(source.text, source.file)) {
      const { file, line: number } = line
      switch (line.keyword.toLowerCase()) {
        case 'match': {
          const criteria = within(line, () => this.#criteria(line))
          isInMatch = isConditional || !isAlways(criteria)
          entries.push({ type: 'match', criteria, file, line: number })
          break
        }
        case 'include': {
          const configs = await this.#included(line, source, depth, isInMatch)
          entries.push({ type: 'include', configs, file, line: number })
          break
        }
        default: {
          const entry = within(line, () => this.#entry(line, isInMatch))
          if (entry !== undefined) entries.push(entry)
        }
      }
    }
    return { file: source.file, entries }
  }

  #entry(line: ConfigLine, isInMatch: boolean): ConfigEntry | undefined {
    const { file, line: number } = line
    const name = line.keyword.toLowerCase()
    if (name === 'host' && this.#grammar.hasHost) {
      return { type: 'host', patterns: someWords(line), file, line: number }
    }
    const keyword = this.#grammar.keywords.get(name)
    if (keyword === undefined) {
      if (this.#grammar.refusesUnknown && !this.#grammar.obsolete.has(name)) {
        throw new ValueFault('no keyword of this name is known here, and what it would forbid must not be granted')
      }
      return this.#grammar.obsolete.has(name) ? undefined : { type: 'unknown', name: line.keyword, file, line: number }
    }
    if (isInMatch && keyword.row.isForMatch === false) throw new ValueFault('it must not stand behind Match')
    const value = keyword.row.kind.read(line)
    return value === undefined ? undefined : { type: 'value', keyword, value, file, line: number }
  }

  #criteria(line: ConfigLine): readonly MatchCriterion[] {
    const criteria = parseCriteria(line, this.#grammar.criteria, this.#grammar.criteriaBeforeAll)
    for (const criterion of criteria) this.#grammar.checkCriterion?.(criterion)
    return criteria
  }

  async #included(
    line: ConfigLine,
    source: ConfigSource,
    depth: number,
    isConditional: boolean,
  ): Promise<readonly ParsedConfig[]> {
    const configs: ParsedConfig[] = []
    for (const pattern of within(line, () => someWords(line))) {
      if (++this.#patterns > maximumFiles) throw configError(line, `more than ${maximumFiles} files are included`)
      for (const included of await this.#find(pattern, source, line)) {
        if (depth >= maximumDepth) throw configError(line, `files include each other more than ${maximumDepth} deep`)
        if (++this.#files > maximumFiles) throw configError(line, `more than ${maximumFiles} files are included`)
        this.#length += included.text.length
        if (this.#length > maximumIncludedLength) {
          throw configError(line, `included files have more than ${maximumIncludedLength} characters together`)
        }
        configs.push(await this.parse(included, depth + 1, isConditional))
      }
    }
    return configs
  }

  async #find(pattern: string, source: ConfigSource, line: ConfigLine): Promise<readonly ConfigSource[]> {
    try {
      return await this.#include(pattern, source)
    } catch (cause) {
      throw configError(line, cause instanceof Error ? cause.message : String(cause), cause)
    }
  }
}

/** Says where a fault was found. */
function within<T>(line: ConfigPosition & { readonly keyword: string | KeywordOfTable }, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw error instanceof ValueFault ? faultOf(line, error) : error
  }
}

function faultOf(line: Parameters<typeof within>[0], fault: ValueFault): ConfigParseError {
  const { keyword } = line
  return configError(line, `${shown(typeof keyword === 'string' ? keyword : keyword.row.name)}: ${fault.message}`)
}

/** Whether the criteria are fulfilled whatever is asked. */
function isAlways(criteria: readonly MatchCriterion[]): boolean {
  const [criterion, ...others] = criteria
  return others.length === 0 && criterion?.name === 'all' && !criterion.isNegated
}

/** Who walks through a configuration. */
export interface ConfigVisitor {
  /** Whether a Host applies. */
  matchesHost(patterns: readonly string[]): boolean
  /**
   * Whether a Match applies.
   * @param isPossible whether it could apply at all; if not nothing must be done to find out
   */
  matches(criteria: readonly MatchCriterion[], position: ConfigPosition, isPossible: boolean): Promise<boolean>
  /** A value that applies. */
  value(keyword: KeywordOfTable, value: unknown, position: ConfigPosition): void
  /** A keyword that nobody knows, and that would apply. */
  unknown(name: string, position: ConfigPosition): void
}

/**
 * Shows a visitor what applies, in its order. What a file's Host and Match say ends with the file.
 * @param isMatchOnly leaves out everything in front of the first Match
 */
export async function walkConfig(config: ParsedConfig, visitor: ConfigVisitor, isMatchOnly = false): Promise<void> {
  await walk(config, visitor, { isActive: !isMatchOnly, isPossible: true, isMatchOnly })
}

interface WalkState {
  readonly isActive: boolean
  readonly isPossible: boolean
  readonly isMatchOnly: boolean
}

async function walk(config: ParsedConfig, visitor: ConfigVisitor, start: WalkState): Promise<void> {
  const { isPossible } = start
  let { isActive, isMatchOnly } = start
  for (const entry of config.entries) {
    switch (entry.type) {
      case 'host':
        isActive = isPossible && visitor.matchesHost(entry.patterns)
        break
      case 'match':
        isActive = (await visitor.matches(entry.criteria, entry, isPossible)) && isPossible
        isMatchOnly = false
        break
      case 'include':
        for (const included of entry.configs) {
          await walk(included, visitor, { isActive, isPossible: isMatchOnly || isActive, isMatchOnly })
        }
        break
      case 'value':
        if (isActive) within(entry, () => visitor.value(entry.keyword, entry.value, entry))
        break
      case 'unknown':
        if (isActive) visitor.unknown(entry.name, entry)
    }
  }
}

/** Values as they come together: the first of each keyword, or what its row makes of several. */
export class ConfigValues {
  readonly #values = new Map<string, unknown>()

  has(key: string): boolean {
    return this.#values.has(key)
  }

  get(key: string): unknown {
    return this.#values.get(key)
  }

  /** Adds what a line says. @throws ValueFault when a list becomes longer than any real one */
  add({ key, row }: KeywordOfTable, value: unknown): void {
    const excluding = row.excludedBy === undefined ? undefined : this.#values.get(row.excludedBy)
    // An empty list says that there shall be none, and leaves room for others.
    if (excluding !== undefined && !(Array.isArray(excluding) && excluding.length === 0)) return
    if (!this.#values.has(key))
      this.#values.set(key, row.merge === undefined ? value : row.merge(emptyOf(value), value))
    else if (row.merge !== undefined) this.#values.set(key, row.merge(this.#values.get(key), value))
    const merged = row.merge === undefined ? undefined : this.#values.get(key)
    if (Array.isArray(merged) && merged.length > maximumValues)
      throw new ValueFault(`there are more than ${maximumValues}`)
  }

  /** Puts a value in place of whatever there is. */
  set(key: string, value: unknown): void {
    this.#values.set(key, value)
  }

  entries(): IterableIterator<[string, unknown]> {
    return this.#values.entries()
  }

  delete(key: string): void {
    this.#values.delete(key)
  }

  /** Values of `table`; its rows have read them, so its rows know their types. */
  typed<R extends KeywordTable>(_table: R): ValuesOf<R> {
    return Object.fromEntries(this.#values) as ValuesOf<R>
  }
}

/** A first value is merged with nothing, so that a list can leave out what it says twice. */
function emptyOf(value: unknown): unknown {
  return Array.isArray(value) ? [] : value
}

/** Lists one behind the other. */
export function append<T>(earlier: readonly T[], later: readonly T[]): readonly T[] {
  return [...earlier, ...later]
}

/** What the lists that were put together have in them, as text. */
const knownTexts = new WeakMap<readonly unknown[], Set<string>>()

/** The same, without what is there already. */
export function appendNew<T>(earlier: readonly T[], later: readonly T[]): readonly T[] {
  const known = knownTexts.get(earlier) ?? new Set(earlier.map((value) => JSON.stringify(value)))
  const added = later.filter((value) => {
    const text = JSON.stringify(value)
    return !known.has(text) && known.add(text)
  })
  const all = [...earlier, ...added]
  // The longer list takes it over, or a list that grows line by line would be read again at each of them.
  knownTexts.delete(earlier)
  knownTexts.set(all, known)
  return all
}
