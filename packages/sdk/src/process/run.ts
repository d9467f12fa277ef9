/** Runs a command to its end. */

import { OptionsError, parseOptions } from '@ssh/conn'
import type { SshClientProcess } from './client-process.js'
import { type DefaultsSource, resolveDefaults, type SessionFactory, startProcess } from './create-process.js'
import { Deadline } from './deadline.js'
import { environmentOf } from './environment.js'
import { type OutputEncoding, type OutputOf, type RunOptions, runOptionsSchema } from './process-options.js'
import { type Command, commandLine } from './quote.js'
import { type CompletedProcess, ProcessTimeoutError } from './result.js'

/**
 * Runs a command and collects its output. Both outputs are always read. Without `input` or `stdin`, standard input is
 * at its end from the start. Whatever goes wrong, the session is closed.
 *
 * @throws ProcessError with `check`, on any status but 0; and when there is more output than `maxBuffer`
 * @throws ProcessTimeoutError with the output so far; the command was sent SIGTERM
 * @throws AbortError when `signal` fires; the command was sent SIGTERM
 * @throws OptionsError when there is no command: a shell without input would end at once, as if all had gone well
 * @throws as `createProcess`
 */
export async function runProcess<E extends OutputEncoding | undefined = undefined>(
  openSession: SessionFactory,
  command: Command | undefined,
  options: RunOptions & { readonly encoding?: E } = {},
  defaults: DefaultsSource = {},
): Promise<CompletedProcess<OutputOf<E>>> {
  const parsed = parseOptions('run', runOptionsSchema, options)
  assertCommand(command, parsed)
  const { check = false, timeout, encoding = 'utf8' } = parsed
  const deadline = new Deadline(timeout, parsed.signal)
  const { signal } = deadline
  const startedAt = performance.now()
  let remote: SshClientProcess<OutputOf<E>> | undefined
  try {
    // Nobody could write to a pipe.
    const stdin = parsed.input === undefined && (parsed.stdin ?? 'pipe') === 'pipe' ? 'ignore' : parsed.stdin
    const settings = { ...(await resolveDefaults(defaults, signal)), encoding, streamEncoding: undefined }
    remote = await startProcess<OutputOf<E>>(openSession, command, { ...parsed, stdin, signal }, settings)
    return await remote.wait({ check, signal })
  } catch (error) {
    if (!deadline.hasExpired || timeout === undefined) throw error
    const nothing = (encoding === 'buffer' ? Buffer.alloc(0) : '') as OutputOf<E>
    throw new ProcessTimeoutError<OutputOf<E>>(timeout, {
      command: remote?.command ?? (command === undefined ? undefined : commandLine(command, parsed.cwd)),
      subsystem: parsed.subsystem,
      env: remote?.env ?? environmentOf(parsed.env),
      exitStatus: remote?.exitStatus ?? null,
      exitSignal: remote?.exitSignal ?? null,
      returncode: remote?.returncode ?? null,
      ...(remote?.collectOutput() ?? { stdout: nothing, stderr: nothing }),
      durationMs: performance.now() - startedAt,
    })
  } finally {
    deadline.clear()
    // Over already, unless something went wrong.
    remote?.terminate()
    await remote?.close()
  }
}

/** What nobody checks in JavaScript, before anything is opened. @throws OptionsError without a command, or for one that is none */
export function assertCommand(command: unknown, { subsystem }: Pick<RunOptions, 'subsystem'> = {}): void {
  if (command !== undefined) commandLine(command as Command)
  else if (subsystem === undefined) {
    throw new OptionsError('run needs a command, and got undefined; createProcess without a command starts a shell')
  }
}
