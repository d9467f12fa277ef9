/** The command line of sftp-server(8). */

import { printable } from '@ssh/wire'
import { isLogFacility, isLogLevel, type LogFacility, type LogLevel } from './server-log.js'

/** What the command line asks for. */
export interface ServerSettings {
  /** `-d`: where relative paths start, tokens not expanded; undefined: where the process starts. */
  readonly startDirectory: string | undefined
  /** `-e`: the log goes to standard error. */
  readonly logsToStderr: boolean
  /** `-f` */
  readonly facility: LogFacility
  /** `-l` */
  readonly level: LogLevel
  /** `-P` */
  readonly deniedRequests: readonly string[]
  /** `-p`; undefined: all. */
  readonly allowedRequests: readonly string[] | undefined
  /** `-R` */
  readonly readOnly: boolean
  /** `-u`; undefined: that of the process. */
  readonly umask: number | undefined
}

export type CommandLine =
  | { readonly kind: 'serve'; readonly settings: ServerSettings }
  /** `-h` */
  | { readonly kind: 'usage' }
  /** `-Q`: what is asked for. */
  | { readonly kind: 'query'; readonly feature: string }

const withValue = 'dflPpQu'
const withoutValue = 'ehR'

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * Reads the arguments as getopt(3) does: letters may stand together, a value behind its letter or apart. `-c` says that
 * the program was started as a shell is, and what follows is not for it.
 * @throws Error for what sftp-server(8) does not know
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const settings: Writable<ServerSettings> = {
    startDirectory: undefined,
    logsToStderr: false,
    facility: 'AUTH',
    level: 'ERROR',
    deniedRequests: [],
    allowedRequests: undefined,
    readOnly: false,
    umask: undefined,
  }
  const words = [...argv]
  for (let word = words.shift(); word?.startsWith('-') && word !== '-' && word !== '--'; word = words.shift()) {
    for (let rest = word.slice(1); rest !== ''; ) {
      const letter = rest.charAt(0)
      rest = rest.slice(1)
      if (letter === 'c') return { kind: 'serve', settings }
      if (letter === 'h') return { kind: 'usage' }
      if (withoutValue.includes(letter)) {
        if (letter === 'e') settings.logsToStderr = true
        else settings.readOnly = true
        continue
      }
      if (!withValue.includes(letter)) throw new Error(`unknown option -${printable(letter)}`)
      const value = rest === '' ? words.shift() : rest
      if (value === undefined) throw new Error(`option -${letter} requires an argument`)
      if (letter === 'Q') return { kind: 'query', feature: value }
      set(settings, letter, value)
      rest = ''
    }
  }
  return { kind: 'serve', settings }
}

function set(settings: Writable<ServerSettings>, letter: string, value: string): void {
  const upper = value.toUpperCase()
  if (letter === 'd') settings.startDirectory = value
  else if (letter === 'P') settings.deniedRequests = value.split(',')
  else if (letter === 'p') settings.allowedRequests = value.split(',')
  else if (letter === 'f') {
    if (!isLogFacility(upper)) throw new Error(`Invalid log facility "${printable(value)}"`)
    settings.facility = upper
  } else if (letter === 'l') {
    if (!isLogLevel(upper)) throw new Error(`Invalid log level "${printable(value)}"`)
    settings.level = upper
  } else {
    if (!/^[0-7]{1,4}$/.test(value) || Number.parseInt(value, 8) > 0o777) {
      throw new Error(`Invalid umask "${printable(value)}"`)
    }
    settings.umask = Number.parseInt(value, 8)
  }
}
