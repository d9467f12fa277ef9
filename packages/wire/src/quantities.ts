/** Durations and sizes as people write them in options. */

import { OptionsError } from './options.js'

/** Milliseconds per unit. */
const durationUnits = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const
/** Bytes per unit. */
const sizeUnits = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 } as const

const duration = /^(?:\d+(?:\.\d+)?(?:ms|[wdhms]))+$/
const durationPart = /(\d+(?:\.\d+)?)(ms|[wdhms])/g
const size = /^(\d+(?:\.\d+)?)([bkmgt]?)$/

/**
 * Reads a duration: a number of milliseconds, or amounts with units (`w d h m s ms`) one after the other.
 * @param value for instance `1500`, `'30s'`, `'1.5h'`, `'1w2d3h'`
 * @returns whole milliseconds
 * @throws OptionsError if it is neither, or not a number from 0 to 2^53 − 1
 */
export function parseDuration(value: number | string): number {
  if (typeof value === 'number') return wholeNumber(value, value, 'a duration: milliseconds')
  const text = value.trim().toLowerCase()
  if (!duration.test(text)) throw unreadable(value, "a duration: milliseconds, or text like '30s', '5m', '1w2d3h'")
  let total = 0
  for (const [, amount, unit] of text.matchAll(durationPart)) {
    total += Number(amount) * durationUnits[unit as keyof typeof durationUnits]
  }
  return wholeNumber(Math.round(total), value, 'a duration')
}

/**
 * Reads a size: a number of bytes, or an amount with a unit (`k m g t`, powers of 1024).
 * @param value for instance `4096`, `'64k'`, `'2.5m'`, `'1G'`
 * @returns whole bytes
 * @throws OptionsError if it is neither, or not a number from 0 to 2^53 − 1
 */
export function parseSize(value: number | string): number {
  if (typeof value === 'number') return wholeNumber(value, value, 'a size: bytes')
  const [, amount, unit] = size.exec(value.trim().toLowerCase()) ?? []
  if (amount === undefined) throw unreadable(value, "a size: bytes, or text like '64k', '2.5m', '1g'")
  return wholeNumber(Math.round(Number(amount) * sizeUnits[unit as keyof typeof sizeUnits]), value, 'a size')
}

function wholeNumber(number: number, given: number | string, what: string): number {
  if (!Number.isSafeInteger(number) || number < 0) throw unreadable(given, what)
  return number
}

function unreadable(given: number | string, expected: string): OptionsError {
  return new OptionsError(`${JSON.stringify(String(given))} is not ${expected}`, { details: { value: given } })
}
