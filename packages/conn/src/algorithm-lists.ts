/** How a user says which algorithms to offer: a list, or OpenSSH's text with `+`, `-`, `^` and wildcards. */

import type { AlgorithmRow, Registry } from '@ssh/crypto'
import { printable } from '@ssh/wire'
import { matchesPattern } from './config/patterns.js'
import { OptionsError } from './errors.js'

/**
 * A list of names in order of preference, or a comma-separated text. A text that starts with `+` appends to the
 * default, `-` removes from it, `^` puts in front of it. Names may hold `*` and `?`; `default` stands for the default.
 */
export type AlgorithmList = string | readonly string[]

/**
 * Names to offer, in order.
 * @param option name of the option, for errors
 * @param list what the user asked for; undefined gives the default
 * @param known every algorithm there is
 * @param defaultNames what is offered when the user asks for nothing
 * @throws OptionsError when a name or pattern matches nothing, or nothing is left
 */
export function chooseAlgorithms<Row extends AlgorithmRow>(
  option: string,
  list: AlgorithmList | undefined,
  known: Registry<Row>,
  defaultNames: readonly string[] = known.defaultNames,
): readonly string[] {
  if (list === undefined) return defaultNames
  const { sign, items } = parse(list)
  const named = items.flatMap((item) => expand(option, item, known.names, defaultNames))
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

function expand(
  option: string,
  item: string,
  names: readonly string[],
  defaultNames: readonly string[],
): readonly string[] {
  if (item === 'default') return defaultNames
  const matching = names.filter((name) => matchesPattern(item, name))
  if (matching.length > 0) return matching
  throw new OptionsError(
    `${option} names "${printable(item)}", which is no algorithm of this SDK; it knows ${names.join(', ')}`,
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
