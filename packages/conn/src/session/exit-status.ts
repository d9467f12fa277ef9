/** How a remote program ended: RFC 4254 §6.10. Status and signal may come before or after the end of its output, or never. */

import { ChannelError } from '../errors.js'

/** Numbers by name without `SIG`, as Linux has them; the first thirteen are those of RFC 4254 §6.10. */
const signals: ReadonlyMap<string, number> = new Map([
  ['ABRT', 6],
  ['ALRM', 14],
  ['FPE', 8],
  ['HUP', 1],
  ['ILL', 4],
  ['INT', 2],
  ['KILL', 9],
  ['PIPE', 13],
  ['QUIT', 3],
  ['SEGV', 11],
  ['TERM', 15],
  ['USR1', 10],
  ['USR2', 12],
  ['TRAP', 5],
  ['BUS', 7],
  ['CHLD', 17],
  ['CONT', 18],
  ['STOP', 19],
  ['TSTP', 20],
  ['TTIN', 21],
  ['TTOU', 22],
  ['URG', 23],
  ['XCPU', 24],
  ['XFSZ', 25],
  ['VTALRM', 26],
  ['PROF', 27],
  ['WINCH', 28],
  ['IO', 29],
  ['PWR', 30],
  ['SYS', 31],
])

const namesByNumber = new Map([...signals].map(([name, number]) => [number, name]))

/** A program that was ended by a signal. */
export interface ExitSignal {
  /** Without `SIG`, for instance `TERM`. */
  readonly name: string
  readonly coreDumped: boolean
  /** For people; the peer's text as it came. */
  readonly message: string
  /** Language tag of `message`. */
  readonly lang: string
}

/** How a program ended. All three are null when the server did not say. */
export interface ExitResult {
  readonly exitStatus: number | null
  readonly exitSignal: ExitSignal | null
  /** The status, or minus the signal's number; -99 for a signal that has none here. */
  readonly returncode: number | null
}

const unknownSignal = 99

export function exitResult(exitStatus: number | null, exitSignal: ExitSignal | null): ExitResult {
  const fromSignal = exitSignal && -(signals.get(exitSignal.name) ?? unknownSignal)
  return { exitStatus, exitSignal, returncode: exitStatus ?? fromSignal }
}

/**
 * The name that goes on the wire.
 * @param signal with or without `SIG`, or a number; local names such as `X@example.com` pass
 * @throws ChannelError `ERR_SSH_CHANNEL_UNKNOWN_SIGNAL` for a number without a name, or text that is not a name
 */
export function signalName(signal: string | number): string {
  const name = typeof signal === 'number' ? namesByNumber.get(signal) : signal.replace(/^SIG(?=.)/, '')
  if (name !== undefined && /^[\x21-\x7e]{1,64}$/.test(name)) return name
  throw new ChannelError(
    'ERR_SSH_CHANNEL_UNKNOWN_SIGNAL',
    `${JSON.stringify(signal)} is not a signal; use 'TERM' or 15`,
  )
}

/** The number of a signal, with or without `SIG`; undefined when it has none here. */
export function signalNumber(name: string): number | undefined {
  return signals.get(name.replace(/^SIG/, ''))
}
