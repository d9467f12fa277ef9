/**
 * The log of the program: lines for standard error, or for the system's log. Node has no syslog(3); logger(1) of POSIX
 * hands lines on to it where it is installed. Where it is not, lines that were not sent to standard error are lost, as
 * those of any program are where no system log listens.
 */

import type { ChildProcess } from 'node:child_process'

const priorities = {
  QUIET: undefined,
  FATAL: 'crit',
  ERROR: 'err',
  INFO: 'info',
  VERBOSE: 'info',
  DEBUG: 'debug',
  DEBUG1: 'debug',
  DEBUG2: 'debug',
  DEBUG3: 'debug',
} as const

/** How much is logged: `-l` of sftp-server(8). */
export type LogLevel = keyof typeof priorities

const facilities = [
  'DAEMON',
  'USER',
  'AUTH',
  'AUTHPRIV',
  'LOCAL0',
  'LOCAL1',
  'LOCAL2',
  'LOCAL3',
  'LOCAL4',
  'LOCAL5',
  'LOCAL6',
  'LOCAL7',
] as const

/** To whom it is logged: `-f` of sftp-server(8). */
export type LogFacility = (typeof facilities)[number]

export function isLogLevel(text: string): text is LogLevel {
  return Object.hasOwn(priorities, text)
}

export function isLogFacility(text: string): text is LogFacility {
  return (facilities as readonly string[]).includes(text)
}

const order: readonly LogLevel[] = ['QUIET', 'FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG2', 'DEBUG3']

function rank(level: LogLevel): number {
  return order.indexOf(level === 'DEBUG1' ? 'DEBUG' : level)
}

/** A line for the log, and how important it is. */
export interface LogLine {
  readonly level: Exclude<LogLevel, 'QUIET'>
  readonly text: string
}

export interface ServerLogOptions {
  readonly level: LogLevel
  readonly facility: LogFacility
  readonly toStderr: boolean
}

export class ServerLog {
  readonly #options: ServerLogOptions
  /** One logger for each priority, started when it is first needed. */
  readonly #loggers = new Map<string, ChildProcess>()

  constructor(options: ServerLogOptions) {
    this.#options = options
  }

  /** Whether lines of this level are wanted. */
  wants(level: LogLevel): boolean {
    return rank(level) <= rank(this.#options.level) && level !== 'QUIET'
  }

  /** @param text of one line, nothing in it that a terminal would obey */
  write({ level, text }: LogLine): void {
    if (!this.wants(level)) return
    if (this.#options.toStderr) process.stderr.write(`${text}\n`)
    else this.#loggerOf(priorities[level]).stdin?.write(`${text}\n`)
  }

  /** No more lines come. Loggers end once they have handed on what they have; nobody waits for that. */
  end(): void {
    for (const logger of this.#loggers.values()) logger.stdin?.end()
  }

  #loggerOf(priority: string): ChildProcess {
    const running = this.#loggers.get(priority)
    if (running !== undefined) return running
    const argv = ['-t', `sftp-server[${process.pid}]`, '-p', `${this.#options.facility.toLowerCase()}.${priority}`]
    // Few sessions log anything this way, and loading it takes time that every session would wait.
    const { spawn } = process.getBuiltinModule('node:child_process')
    const logger = spawn('logger', argv, { stdio: ['pipe', 'ignore', 'ignore'] })
    // Not installed, or gone: there is no log then, and the files are served all the same.
    const ignore = (): void => {}
    logger.on('error', ignore)
    logger.stdin.on('error', ignore)
    logger.unref()
    this.#loggers.set(priority, logger)
    return logger
  }
}
