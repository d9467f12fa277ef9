/** Structured logging, handed in by the user; silent and free when nobody does. */

/** One thing that happened. Never holds a secret. */
export interface LogEntry {
  /** The room it happened in, for instance `transport` or `auth`. */
  readonly layer: string
  readonly event: string
  readonly [fact: string]: unknown
}

/** What a logger must have; `console` and pino fit. */
export interface Logger {
  debug(entry: LogEntry): void
  info?(entry: LogEntry): void
  warn?(entry: LogEntry): void
}

const safe = new WeakMap<Logger, Logger>()

/**
 * A logger that never throws: no connection breaks, and no server, because an entry could not be written, which a peer may
 * have caused. Of the first failure of each logger the process is warned.
 */
export function safeLogger(logger: Logger): Logger {
  const known = safe.get(logger)
  if (known !== undefined) return known
  let hasFailed = false
  const teller = (level: keyof Logger) => (entry: LogEntry) => {
    try {
      logger[level]?.(entry)
    } catch (error) {
      if (hasFailed) return
      hasFailed = true
      process.emitWarning(`The option "logger" threw at ${level}: ${error}`, { code: 'SSH_LOGGER_FAILED' })
    }
  }
  const made: Logger = {
    debug: teller('debug'),
    ...(logger.info !== undefined && { info: teller('info') }),
    ...(logger.warn !== undefined && { warn: teller('warn') }),
  }
  safe.set(logger, made)
  safe.set(made, made)
  return made
}
