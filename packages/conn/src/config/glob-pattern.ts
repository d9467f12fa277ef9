/** Names of files with wildcards, as Include takes them: `*`, `?`, `[a-z]`, `[!a]`, and `\` in front of what is meant as it is. */

/** One place of a pattern. */
type Piece =
  | { readonly type: 'run' }
  | { readonly type: 'one' }
  | { readonly type: 'character'; readonly character: string }
  | { readonly type: 'class'; readonly ranges: readonly (readonly [string, string])[]; readonly isNegated: boolean }

/** Whether a part of a path has a wildcard in it. */
export function hasWildcard(part: string): boolean {
  return /[*?[]/.test(part)
}

/**
 * Whether a name of a file fits a part of a path. A name with a dot in front fits only where the pattern has one too.
 *
 * As in `matchesPattern` only the last run is ever retried, so the time is bounded by the product of the lengths.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  return globMatcher(pattern)(name)
}

/** The same for many names: the pattern is taken apart once. */
export function globMatcher(pattern: string): (name: string) => boolean {
  const pieces = readPieces(pattern)
  return (name) => (pattern.startsWith('.') || !name.startsWith('.')) && matches(pieces, name)
}

function matches(pieces: readonly Piece[], name: string): boolean {
  let at = 0
  let position = 0
  let run = -1
  let resumeAt = 0
  while (position < name.length) {
    const piece = pieces[at]
    if (piece?.type === 'run') {
      run = at++
      resumeAt = position
    } else if (piece !== undefined && fits(piece, name[position] ?? '')) {
      at++
      position++
    } else if (run >= 0) {
      at = run + 1
      position = ++resumeAt
    } else {
      return false
    }
  }
  while (pieces[at]?.type === 'run') at++
  return at === pieces.length
}

/** A part without wildcards, as the name it stands for. */
export function unescapeGlob(part: string): string {
  return part.replace(/\\(.)/gs, '$1')
}

function fits(piece: Piece, character: string): boolean {
  switch (piece.type) {
    case 'character':
      return piece.character === character
    case 'class':
      return piece.ranges.some(([from, to]) => from <= character && character <= to) !== piece.isNegated
    default:
      return true
  }
}

function readPieces(pattern: string): readonly Piece[] {
  const pieces: Piece[] = []
  let at = 0
  while (at < pattern.length) {
    const character = pattern[at++] ?? ''
    if (character === '*') pieces.push({ type: 'run' })
    else if (character === '?') pieces.push({ type: 'one' })
    else if (character === '\\' && at < pattern.length)
      pieces.push({ type: 'character', character: pattern[at++] ?? '' })
    else if (character === '[') {
      const [set, end] = readClass(pattern, at)
      pieces.push(set ?? { type: 'character', character })
      if (set !== undefined) at = end
    } else pieces.push({ type: 'character', character })
  }
  return pieces
}

/** A class whose inside begins at `start`; undefined when it is not closed, and `[` is meant as it is. */
function readClass(pattern: string, start: number): [piece: Piece | undefined, end: number] {
  const isNegated = pattern[start] === '!' || pattern[start] === '^'
  const first = isNegated ? start + 1 : start
  const close = pattern.indexOf(']', first + 1)
  if (close === -1) return [undefined, start]
  const inside = pattern.slice(first, close)
  const ranges: [string, string][] = []
  for (let at = 0; at < inside.length; at++) {
    const from = inside[at] ?? ''
    const isRange = inside[at + 1] === '-' && at + 2 < inside.length
    ranges.push([from, isRange ? (inside[at + 2] ?? '') : from])
    if (isRange) at += 2
  }
  return [{ type: 'class', ranges, isNegated }, close + 1]
}
