/** The answering half of a session: RFC 4254 §6. */

import { type ByteChannel, channelRequests, extendedDataTypes, Fifo, WireError } from '@ssh/wire'
import type { Channel } from '../connection/channel.js'
import type { ChannelRequest } from '../connection/channel-request.js'
import { Environment, type EnvironmentLimits } from './environment.js'
import { type ExitSignal, signalName } from './exit-status.js'
import type { Program } from './program.js'
import { decodePtyRequest, decodeWindowChange, type Pty, type TerminalSize } from './pty.js'
import type { X11Request } from './x11-request.js'

/** Whether to agree. While a promise is pending, the requests behind it wait. */
export type Decision = boolean | Promise<boolean>

/**
 * Who decides and who is told. An absent decision refuses, and so does one that throws or rejects.
 * A decision about a program settles when it is accepted, not when it ends.
 */
export interface SessionServerHandlers {
  onPty?(pty: Pty): Decision
  /** Name and value can be a variable and are within the limits; whether they are safe is decided here. */
  onEnv?(name: string, value: Uint8Array): Decision
  onShell?(): Decision
  /** The command as the client sent it. */
  onExec?(command: Uint8Array): Decision
  onSubsystem?(name: string): Decision
  onAgentForwarding?(): Decision
  onX11?(request: X11Request): Decision
  /** RFC 4335. */
  onBreak?(lengthMs: number): Decision
  /** The terminal that was granted has a new size. */
  onWindowChange?(size: TerminalSize): void
  /** Without `SIG`. */
  onSignal?(name: string): void
  /** The client takes no more output, but still sends (OpenSSH PROTOCOL §2.1). */
  onEndOfWrite?(): void
  /** A handler threw or rejected; the request, if it was about one, was refused. */
  onHandlerError?(error: unknown): void
  /** The session is over, with an error if that was not a normal end. */
  onClose?(error?: Error): void
}

export interface SessionServerOptions {
  readonly environmentLimits?: Partial<EnvironmentLimits>
  /** Whether the client may lend its agent, when no handler decides; false counts whatever a handler says. Default: no. */
  readonly allowsAgentForwarding?: () => boolean
}

/** Requests that may wait behind a decision, and the bytes they may bring: each may fill a packet. */
const largestBacklog = { requests: 1024, byteCount: 1024 * 1024 } as const

/**
 * One session of a client. Its standard input and output are the bytes of `channel`; `stderr.write` is its error
 * output, in order with the output.
 *
 * Requests are taken up one after the other, so a program starts with the terminal and environment decided before it.
 */
export class SessionServer {
  readonly channel: Channel
  readonly stderr: ByteChannel
  /** Settles when the session is over, and never rejects. */
  readonly closed: Promise<void>
  readonly #handlers: SessionServerHandlers
  readonly #environment: Environment
  readonly #backlog = new Fifo<ChannelRequest>()
  #backlogBytes = 0
  #isDeciding = false
  #afterDecision: (() => void) | undefined
  #pty: Pty | undefined
  #program: Program | undefined
  readonly #allowsAgentForwarding: (() => boolean) | undefined
  #forwardsAgent = false
  #hasExited = false

  /** Takes a channel of type `session` that was just accepted. */
  constructor(channel: Channel, handlers: SessionServerHandlers, options: SessionServerOptions = {}) {
    this.channel = channel
    // Clients have no error output; one that sends some must not fill the window of its own input with it.
    this.stderr = channel.extendedData(extendedDataTypes.stderr, { discard: true })
    this.#handlers = handlers
    this.#environment = new Environment(options.environmentLimits)
    this.#allowsAgentForwarding = options.allowsAgentForwarding
    this.closed = new Promise((resolve) => {
      channel.handle({
        onRequest: (request) => this.#receive(request),
        onClose: (error) => {
          this.#backlog.clear()
          resolve()
          this.#close(error)
        },
      })
    })
  }

  /** The terminal that was granted, with its latest size. */
  get pty(): Pty | undefined {
    return this.#pty
  }

  /** Variables that were accepted. */
  get env(): ReadonlyMap<string, Uint8Array> {
    return this.#environment.variables
  }

  /** Whether the client lends its agent, which it does as long as the session is open. */
  get forwardsAgent(): boolean {
    return this.#forwardsAgent && !this.channel.isClosed
  }

  /** What was started. */
  get program(): Program | undefined {
    return this.#program
  }

  /** Tells whether the client's terminal may do flow control itself (RFC 4254 §6.8). */
  setFlowControl(clientCanDo: boolean): void {
    this.channel.request('xon-xoff', channelRequests.encode('xon-xoff', { clientCanDo }))
  }

  /**
   * The program ended: sends the status behind its output, then closes. Only the first exit counts.
   * @param status its lowest eight bits are sent, as the exit status of a process
   */
  exit(status: number): void {
    this.#exit('exit-status', channelRequests.encode('exit-status', { exitStatus: status & 0xff }))
  }

  /**
   * The program was ended by a signal: sends so behind its output, then closes. Only the first exit counts.
   * @param signal with or without `SIG`, or a number
   * @throws ChannelError `ERR_SSH_CHANNEL_UNKNOWN_SIGNAL`
   */
  exitWithSignal(signal: string | number, details: Partial<Omit<ExitSignal, 'name'>> = {}): void {
    const { coreDumped = false, message = '', lang = '' } = details
    const fields = { signalName: signalName(signal), coreDumped, errorMessage: message, languageTag: lang }
    this.#exit('exit-signal', channelRequests.encode('exit-signal', fields))
  }

  /** Sends what was written, then closes without a status. */
  close(): Promise<void> {
    this.#whenDecided(() => this.channel.close())
    return this.closed
  }

  /** Closes at once. */
  abort(error?: Error): void {
    this.channel.abort(error)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #exit(requestType: 'exit-status' | 'exit-signal', data: Uint8Array): void {
    if (this.#hasExited) return
    this.#hasExited = true
    this.#whenDecided(() => {
      this.channel.request(requestType, data, { afterData: true })
      this.channel.close()
    })
  }

  /** A program may end while its own start is being decided; the reply must leave before the close. */
  #whenDecided(action: () => void): void {
    if (this.#isDeciding) this.#afterDecision ??= action
    else action()
  }

  #receive(request: ChannelRequest): void {
    const byteCount = this.#backlogBytes + request.data.length
    if (this.#backlog.length >= largestBacklog.requests || byteCount > largestBacklog.byteCount) {
      return request.reply(false)
    }
    this.#backlog.push(request)
    this.#backlogBytes = byteCount
    this.#decideNext()
  }

  #decideNext(): void {
    while (!this.#isDeciding) {
      const request = this.#backlog.shift()
      if (request === undefined) return
      this.#backlogBytes -= request.data.length
      this.#isDeciding = true
      const decision = this.#decide(request)
      if (typeof decision === 'boolean') {
        this.#decided(request, decision)
      } else {
        decision.then((agreed) => {
          this.#decided(request, agreed)
          this.#decideNext()
        })
      }
    }
  }

  #decided(request: ChannelRequest, agreed: boolean): void {
    request.reply(agreed)
    this.#isDeciding = false
    const action = this.#afterDecision
    this.#afterDecision = undefined
    action?.()
  }

  /** What goes wrong here must not keep the connection from telling its other channels. */
  #close(error: Error | undefined): void {
    try {
      this.#handlers.onClose?.(error)
    } catch (thrown) {
      this.#handlers.onHandlerError?.(thrown)
    }
  }

  /** Never throws and never rejects: what goes wrong is a refusal. */
  #decide(request: ChannelRequest): Decision {
    try {
      const decision = this.#take(request)
      return typeof decision === 'boolean' ? decision : decision.catch((error: unknown) => this.#failed(error))
    } catch (error) {
      return this.#failed(error)
    }
  }

  #failed(error: unknown): false {
    // A malformed request is the client's fault and is refused like any other.
    if (!(error instanceof WireError)) this.#handlers.onHandlerError?.(error)
    return false
  }

  #take({ requestType, data }: ChannelRequest): Decision {
    const handlers = this.#handlers
    switch (requestType) {
      case 'pty-req':
        return this.#takePty(decodePtyRequest(data))
      case 'env': {
        const { name, value } = channelRequests.decode(requestType, data)
        return this.#takeEnv(name, value)
      }
      case 'shell':
        channelRequests.decode(requestType, data)
        return this.#start({ type: 'shell' }, () => handlers.onShell?.())
      case 'exec': {
        const { command } = channelRequests.decode(requestType, data)
        return this.#start({ type: 'exec', command }, () => handlers.onExec?.(command))
      }
      case 'subsystem': {
        const { name } = channelRequests.decode(requestType, data)
        return this.#start({ type: 'subsystem', name }, () => handlers.onSubsystem?.(name))
      }
      case 'auth-agent-req@openssh.com':
        channelRequests.decode(requestType, data)
        return this.#takeAgent()
      case 'x11-req':
        return handlers.onX11?.(channelRequests.decode(requestType, data)) ?? false
      case 'break':
        return handlers.onBreak?.(channelRequests.decode(requestType, data).breakLengthMs) ?? false
      case 'window-change':
        return this.#resize(decodeWindowChange(data))
      case 'signal':
        handlers.onSignal?.(channelRequests.decode(requestType, data).signalName)
        return handlers.onSignal !== undefined
      case 'eow@openssh.com':
        handlers.onEndOfWrite?.()
        return true
      default:
        return false
    }
  }

  #takePty(pty: Pty | undefined): Decision {
    if (pty === undefined || this.#pty !== undefined || this.#program !== undefined) return false
    return whenAgreed(this.#handlers.onPty?.(pty), () => {
      this.#pty = pty
    })
  }

  #takeEnv(nameBytes: Uint8Array, value: Uint8Array): Decision {
    const name = this.#program === undefined ? this.#environment.admit(nameBytes, value) : undefined
    if (name === undefined) return false
    return whenAgreed(this.#handlers.onEnv?.(name, value), () => this.#environment.set(name, value))
  }

  #takeAgent(): Decision {
    const isAllowed = this.#allowsAgentForwarding?.()
    if (isAllowed === false || this.#forwardsAgent) return false
    return whenAgreed(this.#handlers.onAgentForwarding?.() ?? isAllowed, () => {
      this.#forwardsAgent = true
    })
  }

  /** A session runs one program (RFC 4254 §6.5); a refused one leaves room for another try. */
  #start(program: Program, ask: () => Decision | undefined): Decision {
    if (this.#program !== undefined) return false
    return whenAgreed(ask(), () => {
      this.#program = program
    })
  }

  #resize(size: TerminalSize | undefined): boolean {
    if (size === undefined || this.#pty === undefined) return false
    this.#pty = { ...this.#pty, ...size }
    this.#handlers.onWindowChange?.(size)
    return true
  }
}

/** Runs `action` before a yes is passed on. */
function whenAgreed(decision: Decision | undefined, action: () => void): Decision {
  if (typeof decision === 'object') return decision.then((agreed) => whenAgreed(agreed, action))
  if (decision === true) action()
  return decision === true
}
