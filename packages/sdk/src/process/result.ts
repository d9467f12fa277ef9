/** What became of a remote command. Success and failure have the same fields. */

import { type ExitResult, type ExitSignal, TimeoutError } from '@ssh/conn'
import { type ErrorDetails, printable, SshError } from '@ssh/wire'

/** Output as text, or as bytes with `encoding: 'buffer'`. */
export type Output = string | Buffer

/** A command that has ended. */
export interface CompletedProcess<O extends Output = string> {
  /** The command line that was sent; undefined for a shell or a subsystem. */
  readonly command: string | undefined
  readonly subsystem: string | undefined
  /** Variables that were sent. The server may have refused some: see `refused` of the process. */
  readonly env: Readonly<Record<string, string>>
  /** Null when the server named a signal instead, or nothing at all. */
  readonly exitStatus: number | null
  readonly exitSignal: ExitSignal | null
  /** The status, or minus the signal's number; null when the server said neither. */
  readonly returncode: number | null
  /** What was not redirected elsewhere. */
  readonly stdout: O
  readonly stderr: O
  /** From the request for a session to the end, in milliseconds. */
  readonly durationMs: number
}

/** Codes of {@link ProcessError}. */
export type ProcessErrorCode =
  /** With `check`: the status was not 0, or there was none. */
  | 'ERR_SSH_PROCESS_FAILED'
  /** There was more output than `maxBuffer`. */
  | 'ERR_SSH_PROCESS_MAX_BUFFER'

/** A command failed. Carries everything a {@link CompletedProcess} has. */
export class ProcessError<O extends Output = string> extends SshError implements CompletedProcess<O> {
  declare readonly code: ProcessErrorCode
  declare readonly command: string | undefined
  declare readonly subsystem: string | undefined
  declare readonly env: Readonly<Record<string, string>>
  declare readonly exitStatus: number | null
  declare readonly exitSignal: ExitSignal | null
  declare readonly returncode: number | null
  declare readonly stdout: O
  declare readonly stderr: O
  declare readonly durationMs: number

  constructor(code: ProcessErrorCode, message: string, result: CompletedProcess<O>) {
    super(code, message, { details: facts(result) })
    Object.assign(this, result)
  }
}

/** A command took longer than its `timeout`. Carries what a {@link CompletedProcess} has, with the output so far. */
export class ProcessTimeoutError<O extends Output = string> extends TimeoutError implements CompletedProcess<O> {
  declare readonly command: string | undefined
  declare readonly subsystem: string | undefined
  declare readonly env: Readonly<Record<string, string>>
  declare readonly exitStatus: number | null
  declare readonly exitSignal: ExitSignal | null
  declare readonly returncode: number | null
  declare readonly stdout: O
  declare readonly stderr: O
  declare readonly durationMs: number

  constructor(timeoutMs: number, result: CompletedProcess<O>) {
    super('ERR_SSH_PROCESS_TIMEOUT', `${nameOf(result)} did not end within ${timeoutMs} ms`, {
      details: { ...facts(result), timeoutMs },
    })
    Object.assign(this, result)
  }
}

/** The error that `check` asks for, if the command did not succeed: any status but 0, and none at all. */
export function failureOf<O extends Output>(result: CompletedProcess<O>): ProcessError<O> | undefined {
  if (result.exitStatus === 0) return undefined
  const complaint = lastLine(result.stderr)
  const message = `${nameOf(result)} ${howItEnded(result)}${complaint === '' ? '' : `: ${complaint}`}`
  return new ProcessError('ERR_SSH_PROCESS_FAILED', message, result)
}

/** The error for output beyond `maxBuffer`; the output up to there is in it. */
export function maxBufferFailure<O extends Output>(
  stream: 'stdout' | 'stderr',
  maxBuffer: number,
  result: CompletedProcess<O>,
): ProcessError<O> {
  return new ProcessError(
    'ERR_SSH_PROCESS_MAX_BUFFER',
    `${nameOf(result)} wrote more than the ${maxBuffer} bytes of maxBuffer to ${stream}; raise it, or read the stream of a createProcess instead`,
    result,
  )
}

function howItEnded({ exitStatus, exitSignal }: ExitResult): string {
  if (exitStatus !== null) return `exited with status ${exitStatus}`
  if (exitSignal === null) return 'ended without an exit status'
  return `was ended by signal ${printable(exitSignal.name, 32)}${exitSignal.coreDumped ? ' (core dumped)' : ''}`
}

function nameOf({ command, subsystem }: Pick<CompletedProcess<Output>, 'command' | 'subsystem'>): string {
  if (command !== undefined) return `The command ${JSON.stringify(printable(command, 80))}`
  return subsystem === undefined ? 'The shell' : `The subsystem ${JSON.stringify(subsystem)}`
}

/** Mostly that is where a program says why. */
function lastLine(stderr: Output): string {
  const tail = typeof stderr === 'string' ? stderr.slice(-1000) : stderr.subarray(-1000).toString()
  return printable(tail.trimEnd().split('\n').at(-1) ?? '')
}

function facts({ exitStatus, exitSignal, returncode }: ExitResult): ErrorDetails {
  return { exitStatus, exitSignal, returncode }
}
