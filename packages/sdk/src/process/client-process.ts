/** A command that runs on the server, shaped like Node's `ChildProcess`. */

import { EventEmitter } from 'node:events'
import { finished, type Readable, type Writable } from 'node:stream'
import {
  type Channel,
  type ExitResult,
  type ExitSignal,
  parseOptions,
  type RefusedRequest,
  type SessionClient,
  type SessionHandlers,
} from '@ssh/conn'
import { Collector, ignoreError, toStdio } from '@ssh/streams'
import { AbortError } from '@ssh/wire'
import { Deadline } from './deadline.js'
import {
  type OutputEncoding,
  type RedirectOptions,
  redirectOptionsSchema,
  type SendBreakOptions,
  sendBreakOptionsSchema,
  type WaitOptions,
  waitOptionsSchema,
} from './process-options.js'
import { isPrematureClose, type Pump, pump } from './pump.js'
import { type OpenInput, type OpenOutput, type OpenRedirects, openRedirects } from './redirect.js'
import { type CompletedProcess, failureOf, maxBufferFailure, type Output, ProcessTimeoutError } from './result.js'

/** What a process is, as far as it was decided before its session opened. */
export interface ProcessSettings {
  readonly command: string | undefined
  /** Name of the subsystem; undefined for a command or a shell. */
  readonly subsystem: string | undefined
  /** Variables that were sent with it. */
  readonly env: Readonly<Record<string, string>>
  /** Of collected output. */
  readonly encoding: OutputEncoding
  /** Of the streams; absent, they give bytes. */
  readonly streamEncoding: BufferEncoding | undefined
  /** Bytes of each output that are collected. */
  readonly maxBuffer: number
  /** Whether standard error comes through standard output. */
  readonly mergeErrors: boolean
  /** `performance.now()` when the session was asked for. */
  readonly startedAt: number
}

/** What the server tells of a session, for a process that is made only once the session is open. */
export class SessionEvents {
  /** For `openSession`. */
  readonly handlers: SessionHandlers = { onExit: () => this.onExit(), onEndOfWrite: () => this.onEndOfWrite() }
  onExit = (): void => {}
  onEndOfWrite = (): void => {}
}

interface ProcessEvents {
  /** The program ended; output may still be on its way. Both are null when the server did not say how. */
  exit: [exitCode: number | null, signalCode: string | null]
  /** The session is over and its output has been read (or destroyed). */
  close: [exitCode: number | null, signalCode: string | null]
  /** The session broke. Emitted only when somebody listens; `wait` and `closed` reject with it as well. */
  error: [error: Error]
}

/**
 * One command, shell or subsystem on the server. Made by `createProcess`. There is no `pid`.
 *
 * `stdin`, `stdout` and `stderr` are ordinary streams with back-pressure up to the remote program. SSH has one window
 * for both outputs, so whoever reads one of them must read the other too, or destroy it, or the program stops; `wait`
 * and `communicate` read what nobody else does.
 */
export class SshClientProcess<O extends Output = string> extends EventEmitter<ProcessEvents> {
  /** Standard input. Ending it is the end of file for the program. */
  readonly stdin: Writable
  /** Standard output. */
  readonly stdout: Readable
  /** Standard error. Already at its end with `stderr: 'stdout'` or a pseudo-terminal. */
  readonly stderr: Readable
  readonly stdio: readonly [Writable, Readable, Readable]
  /** The command line that was sent; undefined for a shell or a subsystem. */
  readonly command: string | undefined
  readonly subsystem: string | undefined
  readonly env: Readonly<Record<string, string>>
  /** Settles when the session is over, whether or not its output was read; rejects with the error if it broke. */
  readonly closed: Promise<void>
  /** Optional requests that the server refused, mostly variables that it does not accept. */
  refused: readonly RefusedRequest[] = []

  readonly #session: SessionClient
  readonly #settings: ProcessSettings
  readonly #collected: { readonly stdout: Collector; readonly stderr: Collector }
  /** Ends of the streams that are collected. */
  readonly #collecting = new Map<Readable, Promise<void>>()
  #feeding: Pump | undefined
  /** Pumps of the streams that are redirected. */
  readonly #draining = new Map<Readable, Pump>()
  #killed = false
  #hasExited = false
  #durationMs: number | undefined

  /**
   * @param session open, with nothing running in it and nobody reading it; start it in the same turn
   * @param events whose handlers the session was opened with
   * @param redirects where the streams go from the start
   */
  constructor(session: SessionClient, events: SessionEvents, settings: ProcessSettings, redirects: OpenRedirects = {}) {
    super()
    this.#session = session
    this.#settings = settings
    this.command = settings.command
    this.subsystem = settings.subsystem
    this.env = settings.env
    const { maxBuffer, streamEncoding, mergeErrors } = settings
    this.#collected = { stdout: new Collector({ maxBuffer }), stderr: new Collector({ maxBuffer }) }
    const { stdin, stdout, stderr } = toStdio(session.channel, session.stderr, { mergeErrors })
    if (streamEncoding !== undefined) {
      stdout.setEncoding(streamEncoding)
      stderr.setEncoding(streamEncoding)
    }
    this.stdin = stdin
    this.stdout = stdout
    this.stderr = stderr
    this.stdio = [stdin, stdout, stderr]
    this.closed = session.closed.then(() => this.#onClosed())
    this.closed.catch(ignoreError)
    events.onExit = () => this.#onExit()
    // As if the program had closed its end of a pipe.
    events.onEndOfWrite = () => stdin.destroy()
    this.#connect(redirects)
  }

  /** The underlying channel, for what this class does not offer. Its bytes belong to the streams. */
  get channel(): Channel {
    return this.#session.channel
  }

  /** The exit status, as `ChildProcess` names it; null while it runs, and when there was none. */
  get exitCode(): number | null {
    return this.#session.exit.exitStatus
  }

  /** Signal that ended the program, for instance `SIGTERM`. */
  get signalCode(): string | null {
    const signal = this.#session.exit.exitSignal
    return signal && signalCode(signal.name)
  }

  /** As {@link exitCode}, by the name that SSH gives it. */
  get exitStatus(): number | null {
    return this.#session.exit.exitStatus
  }

  /** The signal that ended the program, with what the server said of it; null while it runs, and when there was none. */
  get exitSignal(): ExitSignal | null {
    return this.#session.exit.exitSignal
  }

  /** The exit status, or minus the signal's number; null while it runs, and when there was neither. */
  get returncode(): number | null {
    return this.#session.exit.returncode
  }

  /** Whether `kill` has sent a signal. */
  get killed(): boolean {
    return this.#killed
  }

  /**
   * Waits for the session to be over and its output to be read. Reads and collects the outputs that nobody reads: not
   * those that are redirected, piped, or listened to.
   *
   * @throws ProcessError with `check`, on any status but 0; and when there is more output than `maxBuffer`
   * @throws ProcessTimeoutError with the output so far; the process goes on
   * @throws AbortError when `signal` fires; the process goes on
   * @throws Error what ended the connection, or what a redirection failed with
   */
  async wait(options: WaitOptions = {}): Promise<CompletedProcess<O>> {
    const { check = false, timeout, signal } = parseOptions('wait', waitOptionsSchema, options)
    this.#collect(this.stdout, 'stdout')
    this.#collect(this.stderr, 'stderr')
    const deadline = new Deadline(timeout, signal)
    try {
      await unlessAborted(this.#isFinished(), deadline.signal)
    } catch (error) {
      if (deadline.hasExpired && timeout !== undefined) throw new ProcessTimeoutError(timeout, this.#result(false))
      throw error
    } finally {
      deadline.clear()
    }
    const result = this.#result(true)
    const failure = check ? failureOf(result) : undefined
    if (failure !== undefined) throw failure
    return result
  }

  /** Writes `input` to standard input, ends it, and waits. @throws as {@link wait} */
  communicate(input?: string | Uint8Array, options?: WaitOptions): Promise<CompletedProcess<O>> {
    if (input === undefined) this.stdin.end()
    else this.stdin.end(input)
    return this.wait(options)
  }

  /** What was collected so far, without waiting. The first call begins to collect, as `wait` does. */
  collectOutput(): { readonly stdout: O; readonly stderr: O } {
    this.#collect(this.stdout, 'stdout')
    this.#collect(this.stderr, 'stderr')
    const { stdout, stderr } = this.#result(false)
    return { stdout, stderr }
  }

  /**
   * Sends a signal. Servers may ignore it: OpenSSH knows signals since 7.9.
   * @param signal name with or without `SIG`, or number
   * @returns false when the session is over already
   * @throws ChannelError `ERR_SSH_CHANNEL_UNKNOWN_SIGNAL`
   */
  kill(signal: string | number = 'SIGTERM'): boolean {
    if (!this.sendSignal(signal)) return false
    this.#killed = true
    return true
  }

  /** Sends SIGTERM. */
  terminate(): boolean {
    return this.kill('SIGTERM')
  }

  /** Sends a signal without counting as {@link killed}. See {@link kill}. */
  sendSignal(signal: string | number): boolean {
    if (this.channel.isClosed) return false
    this.#session.signal(signal)
    return true
  }

  /**
   * Sends a break (RFC 4335).
   * @param lengthMs 0 lets the server choose
   * @returns whether the server could
   * @throws OptionsError, AbortError; what ended the session
   */
  async sendBreak(lengthMs = 0, options: SendBreakOptions = {}): Promise<boolean> {
    const { signal } = parseOptions('sendBreak', sendBreakOptionsSchema, options)
    if (signal?.aborted) throw new AbortError(signal.reason)
    const answered = this.#session.sendBreak(lengthMs)
    return signal === undefined ? answered : unlessAborted(answered, signal)
  }

  /**
   * Tells the new size of the terminal.
   * @param columns in characters
   * @param rows in characters
   * @param width in pixels; default unknown
   * @param height in pixels; default unknown
   * @throws ChannelError `ERR_SSH_CHANNEL_TERMINAL_SIZE`
   */
  resize(columns: number, rows: number, width = 0, height = 0): void {
    this.#session.windowChange({ columns, rows, widthPixels: width, heightPixels: height })
  }

  /**
   * Sends the streams elsewhere from now on. `'pipe'` gives one back to the reader; what another redirection of the
   * same stream has not taken yet goes to the new one.
   *
   * A target that fails ends the session and `wait` rejects with its error: output is never dropped unsaid.
   *
   * @throws Error the system's, when a file cannot be opened; nothing was redirected then
   */
  async redirect(options: RedirectOptions): Promise<void> {
    this.#connect(await openRedirects(parseOptions('redirect', redirectOptionsSchema, options)))
  }

  /**
   * Ends the session at once: input that was not sent is dropped, output that was not read too. Most servers hang up on
   * the program then, but do not kill it.
   */
  async close(): Promise<void> {
    this.#session.abort()
    await this.#session.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #onExit(): void {
    if (this.#hasExited) return
    this.#hasExited = true
    // Never within the delivery of a packet: what a listener throws is the program's own affair.
    process.nextTick(() => this.emit('exit', this.exitCode, this.signalCode))
  }

  #onClosed(): void {
    this.#durationMs = performance.now() - this.#settings.startedAt
    const error = this.#session.closeError
    this.#onExit()
    if (error !== undefined) {
      process.nextTick(() => {
        if (this.listenerCount('error') > 0) this.emit('error', error)
      })
    }
    let open = 2
    for (const stream of [this.stdout, this.stderr]) {
      finished(stream, () => {
        open -= 1
        if (open === 0) this.emit('close', this.exitCode, this.signalCode)
      })
      // An empty stream ends without anybody reading it.
      stream.read(0)
    }
    if (error !== undefined) throw error
  }

  async #isFinished(): Promise<void> {
    await this.closed
    await Promise.all(this.#collecting.values())
    await Promise.all([...this.#draining.values()].map((draining) => draining.done.catch(ignorePrematureClose)))
  }

  /** Asks the program to end and ends the session with `error`, which `wait` and `closed` reject with. */
  #abort(error?: Error): void {
    if (this.channel.isClosed) return
    this.#session.signal('TERM')
    this.#session.abort(error)
  }

  #result(isComplete: boolean): CompletedProcess<O> {
    const { command, subsystem, env, startedAt } = this.#settings
    const exit: ExitResult = this.#session.exit
    return {
      command,
      subsystem,
      env,
      ...exit,
      stdout: this.#output('stdout', isComplete),
      stderr: this.#output('stderr', isComplete),
      durationMs: this.#durationMs ?? performance.now() - startedAt,
    }
  }

  #output(name: 'stdout' | 'stderr', isComplete: boolean): O {
    const { encoding } = this.#settings
    const collector = this.#collected[name]
    return (encoding === 'buffer' ? collector.bytes() : collector.text(encoding, isComplete)) as O
  }

  #collect(stream: Readable, name: 'stdout' | 'stderr'): void {
    if (this.#collecting.has(stream) || isRead(stream)) return
    const collector = this.#collected[name]
    stream.on('data', (chunk: Buffer | string) => {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, this.#settings.streamEncoding) : chunk
      if (!collector.add(bytes)) this.#abort(maxBufferFailure(name, collector.maxBuffer, this.#result(false)))
    })
    stream.resume()
    this.#collecting.set(stream, new Promise((resolve) => finished(stream, () => resolve())))
  }

  #connect({ stdin, stdout, stderr }: OpenRedirects): void {
    if (stdin !== undefined) this.#connectInput(stdin)
    if (stdout?.kind === 'stream' && stderr?.kind === 'stream' && stdout.stream === stderr.stream) {
      this.#connectOutput(this.stdout, { ...stdout, pumping: { endTarget: false } })
      this.#connectOutput(this.stderr, { ...stderr, pumping: { endTarget: false } })
      if (stdout.pumping.endTarget !== false) this.#endTogether(stdout.stream)
      return
    }
    if (stdout !== undefined) this.#connectOutput(this.stdout, stdout)
    if (stderr !== undefined) this.#connectOutput(this.stderr, stderr)
  }

  #connectInput(input: OpenInput): void {
    this.#feeding?.stop()
    this.#feeding = undefined
    if (input.kind === 'ignore') this.stdin.end()
    if (input.kind !== 'stream') return
    this.#feeding = pump(input.stream, this.stdin, input.pumping)
    // A program that does not read all of its input is no failure; a source that cannot be read is.
    this.#feeding.done.catch((error: Error) => {
      if (error === input.stream.errored) this.#abort(error)
    })
  }

  #connectOutput(stream: Readable, output: OpenOutput): void {
    this.#draining.get(stream)?.stop()
    this.#draining.delete(stream)
    if (output.kind === 'ignore') stream.resume()
    if (output.kind !== 'stream') return
    const draining = pump(stream, output.stream, { ...output.pumping, destroySource: false })
    this.#draining.set(stream, draining)
    // As with a local pipe that nobody reads from any more, the program is told to stop.
    draining.done.catch((error: Error) => this.#abort(isPrematureClose(error) ? undefined : error))
  }

  /** Ends a target of both outputs when both are through. */
  #endTogether(target: Writable): void {
    const both = [this.#draining.get(this.stdout), this.#draining.get(this.stderr)]
    Promise.all(both.map((draining) => draining?.done)).then(
      () => target.end(),
      (error: Error) => target.destroy(error),
    )
  }
}

/** Whether somebody reads the stream: listens, iterates, pipes it, or lets it run to nowhere. */
function isRead(stream: Readable): boolean {
  return stream.readableFlowing === true || stream.listenerCount('data') + stream.listenerCount('readable') > 0
}

/** `SIGTERM` for `TERM`; names that are not of RFC 4254 §6.10, such as `X@example.com`, stay as they are. */
export function signalCode(name: string): string {
  return /^[A-Z0-9]+$/.test(name) ? `SIG${name}` : name
}

function ignorePrematureClose(error: unknown): void {
  if (!isPrematureClose(error)) throw error
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new AbortError(signal.reason))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
