/** `%h` and `${VAR}` in values of ssh_config and sshd_config. ssh_config(5), TOKENS and ENVIRONMENT VARIABLES. */

import { printable } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'

/** What the letters stand for. `%` itself need not be among them. */
export type ConfigTokens = ReadonlyMap<string, string>

export interface ExpandOptions {
  /** The keyword, for errors. */
  readonly keyword: string
  readonly tokens: ConfigTokens
  /** Letters that are understood here. Default: all there are. */
  readonly letters?: string
  /** Variables for `${NAME}`; absent: that is plain text. */
  readonly variables?: Variables | undefined
  /** The result goes to a shell: whatever is put in must have no meaning there. */
  readonly isForShell?: boolean
  /** The result is a path: whatever is put in must be the name of one file, and no way to others. */
  readonly isForPath?: boolean
  /** Letters whose values nobody but this machine's user chose, and that may go to a shell as they are. */
  readonly unchecked?: string
}

/** An environment, as `process.env`. */
export type Variables = Readonly<Record<string, string | undefined>>

/**
 * Replaces tokens and variables, each once: what is put in is not looked at again.
 * @throws ConfigParseError for a letter that is not understood here, a variable that is not set, or a name that must not
 *   reach a shell
 */
export function expandTokens(template: string, options: ExpandOptions): string {
  const { keyword, variables } = options
  return template.replace(
    /%(.?)|\$\{([^}]*)(\}?)/gs,
    (whole, letter: string | undefined, name: string, end: string) => {
      if (letter !== undefined) return tokenOf(letter, options)
      if (variables === undefined) return whole
      if (end === '') throw fault(keyword, `"${printable(whole, 64)}" has no closing brace`)
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined
      if (value === undefined) throw fault(keyword, `the variable ${printable(name, 64)} is not set`)
      return value
    },
  )
}

function tokenOf(
  letter: string,
  { keyword, tokens, letters, isForShell = false, isForPath = false, unchecked = '' }: ExpandOptions,
): string {
  if (letter === '%') return '%'
  const value = letters === undefined || letters.includes(letter) ? tokens.get(letter) : undefined
  if (value === undefined) {
    const known = ['%', ...(letters ?? [...tokens.keys()].join(''))].map((each) => `%${each}`).join(' ')
    throw fault(keyword, `%${printable(letter)} means nothing here; expected ${known}`)
  }
  if (isForShell && !unchecked.includes(letter) && !isSafeForShell(value)) {
    throw fault(keyword, `"${printable(value, 128)}" has characters that a shell would act upon, and is not passed on`)
  }
  if (isForPath && !unchecked.includes(letter) && (value === '.' || value === '..' || /[/\\]/.test(value))) {
    throw fault(
      keyword,
      `"${printable(value, 128)}" could lead to other files than were meant, and is not put into a path`,
    )
  }
  return value
}

/**
 * Whether a name can be put into a command of a shell, unquoted: it has no character with a meaning there, and does not
 * look like an option.
 */
export function isSafeForShell(name: string): boolean {
  return !name.startsWith('-') && !/[\s\p{Cc}\p{Cf}\p{Zs}\p{Zl}\p{Zp}'"`$\\;&<>|(){}[\]*?!~#^]/u.test(name)
}

/**
 * Whether a user's name can be put into the path of a file on a server: it leads nowhere else, and starts no expansion of
 * its own.
 */
export function isSafeInPath(userName: string): boolean {
  if (userName === '' || userName === '.' || userName === '..' || userName.startsWith('~')) return false
  // A drive of Windows makes a path of its own, as a slash does.
  return !/[/\\\p{Cc}]|\$\{|^[A-Za-z]:/u.test(userName) && !userName.includes('..')
}

function fault(keyword: string, why: string): ConfigParseError {
  return new ConfigParseError(`${keyword}: ${why}`, { details: { keyword } })
}
