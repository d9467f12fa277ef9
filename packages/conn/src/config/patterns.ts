/** Wildcard patterns of OpenSSH's files: `*` and `?`, lists, negation. ssh_config(5), PATTERNS. */

/**
 * Whether all of `text` fits `pattern`, where `*` is any run of characters and `?` is one. Case matters.
 *
 * Only the last `*` is ever retried, so the time is at most the product of the two lengths, whatever the pattern.
 */
export function matchesPattern(pattern: string, text: string): boolean {
  let at = 0
  let position = 0
  let star = -1
  let resumeAt = 0
  while (position < text.length) {
    const expected = pattern[at]
    if (expected === '*') {
      star = at++
      resumeAt = position
    } else if (expected === '?' || expected === text[position]) {
      at++
      position++
    } else if (star >= 0) {
      at = star + 1
      position = ++resumeAt
    } else {
      return false
    }
  }
  while (pattern[at] === '*') at++
  return at === pattern.length
}

/** What a list says of a text. A negation that fits outweighs everything else in the list. */
export type ListMatch = 'matched' | 'negated' | 'unmatched'

/**
 * Asks each item of a comma-separated list, where a leading `!` negates.
 * @param fits whether the text in question fits an item (without its `!`)
 */
export function matchList(list: string, fits: (item: string) => boolean): ListMatch {
  let result: ListMatch = 'unmatched'
  for (const item of list.split(',')) {
    const isNegated = item.startsWith('!')
    if (!fits(isNegated ? item.slice(1) : item)) continue
    if (isNegated) return 'negated'
    result = 'matched'
  }
  return result
}
