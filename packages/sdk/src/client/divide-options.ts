/** Options of a connection and of what runs on it, given in one object. */

import { assertKnownOptions, assertOptions, clientOptionsSchema } from '@ssh/conn'
import type { z } from 'zod'
import type { ClientOptions } from './client-options.js'

/** The two kinds, apart. `signal` is of both. */
export interface DividedOptions<O extends object> {
  readonly forConnection: ClientOptions
  readonly forProcess: O
}

/** What a second argument that is no options may have been meant to be. */
export const portHint = "for a port write 'host:port'"

/**
 * Takes options of both kinds apart: what `connect` does not know is the process's to know or refuse.
 * @param what whose options these are, for the error
 * @param schema of the process's options
 * @throws OptionsError when they are no object, or nobody knows one
 */
export function divideOptions<O extends object>(
  what: string,
  options: ClientOptions & O,
  schema: z.ZodObject,
): DividedOptions<O> {
  assertOptions(what, options, portHint)
  assertKnownOptions(what, options, clientOptionsSchema, schema)
  const entries = Object.entries(options)
  const pick = (wanted: (name: string) => boolean) => Object.fromEntries(entries.filter(([name]) => wanted(name)))
  return {
    forConnection: pick((name) => name in clientOptionsSchema.shape),
    forProcess: pick((name) => name === 'signal' || !(name in clientOptionsSchema.shape)) as O,
  }
}
