/** What to say of options that nobody knows: mostly they are names that somebody mistyped. */

import { printable } from './errors.js'

/**
 * Says that nobody knows some options, and which others each may have been meant to be.
 * @param what one of them is called
 */
export function unknownOptions(unknown: readonly string[], known: readonly string[], what = 'option'): string {
  const quoted = (names: readonly string[]) => names.map((name) => `"${printable(name, 64)}"`).join(', ')
  const meant = new Set(unknown.map((name) => closestName(name, known)).filter((name) => name !== undefined))
  return `unknown ${what} ${quoted(unknown)}${meant.size === 0 ? '' : `; did you mean ${quoted([...meant])}?`}`
}

/** The name that is the fewest typing errors away, if they are few. */
export function closestName(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let fewest = name.length < 4 ? 2 : 3
  if (name.length > 64) return undefined
  for (const candidate of known) {
    const errors = typingErrors(name.toLowerCase(), candidate.toLowerCase())
    if (errors >= fewest) continue
    fewest = errors
    best = candidate
  }
  return best
}

/** Characters to insert, remove or replace to get from one text to the other (Levenshtein's distance). */
function typingErrors(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const character of from) {
    const next = [(row[0] ?? 0) + 1]
    for (let index = 1; index <= to.length; index++) {
      const replaced = (row[index - 1] ?? 0) + (character === to[index - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[index] ?? 0) + 1, (next[index - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[to.length] ?? 0
}
