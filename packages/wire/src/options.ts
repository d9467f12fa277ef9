/** How options are refused, also where no schema is at hand. */

import { SshError, type SshErrorOptions } from './errors.js'
import { unknownOptions } from './unknown-options.js'

/** An option has the wrong type or nobody knows it. `details.issues` has one entry per fault. */
export class OptionsError extends SshError {
  constructor(message: string, options: SshErrorOptions = {}) {
    super('ERR_SSH_OPTIONS_INVALID', message, options)
  }
}

/** Every name of some options: one that is missing, or that is none of theirs, does not compile. */
export type OptionNames<O extends object> = Readonly<Record<keyof O, true>>

/**
 * Passes options on that have known names only.
 * @param what whose options these are, for the error
 * @throws OptionsError that names every option nobody knows
 */
export function knownOptions<O extends object>(what: string, options: O, names: OptionNames<O>): O {
  const unknown = Object.keys(options).filter((name) => !Object.hasOwn(names, name))
  if (unknown.length === 0) return options
  const message = unknownOptions(unknown, Object.keys(names))
  throw new OptionsError(`Invalid options for ${what}: ${message}`, { details: { issues: [{ option: '', message }] } })
}
