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
