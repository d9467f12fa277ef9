/** How a user says which algorithms to offer: a list, or OpenSSH's text with `+`, `-`, `^` and wildcards. */

import { printable } from '@ssh/wire'
import { matchesPattern } from './config/patterns.js'
import { OptionsError } from './errors.js'

/**
 * A list of names in order of preference, or a comma-separated text. A text that starts with `+` appends to the
 * default, `-` removes from it, `^` puts in front of it. Names may hold `*` and `?`; `default` stands for the default.
 */
export type AlgorithmList = string | readonly string[]

/** What there is to choose from: a registry, or several as one. */
export interface AlgorithmNames {
  /** Every name, in order. */
  readonly names: readonly string[]
  /** What is offered when the user asks for nothing, in order. */
  readonly defaultNames: readonly string[]
}

/**
 * Names to offer, in order.
 * @param option name of the option, for errors
 * @param list what the user asked for; undefined gives the default
 * @throws OptionsError when a name or pattern to offer matches nothing, or nothing is left
 */
export function chooseAlgorithms(
  option: string,
  list: AlgorithmList | undefined,
  { names, defaultNames }: AlgorithmNames,
): readonly string[] {
  if (list === undefined) return defaultNames
  const { sign, items } = parse(list)
  const named = items.flatMap((item) => {
    const matching = item === 'default' ? defaultNames : names.filter((name) => matchesPattern(item, name))
    // Whoever wants an algorithm out need not know whether it is in.
    if (matching.length === 0 && sign !== '-') throw unknownAlgorithm(option, item, names)
    return matching
  })
  const chosen = apply(sign, named, defaultNames)
  if (chosen.length === 0) throw new OptionsError(`${option} leaves no algorithm to offer`, { details: { option } })
  return chosen
}

type Sign = '+' | '-' | '^' | ''

function parse(list: AlgorithmList): { sign: Sign; items: readonly string[] } {
  if (typeof list !== 'string') return { sign: '', items: list }
  const first = list[0]
  const sign = first === '+' || first === '-' || first === '^' ? first : ''
  return {
    sign,
    items: list
      .slice(sign.length)
      .split(',')
      .map((item) => item.trim()),
  }
}

function unknownAlgorithm(option: string, item: string, names: readonly string[]): OptionsError {
  return new OptionsError(
    `${option} names "${printable(item, 64)}", which is no algorithm of this SDK; it knows ${names.join(', ')}`,
    { details: { option, found: item, known: names } },
  )
}

function apply(sign: Sign, named: readonly string[], defaultNames: readonly string[]): readonly string[] {
  switch (sign) {
    case '':
      return [...new Set(named)]
    case '+':
      return [...new Set([...defaultNames, ...named])]
    case '^':
      return [...new Set([...named, ...defaultNames])]
    case '-':
      return defaultNames.filter((name) => !named.includes(name))
  }
}
