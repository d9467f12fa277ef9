/**
 * Patterns of names as a shell has them (POSIX.1 §2.14): `*`, `?`, `[…]`, and a backslash before what stands for itself.
 *
 * Matching takes time in proportion to the lengths of pattern and name, whoever chose them.
 */

import { braceExpand } from 'minimatch'

type Token =
  | { readonly kind: 'character'; readonly character: string }
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  | { readonly kind: 'set'; readonly isNegated: boolean; readonly ranges: readonly (readonly [string, string])[] }

/** Characters of a bracket expression's class (POSIX.1 §9.3.5), as ranges. */
const classes = new Map<string, readonly (readonly [string, string])[]>([
  [
    'alpha',
    [
      ['A', 'Z'],
      ['a', 'z'],
    ],
  ],
  ['digit', [['0', '9']]],
  [
    'alnum',
    [
      ['A', 'Z'],
      ['a', 'z'],
      ['0', '9'],
    ],
  ],
  ['upper', [['A', 'Z']]],
  ['lower', [['a', 'z']]],
  [
    'xdigit',
    [
      ['A', 'F'],
      ['a', 'f'],
      ['0', '9'],
    ],
  ],
  [
    'blank',
    [
      [' ', ' '],
      ['\t', '\t'],
    ],
  ],
  [
    'space',
    [
      [' ', ' '],
      ['\t', '\r'],
    ],
  ],
  [
    'punct',
    [
      ['!', '/'],
      [':', '@'],
      ['[', '`'],
      ['{', '~'],
    ],
  ],
  ['print', [[' ', '~']]],
  ['graph', [['!', '~']]],
  [
    'cntrl',
    [
      ['\0', '\x1f'],
      ['\x7f', '\x7f'],
    ],
  ],
])

/** One part of a path as a pattern. */
export class NamePattern {
  /** Whether it matches other names than one. */
  readonly isMagic: boolean
  /** The one name that it matches if it is not magic. */
  readonly literal: string
  readonly #tokens: readonly Token[]

  /** @param pattern without `/` */
  constructor(pattern: string) {
    this.#tokens = parse(pattern)
    this.isMagic = this.#tokens.some(({ kind }) => kind !== 'character')
    this.literal = this.#tokens.map((token) => (token.kind === 'character' ? token.character : '')).join('')
  }

  /** Whether `name` matches. A dot at its start is matched by a dot only. */
  matches(name: string): boolean {
    const characters = [...name]
    const [first] = this.#tokens
    if (characters[0] === '.' && first !== undefined && first.kind !== 'character') return false
    let at = 0
    let token = 0
    // Where to go on when what follows the last star does not match: only that star needs to be tried again.
    let starAt = -1
    let starToken = -1
    while (at < characters.length) {
      const wanted = this.#tokens[token]
      if (wanted?.kind === 'star') {
        starToken = token++
        starAt = at
      } else if (wanted !== undefined && matchesOne(wanted, characters[at] ?? '')) {
        at++
        token++
      } else if (starToken >= 0) {
        token = starToken + 1
        at = ++starAt
      } else return false
    }
    while (this.#tokens[token]?.kind === 'star') token++
    return token === this.#tokens.length
  }
}

/** The parts of a path, and how they are to be read. @returns absent parts (`//`) left out */
export function patternParts(pattern: string): NamePattern[] {
  return splitParts(pattern).map((part) => new NamePattern(part))
}

/** Whether a path holds a pattern. */
export function isPattern(path: string): boolean {
  return patternParts(path).some(({ isMagic }) => isMagic)
}

/** The path that a pattern without magic stands for: backslashes that quote are gone. */
export function unescapePattern(path: string): string {
  return path.replace(/\\(.)/gs, '$1')
}

/** The pattern that matches `path` and nothing else. */
export function escapePattern(path: string): string {
  return path.replace(/[\\*?[\]{}]/g, '\\$&')
}

/** `{a,b}` written out, as many shells do. For patterns of the caller's own only: a short one can make a long list. */
export function expandBraces(pattern: string): string[] {
  return braceExpand(pattern)
}

function splitParts(pattern: string): string[] {
  return pattern.split('/').filter((part) => part !== '')
}

function parse(pattern: string): Token[] {
  const characters = [...pattern]
  const tokens: Token[] = []
  /** Where a bracket expression would go on that nothing closes: looked at once, however many brackets are open. */
  const unclosed = new Set<number>()
  for (let index = 0; index < characters.length; ) {
    const character = characters[index] ?? ''
    const set = character === '[' ? parseSet(characters, index + 1, unclosed) : undefined
    if (set !== undefined) {
      tokens.push(set.token)
      index = set.end
      continue
    }
    index++
    if (character === '*') {
      if (tokens.at(-1)?.kind !== 'star') tokens.push({ kind: 'star' })
    } else if (character === '?') tokens.push({ kind: 'any' })
    else if (character === '\\' && index < characters.length) {
      tokens.push({ kind: 'character', character: characters[index++] ?? '' })
    } else tokens.push({ kind: 'character', character })
  }
  return tokens
}

/**
 * A bracket expression from behind its `[` on; undefined when nothing closes it, so that it is no more than a bracket.
 * @param unclosed what is found to lead to no end is added
 */
function parseSet(
  characters: readonly string[],
  start: number,
  unclosed: Set<number>,
): { readonly token: Token; readonly end: number } | undefined {
  const isNegated = characters[start] === '!' || characters[start] === '^'
  const ranges: (readonly [string, string])[] = []
  const first = isNegated ? start + 1 : start
  /** The character at `index`, which may be quoted, and what comes behind it. */
  const one = (index: number): readonly [string | undefined, number] =>
    characters[index] === '\\' ? [characters[index + 1], index + 2] : [characters[index], index + 1]
  const visited: number[] = []
  for (let index = first; index < characters.length && !unclosed.has(index); ) {
    if (characters[index] === ']' && index > first) {
      return { token: { kind: 'set', isNegated, ranges }, end: index + 1 }
    }
    // A bracket that is the first one is a character there, and the end for whoever comes by.
    if (characters[index] !== ']') visited.push(index)
    const named = classAt(characters, index)
    if (named !== undefined) {
      ranges.push(...named.ranges)
      index = named.end
      continue
    }
    const [from, behind] = one(index)
    if (from === undefined) break
    index = behind
    if (characters[index] === '-' && characters[index + 1] !== ']' && index + 1 < characters.length) {
      const [to, next] = one(index + 1)
      if (to === undefined) break
      ranges.push([from, to])
      index = next
    } else ranges.push([from, from])
  }
  for (const index of visited) unclosed.add(index)
  return undefined
}

/** Characters of the longest name of a class, with what surrounds it. */
const longestClass = '[:xdigit:]'.length

function classAt(characters: readonly string[], index: number) {
  if (characters[index] !== '[' || characters[index + 1] !== ':') return undefined
  const named = /^\[:([a-z]+):\]/.exec(characters.slice(index, index + longestClass).join(''))
  const ranges = named === null ? undefined : classes.get(named[1] ?? '')
  return named === null || ranges === undefined ? undefined : { ranges, end: index + named[0].length }
}

function matchesOne(token: Token, character: string): boolean {
  switch (token.kind) {
    case 'character':
      return token.character === character
    case 'any':
    case 'star':
      return true
    case 'set':
      return token.ranges.some(([from, to]) => from <= character && character <= to) !== token.isNegated
  }
}
