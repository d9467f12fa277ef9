/** The conditions behind Match, and patterns behind Host. ssh_config(5), sshd_config(5), PATTERNS. */

import { type ConfigLine, splitDelimited } from './config-line.js'
import { shown, ValueFault } from './config-values.js'
import { matchesPattern, matchList } from './patterns.js'

/** One condition of a Match. */
export interface MatchCriterion {
  /** In lower case. */
  readonly name: string
  readonly isNegated: boolean
  /** Undefined for those that take none. */
  readonly argument: string | undefined
}

/** Whether a criterion takes a value, stands alone, or says something by itself. */
export type CriterionKind = 'value' | 'flag' | 'all'

/**
 * Takes a Match apart.
 * @param kinds criteria that there are, by their names in lower case
 * @param beforeAll how many criteria may stand in front of `all`
 * @throws ValueFault
 */
export function parseCriteria(
  { rest }: ConfigLine,
  kinds: ReadonlyMap<string, CriterionKind>,
  beforeAll: number,
): readonly MatchCriterion[] {
  const criteria: MatchCriterion[] = []
  let remaining = rest
  const next = (): string => {
    const [field, others] = splitDelimited(remaining, () => new ValueFault('a quote is not closed'))
    remaining = others
    return field
  }
  while (remaining !== '') {
    const field = next()
    if (field.startsWith('#')) break
    const isNegated = field.startsWith('!')
    const name = (isNegated ? field.slice(1) : field).toLowerCase()
    const kind = kinds.get(name)
    if (kind === undefined) {
      throw new ValueFault(`"${shown(field)}" is no criterion of ${[...kinds.keys()].join(', ')}`)
    }
    if (kind === 'all') {
      const isAlone = criteria.length <= beforeAll && (remaining === '' || remaining.startsWith('#'))
      if (!isAlone) throw new ValueFault('"all" must stand alone')
      criteria.push({ name, isNegated, argument: undefined })
      break
    }
    const argument = kind === 'flag' ? undefined : next()
    if (argument === '' || argument?.startsWith('#')) throw new ValueFault(`"${name}" has no value`)
    criteria.push({ name, isNegated, argument })
  }
  if (criteria.length === 0) throw new ValueFault('it has no criterion')
  return criteria
}

/** Whether a Host applies: one of its patterns fits, and none that is negated does. Case matters. */
export function matchesHostPatterns(patterns: readonly string[], host: string): boolean {
  let isMatched = false
  for (const pattern of patterns) {
    const isNegated = pattern.startsWith('!')
    if (!matchesPattern(isNegated ? pattern.slice(1) : pattern, host)) continue
    if (isNegated) return false
    isMatched = true
  }
  return isMatched
}

/** Whether a name fits a comma-separated list of patterns. Case matters. */
export function matchesNames(list: string, name: string): boolean {
  return matchList(list, (pattern) => matchesPattern(pattern, name)) === 'matched'
}

/** The same for host names, whose case does not matter. */
export function matchesHostNames(list: string, host: string): boolean {
  return matchesNames(list.toLowerCase(), host.toLowerCase())
}
