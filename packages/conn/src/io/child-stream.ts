/** A program whose standard input and output carry a connection: OpenSSH's ProxyCommand. */

import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { printable } from '@ssh/wire'
import { ConnectError } from '../errors.js'
import type { Logger } from '../log.js'
import { hasPipes } from './child-pipes.js'
import { abortReason } from './dial.js'

/** A program: an argv, or a command of the user's shell. */
export type ChildCommand = readonly string[] | string

export interface ChildStreamOptions {
  /** Told of what the program writes to its standard error, and of its end. */
  readonly logger?: Logger | undefined
  /**
   * How long the program may take to end by itself once its input has ended, and then once it was asked to. Default 2 s.
   */
  readonly graceMs?: number
  /** Gives up starting it, with its reason if that is an error of this SDK. */
  readonly signal?: AbortSignal
}

/** What is kept of the last the program wrote to its standard error, for an error. */
const keptStderr = 1024
const defaultGraceMs = 2000
/** How long after its output a program's exit status may come. */
const statusDelayMs = 500

/**
 * The standard input and output of a program of its own, as one stream; its standard error goes to the logger. It sees
 * no other descriptor of this process.
 *
 * The program ends with the stream: its input ends, and what is still there after a grace time is sent SIGTERM and then
 * SIGKILL. A stream that is destroyed early sends SIGTERM at once. The stream is closed when the program is gone.
 */
export class ChildStream extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #name: string
  readonly #logger: Logger | undefined
  readonly #graceMs: number
  readonly #gone: Promise<void>
  /** Its standard error has ended. */
  readonly #silent: Promise<void>
  #stderr = ''
  #exit: string | undefined
  #exitStatus: number | null = null
  #isPiped = true
  #hasFailed = false

  /**
   * Starts a program.
   * @throws ConnectError `ERR_SSH_CONNECT_PROXY_COMMAND_FAILED` when it cannot be started; `cause` is the system's error
   * @throws AbortError, or the signal's reason
   */
  static open(command: ChildCommand, options: ChildStreamOptions = {}): Promise<ChildStream> {
    return new Promise((resolve, reject) => {
      const { signal } = options
      if (signal?.aborted) throw abortReason(signal)
      const name = titleOf(command)
      const fail = (cause: unknown) => {
        const text = `${name} cannot be run: ${cause instanceof Error ? cause.message : String(cause)}`
        reject(new ConnectError('ERR_SSH_CONNECT_PROXY_COMMAND_FAILED', text, { cause }))
      }
      let child: ChildProcess
      try {
        child = start(command)
      } catch (error) {
        return fail(error)
      }
      child.once('error', fail)
      if (!hasPipes(child)) return
      const stream = new ChildStream(child, name, options)
      child.once('spawn', () => {
        if (signal?.aborted) {
          stream.destroy()
          reject(abortReason(signal))
        } else {
          resolve(stream)
        }
      })
    })
  }

  private constructor(child: ChildProcessWithoutNullStreams, name: string, options: ChildStreamOptions) {
    super({ allowHalfOpen: true })
    this.#child = child
    this.#name = name
    const { logger, graceMs = defaultGraceMs } = options
    this.#logger = logger
    this.#graceMs = graceMs
    this.#gone = new Promise((resolve) => {
      child.once('error', () => resolve())
      child.once('exit', (status, signal) => {
        this.#exitStatus = status
        this.#exit = status === null ? `was ended by ${signal}` : `ended with status ${status}`
        logger?.debug({ layer: 'io', event: 'proxy-command-ended', status, signal })
        resolve()
      })
    })
    // Whoever writes or reads is told by this stream.
    child.stdin.on('error', () => this.#inputFailed())
    child.stdout.on('error', () => {})
    child.stderr.on('error', () => {})
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause()
    })
    child.stdout.once('close', () => this.#outputEnded())
    child.stderr.on('data', (chunk: Buffer) => this.#said(chunk))
    this.#silent = new Promise((resolve) => void child.stderr.once('close', resolve))
  }

  /**
   * Why the program ended by itself, once its output has; undefined while it runs, and after this stream was closed from
   * here.
   */
  get failure(): ConnectError | undefined {
    if (!this.#hasFailed) return undefined
    const exit = this.#exit ?? 'closed its output'
    const said = printable(this.#stderr.trim(), keptStderr)
    const text = `${this.#name} ${exit} before the connection was up${said === '' ? '' : `; it said: ${said}`}`
    return new ConnectError('ERR_SSH_CONNECT_PROXY_COMMAND_FAILED', text, {
      details: { exitStatus: this.#exitStatus, stderr: said },
    })
  }

  /** Whether the program keeps this process alive. */
  keepProcessAlive(keep: boolean): void {
    const change = keep ? 'ref' : 'unref'
    this.#child[change]()
    for (const pipe of this.#child.stdio) if (pipe instanceof Socket) pipe[change]()
  }

  override _read(): void {
    this.#child.stdout.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // An error is told by the end of its output, with the exit status.
    this.#child.stdin.write(chunk, () => done())
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => done())
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { stdin, stdout, stderr } = this.#child
    this.#isPiped = false
    // Before both directions have ended by themselves, nobody waits for what the program may still do.
    if (!this.writableFinished) this.#child.kill('SIGTERM')
    stdin.destroy()
    stdout.destroy()
    const timers = ['SIGTERM', 'SIGKILL'] as const
    const timeouts = timers.map((signal, index) =>
      setTimeout(() => this.#child.kill(signal), this.#graceMs * (index + 1)).unref(),
    )
    this.#gone.then(() => {
      for (const timeout of timeouts) clearTimeout(timeout)
      stderr.destroy()
      done(error)
    })
  }

  #said(chunk: Buffer): void {
    const text = chunk.toString('utf8')
    this.#stderr = (this.#stderr + text).slice(-keptStderr)
    this.#logger?.debug({ layer: 'io', event: 'proxy-command-said', text: printable(text, keptStderr) })
  }

  /** It reads no more. What it still says is heard, and with its end its status. */
  #inputFailed(): void {
    const { stdout } = this.#child
    if (!this.#isPiped || stdout.destroyed) return
    const timer = setTimeout(() => stdout.destroy(), statusDelayMs).unref()
    stdout.once('close', () => clearTimeout(timer))
  }

  /** The end is passed on with the exit status and the last words, which come a moment later. */
  async #outputEnded(): Promise<void> {
    if (!this.#isPiped) return
    let timer: NodeJS.Timeout | undefined
    const inTime = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, statusDelayMs).unref()
    })
    await Promise.race([Promise.all([this.#gone, this.#silent]), inTime])
    clearTimeout(timer)
    if (this.destroyed) return
    this.#hasFailed = true
    this.push(null)
  }
}

function titleOf(command: ChildCommand): string {
  return `The proxy command (${printable(typeof command === 'string' ? command : (command[0] ?? ''), 128)})`
}

function start(command: ChildCommand): ChildProcess {
  const options = { stdio: 'pipe', windowsHide: true } as const
  if (typeof command !== 'string') {
    const [file = '', ...args] = command
    return spawn(file, args, options)
  }
  if (process.platform === 'win32') return spawn(command, { ...options, shell: true })
  // As OpenSSH does: the shell is replaced by the command, so that signals reach that.
  return spawn(process.env.SHELL || '/bin/sh', ['-c', `exec ${command}`], options)
}
