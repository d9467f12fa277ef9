/** Options of a connection and of what runs on it, given in one object. */

import { clientOptionsSchema } from '@ssh/conn'
import type { ClientOptions } from './client-options.js'

/** The two kinds, apart. `signal` is of both. */
export interface DividedOptions<O extends object> {
  readonly forConnection: ClientOptions
  readonly forProcess: O
}

/** Takes options of both kinds apart: what `connect` does not know is the process's to know or refuse. */
export function divideOptions<O extends object>(options: ClientOptions & O): DividedOptions<O> {
  const entries = Object.entries(options)
  const pick = (wanted: (name: string) => boolean) => Object.fromEntries(entries.filter(([name]) => wanted(name)))
  return {
    forConnection: pick((name) => name in clientOptionsSchema.shape),
    forProcess: pick((name) => name === 'signal' || !(name in clientOptionsSchema.shape)) as O,
  }
}
