/** The logger of those who name none: standard error, with `NODE_DEBUG=ssh`. */

import { debuglog, inspect } from 'node:util'
import type { LogEntry, Logger } from '../log.js'

const debug = debuglog('ssh')

/** @returns undefined unless the variable NODE_DEBUG names `ssh` */
export function debugLogger(): Logger | undefined {
  return debug.enabled ? { debug: write, info: write, warn: write } : undefined
}

function write({ layer, event, ...facts }: LogEntry): void {
  const said = Object.entries(facts).filter(([, value]) => value !== undefined)
  debug('%s %s%s', layer, event, said.map(([name, value]) => ` ${name}=${describe(value)}`).join(''))
}

/** One line, whatever it is. An error's stack would hide all the rest. */
function describe(value: unknown): string {
  if (value instanceof Error) return JSON.stringify('code' in value ? `${value.code}: ${value.message}` : value.message)
  if (typeof value === 'string') return /^[\w.:@/+=,-]+$/.test(value) ? value : JSON.stringify(value)
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY, compact: true, depth: 4 })
}
