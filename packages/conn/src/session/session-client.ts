/** A session as the client sees it: RFC 4254 §6. */

import { AbortError, type ByteChannel, channelRequests, extendedDataTypes, toUtf8, WireError } from '@ssh/wire'
import type { Channel } from '../connection/channel.js'
import type { ChannelRequest } from '../connection/channel-request.js'
import type { RequestReply } from '../connection/replies.js'
import { ChannelError } from '../errors.js'
import { type ExitResult, type ExitSignal, exitResult, signalName } from './exit-status.js'
import type { Program } from './program.js'
import { encodePtyRequest, encodeWindowChange, type PtyOptions, type TerminalSize } from './pty.js'
import type { X11Request } from './x11-request.js'

/** Whom the session tells. Called synchronously; must not throw. */
export interface SessionHandlers {
  /** A status or a signal arrived. Output may still follow: the program is over when `onClose` is called. */
  onExit?(exit: ExitResult): void
  /** Whether the terminal may do flow control with ^S and ^Q itself (RFC 4254 §6.8). */
  onFlowControl?(clientCanDo: boolean): void
  /** The program takes no more input, but still runs (OpenSSH PROTOCOL §2.1). */
  onEndOfWrite?(): void
  /** The session is over, with an error if that was not a normal end. */
  onClose?(error?: Error): void
}

/** What {@link SessionClient.start} asks for, all in one round trip. */
export interface StartOptions {
  /** What to run; text is sent as UTF-8. */
  readonly program: Program<string | Uint8Array>
  /** Absent: no pseudo-terminal. */
  readonly pty?: PtyOptions | undefined
  /** Names and values, in this order. */
  readonly env?: Iterable<readonly [name: string, value: string | Uint8Array]>
  /** Let the server open channels to our agent; default false. */
  readonly agentForwarding?: boolean
  /** Let the server open X11 channels. */
  readonly x11?: X11Request | undefined
  /** Requests whose refusal is an error, beside the program's; default only `pty-req`. */
  readonly required?: readonly ('pty-req' | 'env' | 'auth-agent-req@openssh.com' | 'x11-req')[]
  /** Aborting closes the session. */
  readonly signal?: AbortSignal | undefined
}

/** A request that the server refused. */
export interface RefusedRequest {
  readonly requestType: string
  /** Of a variable. */
  readonly name?: string
}

/**
 * One session. Standard input and output are the bytes of `channel`, and nobody reads them until it is attached;
 * so is `stderr`, which must be attached too: `stderr.attach({})` discards it.
 *
 * Methods that return a promise of boolean tell whether the server agreed, and reject when the session ends first.
 */
export class SessionClient {
  readonly channel: Channel
  readonly stderr: ByteChannel
  /** Settles when the session is over, and never rejects: see {@link closeError}. */
  readonly closed: Promise<void>
  readonly #handlers: SessionHandlers
  #exitStatus: number | null = null
  #exitSignal: ExitSignal | null = null
  #closeError: Error | undefined

  /** Made by `openSession`: takes a channel that just opened. */
  constructor(channel: Channel, handlers: SessionHandlers = {}) {
    this.channel = channel
    this.stderr = channel.extendedData(extendedDataTypes.stderr)
    this.#handlers = handlers
    this.closed = new Promise((resolve) => {
      channel.handle({
        onRequest: (request) => this.#receive(request),
        onClose: (error) => {
          this.#closeError = error
          resolve()
          handlers.onClose?.(error)
        },
      })
    })
  }

  /** How the program ended, as far as the server said; complete once {@link closed} settled. */
  get exit(): ExitResult {
    return exitResult(this.#exitStatus, this.#exitSignal)
  }

  /** Why the session is over, if that was not a normal end. */
  get closeError(): Error | undefined {
    return this.#closeError
  }

  /**
   * Asks for everything a program needs and for the program itself, without waiting in between.
   * @returns the refused requests that were not `required`
   * @throws ChannelError `ERR_SSH_CHANNEL_REQUEST_REFUSED` when the program or a required request was refused;
   *   `details.refused` lists every refused request. The session is closed then
   * @throws AbortError when `signal` fires first; the session is closed then
   * @throws Error the error that ended the session or the connection
   */
  async start(options: StartOptions): Promise<readonly RefusedRequest[]> {
    const { program, signal, required = ['pty-req'] } = options
    if (signal?.aborted) this.channel.abort(new AbortError(signal.reason))
    // Encoded before anything is sent, so that a wrong option leaves the session as it was.
    const requests = [...encodeSetup(options), { requestType: program.type, data: encodeProgram(program) }]
    const abort = (): void => this.channel.abort(new AbortError(signal?.reason))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const agreed = await Promise.all(requests.map(({ requestType, data }) => this.#ask(requestType, data)))
      const refused = requests.filter((_, index) => agreed[index] === false).map(withoutData)
      const needed: readonly string[] = [program.type, ...required]
      const fatal = refused.find(({ requestType }) => needed.includes(requestType))
      if (fatal === undefined) return refused
      const error = requestRefused(fatal, refused)
      this.channel.abort(error)
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** @throws ChannelError `ERR_SSH_CHANNEL_TERMINAL_SIZE` */
  async requestPty(pty: PtyOptions): Promise<boolean> {
    return this.#ask('pty-req', encodePtyRequest(pty))
  }

  async setEnv(name: string, value: string | Uint8Array): Promise<boolean> {
    return this.#ask('env', encodeEnv(name, value))
  }

  async requestAgentForwarding(): Promise<boolean> {
    return this.#ask('auth-agent-req@openssh.com', noData)
  }

  async requestX11(request: X11Request): Promise<boolean> {
    return this.#ask('x11-req', channelRequests.encode('x11-req', request))
  }

  async shell(): Promise<boolean> {
    return this.#ask('shell', noData)
  }

  async exec(command: string | Uint8Array): Promise<boolean> {
    return this.#ask('exec', encodeProgram({ type: 'exec', command }))
  }

  async subsystem(name: string): Promise<boolean> {
    return this.#ask('subsystem', encodeProgram({ type: 'subsystem', name }))
  }

  /** Tells the new size of the terminal. @throws ChannelError `ERR_SSH_CHANNEL_TERMINAL_SIZE` */
  windowChange(size: Partial<TerminalSize>): void {
    this.channel.request('window-change', encodeWindowChange(size))
  }

  /**
   * Sends the program a signal; servers may ignore it.
   * @param signal with or without `SIG`, or a number
   * @throws ChannelError `ERR_SSH_CHANNEL_UNKNOWN_SIGNAL`
   */
  signal(signal: string | number): void {
    this.channel.request('signal', channelRequests.encode('signal', { signalName: signalName(signal) }))
  }

  /** Sends a break (RFC 4335). @param lengthMs 0 lets the server choose */
  async sendBreak(lengthMs = 0): Promise<boolean> {
    return this.#ask('break', channelRequests.encode('break', { breakLengthMs: lengthMs }))
  }

  /** Sends what was written, then closes; the program may be ended by it. Settles with {@link closed}. */
  close(): Promise<void> {
    this.channel.close()
    return this.closed
  }

  /** Closes at once. */
  abort(error?: Error): void {
    this.channel.abort(error)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #ask(requestType: string, data: Uint8Array): Promise<boolean> {
    const reply = await new Promise<RequestReply>((resolve) => this.channel.request(requestType, data, {}, resolve))
    if (reply.outcome === 'closed') throw this.#closeError ?? closedEarly(reply.error, requestType)
    return reply.outcome === 'success'
  }

  #receive(request: ChannelRequest): void {
    try {
      request.reply(this.#take(request))
    } catch (error) {
      // Malformed: what the server says about this program cannot be trusted, but other channels are not concerned.
      if (!(error instanceof WireError)) throw error
      this.channel.abort(error)
    }
  }

  #take({ requestType, data }: ChannelRequest): boolean {
    switch (requestType) {
      case 'exit-status': {
        const { exitStatus } = channelRequests.decode(requestType, data)
        if (this.#exitStatus !== null) return false
        this.#exitStatus = exitStatus
        this.#handlers.onExit?.(this.exit)
        return true
      }
      case 'exit-signal': {
        const { signalName: name, coreDumped, errorMessage, languageTag } = channelRequests.decode(requestType, data)
        if (this.#exitSignal !== null) return false
        this.#exitSignal = { name, coreDumped, message: errorMessage, lang: languageTag }
        this.#handlers.onExit?.(this.exit)
        return true
      }
      case 'xon-xoff':
        this.#handlers.onFlowControl?.(channelRequests.decode(requestType, data).clientCanDo)
        return true
      case 'eow@openssh.com':
        this.#handlers.onEndOfWrite?.()
        return true
      default:
        return false
    }
  }
}

const noData = new Uint8Array(0)

/** Dropbear from 2022.82 to 2024.86 does so now and then, when another session of the connection ends meanwhile. */
function closedEarly(cause: Error, requestType: string): Error {
  if (!(cause instanceof ChannelError) || cause.code !== 'ERR_SSH_CHANNEL_CLOSED') return cause
  return new ChannelError(
    'ERR_SSH_CHANNEL_CLOSED',
    `The session was closed before the server answered the request ${requestType}; the program may not have run. ` +
      'Try again, or on a connection of its own if other sessions of this one end at the same time',
    { cause, details: { requestType } },
  )
}

interface SetupRequest extends RefusedRequest {
  readonly data: Uint8Array
}

/** What must be asked for before the program (RFC 4254 §6.2 to §6.4). */
function* encodeSetup({ pty, x11, agentForwarding, env = [] }: StartOptions): Generator<SetupRequest> {
  if (pty !== undefined) yield { requestType: 'pty-req', data: encodePtyRequest(pty) }
  if (x11 !== undefined) yield { requestType: 'x11-req', data: channelRequests.encode('x11-req', x11) }
  if (agentForwarding === true) yield { requestType: 'auth-agent-req@openssh.com', data: noData }
  for (const [name, value] of env) yield { requestType: 'env', name, data: encodeEnv(name, value) }
}

function withoutData({ data: _, ...request }: SetupRequest): RefusedRequest {
  return request
}

function encodeProgram(program: Program<string | Uint8Array>): Uint8Array {
  switch (program.type) {
    case 'shell':
      return noData
    case 'exec':
      return channelRequests.encode('exec', { command: toBytes(program.command) })
    case 'subsystem':
      return channelRequests.encode('subsystem', { name: program.name })
  }
}

function encodeEnv(name: string, value: string | Uint8Array): Uint8Array {
  return channelRequests.encode('env', { name: toBytes(name), value: toBytes(value) })
}

function toBytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? toUtf8(value) : value
}

function requestRefused(fatal: RefusedRequest, refused: readonly RefusedRequest[]): ChannelError {
  const what = { shell: 'to start a shell', exec: 'to run the command', subsystem: 'to start the subsystem' }
  const purpose = new Map(Object.entries(what)).get(fatal.requestType) ?? `the request ${fatal.requestType}`
  const others = refused.filter((request) => request !== fatal).map((request) => request.name ?? request.requestType)
  const also = others.length === 0 ? '' : `; it also refused ${others.join(', ')}`
  return new ChannelError('ERR_SSH_CHANNEL_REQUEST_REFUSED', `The server refused ${purpose}${also}`, {
    details: { requestType: fatal.requestType, refused },
  })
}
