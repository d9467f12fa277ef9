/** A program of this machine in a pseudo-terminal, without native modules. */

import { type ChildProcess, spawn } from 'node:child_process'
import { abortSignal, parseOptions } from '@ssh/conn'
import { ignoreError } from '@ssh/streams'
import { SshError } from '@ssh/wire'
import { z } from 'zod'
import { findPtyHelper, ptyHelperNames } from './pty-helper.js'
import { PtyProcess } from './pty-process.js'
import { pythonHelper } from './python-helper.js'
import { scriptArguments } from './script-helper.js'

export const spawnPtyOptionsSchema = z.strictObject({
  /** Directory to run in. Default: this process's. */
  cwd: z.union([z.string(), z.instanceof(URL)]).optional(),
  /** The program's variables; TERM is set over them. Default: those of this process. */
  env: z.record(z.string().min(1), z.union([z.string(), z.undefined()])).optional(),
  /** Type of the terminal, for the variable TERM. Default `xterm-256color`; for a client's, `process.termType`. */
  termType: z.string().min(1).optional(),
  /** Size of the terminal. Default 80 by 24; for a client's, `process.termSize`. */
  termSize: z
    .strictObject({
      columns: z.int().min(0),
      rows: z.int().min(0),
      widthPixels: z.int().min(0).optional(),
      heightPixels: z.int().min(0).optional(),
    })
    .optional(),
  /** Which program holds the terminal. Default: `python3`, or where that is not on PATH util-linux's `script`. */
  helper: z.enum(ptyHelperNames).optional(),
  /** Hangs up. */
  signal: abortSignal.optional(),
})

/** Options of `spawnPty`. */
export type SpawnPtyOptions = z.input<typeof spawnPtyOptionsSchema>

/**
 * Starts a program of this machine in a pseudo-terminal of its own, as a login would:
 * `process.redirect(spawnPty('bash', ['-l'], { termType: process.termType, termSize: process.termSize }))`.
 *
 * Node cannot make one itself, so another program holds it: `python3`, or `script` of util-linux. With `script`, an end by
 * a signal is reported as a shell does, as status 128 and its number.
 *
 * @param command a program on the PATH of `env`, or its path; no shell is involved
 * @throws OptionsError
 * @throws SshError `ERR_SSH_PTY_NO_HELPER` when neither program is there, `ERR_SSH_PTY_FAILED` when this process has no file
 *   descriptors left
 */
export function spawnPty(command: string, args: readonly string[] = [], options: SpawnPtyOptions = {}): PtyProcess {
  const {
    cwd,
    env = process.env,
    termType,
    termSize,
    helper,
    signal,
  } = parseOptions('spawnPty', spawnPtyOptionsSchema, options)
  const { name, path } = findPtyHelper(helper)
  const variables: NodeJS.ProcessEnv = { ...env, TERM: termType ?? 'xterm-256color' }
  const { columns, rows, widthPixels, heightPixels } = sizeOf(termSize)
  const argv = [command, ...args]
  const isPython = name === 'python3'
  const helperArguments = isPython
    ? ['-I', '-S', '-c', pythonHelper, ...[rows, columns, widthPixels, heightPixels].map(String), ...argv]
    : scriptArguments(argv, { columns, rows }, variables.SHELL)
  const child = spawn(path, helperArguments, {
    ...(cwd !== undefined && { cwd }),
    env: isPython ? variables : { ...variables, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
  if (!hasPipes(child)) {
    child.on('error', ignoreError)
    throw new SshError(
      'ERR_SSH_PTY_FAILED',
      `${name}, which would hold the pseudo-terminal, cannot be started: this process has as many files open as it may (ulimit -n)`,
    )
  }
  return new PtyProcess(child, name, command, signal)
}

/** Out of descriptors there are none, whatever the types say, and an error that somebody must listen for is about to come. */
function hasPipes({ stdin, stdout, stderr }: ChildProcess): boolean {
  return Boolean(stdin && stdout && stderr)
}

/** 0 means that a client does not know (RFC 4254 §6.2). */
function sizeOf(size: SpawnPtyOptions['termSize'] = { columns: 80, rows: 24 }) {
  const { columns, rows, widthPixels = 0, heightPixels = 0 } = size
  return {
    columns: clamp(columns === 0 ? 80 : columns),
    rows: clamp(rows === 0 ? 24 : rows),
    widthPixels: clamp(widthPixels),
    heightPixels: clamp(heightPixels),
  }
}

/** The kernel's numbers have 16 bits. */
export function clamp(size: number): number {
  return Math.min(size, 0xffff)
}
