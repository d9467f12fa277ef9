/** Pieces that the client's and the server's option schemas share, and the one way options are checked. */

import { parseDuration, parseSize, unknownOptions } from '@ssh/wire'
import { z } from 'zod'
import { OptionsError } from './errors.js'
import { shareable } from './shared-signal.js'

/** Milliseconds, or text like `'30s'`, `'5m'`, `'1w2d3h'`. */
export const duration = z
  .union([z.number(), z.string()])
  .transform(withIssue(parseDuration))
  .meta({ description: 'Milliseconds, or text like 30s, 5m, 1w2d3h', unit: 'ms' })

/** Bytes, or text like `'64k'`, `'2.5m'`, `'1g'`. */
export const size = z
  .union([z.number(), z.string()])
  .transform(withIssue(parseSize))
  .meta({ description: 'Bytes, or text like 64k, 2.5m, 1g', unit: 'bytes' })

/** Algorithm names: a list, or text in OpenSSH's form. */
export const algorithmList = z.union([z.string(), z.array(z.string()).readonly()])

/** A function; its signature is the type parameter, which nothing can check at run time. */
// biome-ignore lint/suspicious/noExplicitAny: any function type may be asked for
export function callback<F extends (...args: any[]) => unknown>() {
  return z.custom<F>((value) => typeof value === 'function', { message: 'expected a function' })
}

/** An object that has the method `method`: a key, a signer, a parsed file, a stream. */
export function objectWith<T>(what: string, ...members: string[]) {
  return z.custom<T>(
    (value) => typeof value === 'object' && value !== null && members.every((member) => member in value),
    { message: `expected ${what}` },
  )
}

/** Bytes. */
export const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array, { message: 'expected bytes' })

/** From then on any number of requests may wait for it. */
export const abortSignal = z
  .custom<AbortSignal>((value) => value instanceof AbortSignal, { message: 'expected an AbortSignal' })
  .overwrite(shareable)

function withIssue<I, O>(parse: (input: I) => O) {
  return (input: I, context: z.RefinementCtx): O => {
    try {
      return parse(input)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
      return z.NEVER
    }
  }
}

/**
 * Checks options once, at the edge; inside, only the result is passed on.
 * @param what whose options these are, for the error
 * @throws OptionsError that names every option nobody knows and every value of the wrong kind
 */
export function parseOptions<S extends z.ZodType>(what: string, schema: S, options: unknown): z.output<S> {
  const result = schema.safeParse(options)
  if (result.success) return result.data
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  const issues = result.error.issues.map((issue) => ({
    option: issue.path.join('.'),
    message: isMissing(options, issue.path) ? 'must be given' : describe(issue, known),
  }))
  const text = issues.map(({ option, message }) => (option === '' ? message : `${option}: ${message}`)).join('; ')
  throw new OptionsError(`Invalid options for ${what}: ${text}`, { details: { issues } })
}

/**
 * Refuses what is given in place of options, before it is taken apart: a number has no entries, and would be as if nothing
 * had been given.
 * @param what whose options these are, for the error
 * @param hint what may have been meant
 * @throws OptionsError unless it is a plain object
 */
export function assertOptions(what: string, options: unknown, hint?: string): asserts options is object {
  if (isPlainObject(options)) return
  const kind = options === null ? 'null' : Array.isArray(options) ? 'a list' : typeof options
  const meant = hint === undefined ? '' : `; ${hint}`
  throw new OptionsError(`Invalid options for ${what}: options must be an object${meant} (this is ${kind})`)
}

/**
 * Refuses options that none of some schemas has. For options that are checked in parts: a part alone does not know what
 * else a mistyped one may have been meant to be.
 * @param what whose options these are, for the error
 * @throws OptionsError
 */
export function assertKnownOptions(what: string, options: object, ...schemas: readonly z.ZodObject[]): void {
  const known = schemas.flatMap(({ shape }) => Object.keys(shape))
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const message = unknownOptions(unknown, known)
  throw new OptionsError(`Invalid options for ${what}: ${message}`, { details: { issues: [{ option: '', message }] } })
}

function isPlainObject(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  // That of another realm's objects has none above it either.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function isMissing(options: unknown, [name, ...rest]: readonly PropertyKey[]): boolean {
  return name !== undefined && rest.length === 0 && !(name in Object(options))
}

/** @param known names that a mistyped one may have been meant to be */
function describe(issue: z.core.$ZodIssue, known: readonly string[]): string {
  if (issue.code === 'unrecognized_keys') return unknownOptions(issue.keys, known)
  // None of several kinds. One that fits but for a part of it is the one that was meant; else each may have been.
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const fitting = issue.errors.filter((issues) => issues.every(isOfPart))
    const kinds = fitting.length > 0 ? fitting : issue.errors
    return [...new Set(kinds.flat().map(describePart))].join(', or ')
  }
  if (issue.code === 'too_small' && issue.origin === 'string' && issue.minimum === 1) return 'must not be empty'
  return issue.message.replace(/^Invalid input: /, '')
}

function isOfPart(issue: z.core.$ZodIssue): boolean {
  return issue.path.length > 0 || issue.code === 'unrecognized_keys'
}

function describePart(issue: z.core.$ZodIssue): string {
  const message = describe(issue, [])
  return issue.path.length === 0 ? message : `${issue.path.join('.')}: ${message}`
}
