/** One command, shell or subsystem that a client asked our server for. */

import { EventEmitter } from 'node:events'
import { type Duplex, finished, type Readable, type Writable } from 'node:stream'
import {
  AgentError,
  type ExitSignal,
  type Pty,
  type ServerConnection,
  type SessionServer,
  signalName,
  type TerminalSize,
} from '@ssh/conn'
import { ByteReadable, ByteWritable, ignoreError } from '@ssh/streams'
import { asBuffer, type TerminalModes, toUtf8 } from '@ssh/wire'
import { ServerTerminal } from '../terminal/server-terminal.js'
import { type TerminalSettings, TerminalStreams } from '../terminal/terminal-streams.js'
import { type ChildEnvOptions, childEnv } from './child-env.js'
import { signalCode } from './client-process.js'
import { type Pump, pump } from './pump.js'

/** Facts about the connection that a process came over. */
export interface ServerProcessInfo {
  /** Who logged in. */
  readonly username: string
  readonly [fact: string]: unknown
}

/** What the server decides whatever the client asks for: an authorized_keys line can say both. */
export interface ImposedSettings {
  /** Runs in place of what the client asked for. */
  readonly forcedCommand?: string | undefined
  /** Variables beside those the client sets, and over them. */
  readonly environment?: ReadonlyMap<string, string> | undefined
  /** How lines are edited for a command or shell with a terminal; undefined: not at all. */
  readonly lineEditor?: TerminalSettings | undefined
  /** What a handler of a key threw; the session ends. */
  readonly onError?: ((error: unknown) => void) | undefined
  /** The display that stands for the client's, once there is one. */
  readonly x11Display?: (() => string | undefined) | undefined
  /** The socket at which the client's agent is found, once there is one. */
  readonly agentPath?: (() => string | undefined) | undefined
  /** Connects to the client's agent: `openAgentConnection` of the connection. */
  readonly openAgentConnection?: ServerConnection['openAgentConnection'] | undefined
}

interface StandardStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
}

/** Something that runs and has standard streams: a `ChildProcess`, or a process on yet another server. */
export interface Redirectable {
  readonly stdin: Writable | null
  readonly stdout: Readable | null
  readonly stderr: Readable | null
  /** How it ended, where it has. */
  readonly exitCode?: number | null
  readonly signalCode?: string | null
  once(event: 'close', listener: (code: number | null, signal: string | null) => void): unknown
  once(event: 'error', listener: (error: Error) => void): unknown
  kill(signal: never): boolean
  resize?(columns: number, rows: number, width?: number, height?: number): void
  sendBreak?(lengthMs: number): unknown
  /** The client has gone. Absent, it is sent SIGHUP. */
  hangUp?(): void
}

/** Streams to connect; those that are left out stay as they are. */
export interface ServerRedirect {
  /** Takes what the client sends. */
  readonly stdin?: Writable
  /** Becomes the client's standard output. */
  readonly stdout?: Readable
  /** Becomes the client's standard error. */
  readonly stderr?: Readable
}

interface ServerProcessEvents {
  /** The client's terminal has a new size; `termSize` has it already. */
  resize: [size: TerminalSize]
  /** The client sends a signal, for instance `SIGINT`. The name is the client's choice and may be any text. */
  signal: [name: string]
  /** RFC 4335; with {@link SshServerProcess.terminal}, Ctrl-C as well, with 0. */
  break: [lengthMs: number]
  /** Ctrl-D on an empty line of {@link SshServerProcess.terminal}. Input goes on; without a listener `stdin` ends. */
  eof: []
  /** The session is over. */
  close: []
  /** The session broke. Emitted only when somebody listens. */
  error: [error: Error]
}

/** What the server's half of a session passes on to the process that runs in it. */
export class ServerProcessEventsSource {
  onWindowChange = (_size: TerminalSize): void => {}
  onSignal = (_name: string): void => {}
  /** Whether anybody takes it. */
  onBreak = (_lengthMs: number): boolean => false
}

/**
 * What a handler gets. It reads `stdin`, writes `stdout` and `stderr`, and says how it ended with `exit` or
 * `exitWithSignal`; until then the session stays open, also when the handler returns.
 */
export class SshServerProcess<Info extends object = ServerProcessInfo> extends EventEmitter<ServerProcessEvents> {
  /** What the client sends. */
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** The command line; undefined for a shell or a subsystem. Not checked in any way: never give it to a shell unread. */
  readonly command: string | undefined
  /** {@link command} as it came, which need not be UTF-8. */
  readonly commandBytes: Uint8Array | undefined
  /** With a forced command: what the client asked for. */
  readonly originalCommand: string | undefined
  readonly subsystem: string | undefined
  /** Variables that the client set and we accepted. They are the client's choice: pass on only those you know. */
  readonly env: ReadonlyMap<string, string>
  /** {@link env} as it came. */
  readonly envBytes: ReadonlyMap<string, Uint8Array>
  /**
   * The display that stands for the client's, for instance `localhost:10.0`; undefined when the client asked for none or
   * the server allows none. Programs that are given `DISPLAY` and `XAUTHORITY` of {@link env} can use it.
   */
  readonly x11Display: string | undefined
  /**
   * Path of a socket (on Windows, a pipe) at which programs of this machine find the client's agent; undefined when the
   * client lends none (`ssh -A`) or the server allows none. Programs that are given `SSH_AUTH_SOCK` of {@link env} can use
   * it, until the session is over. Only the user this process runs as can.
   */
  readonly agentPath: string | undefined
  readonly info: Info
  /** Settles when the session is over, and never rejects. */
  readonly closed: Promise<void>
  /** The client's terminal with lines edited here; undefined without one, and where the option `lineEditor` is false. */
  readonly terminal: ServerTerminal | undefined
  readonly #session: SessionServer
  readonly #openAgentConnection: ImposedSettings['openAgentConnection']
  readonly #onError: ((error: unknown) => void) | undefined
  readonly #imposedEnv: ReadonlyMap<string, string>
  #isExiting = false
  /** `close` was emitted. */
  #isOver = false

  /**
   * @param session with its program decided, and nobody reading it
   * @param imposed what the server decided in place of the client
   */
  constructor(session: SessionServer, events: ServerProcessEventsSource, info: Info, imposed: ImposedSettings = {}) {
    super()
    const { forcedCommand, environment = [] } = imposed
    this.#session = session
    this.#imposedEnv = new Map(environment)
    this.#onError = imposed.onError
    this.info = info
    this.x11Display = imposed.x11Display?.()
    this.agentPath = imposed.agentPath?.()
    this.#openAgentConnection = imposed.openAgentConnection
    const { program } = session
    const asked = program?.type === 'exec' ? program.command : undefined
    this.commandBytes = forcedCommand === undefined ? asked : Buffer.from(forcedCommand)
    this.command = this.commandBytes && asBuffer(this.commandBytes).toString()
    this.originalCommand = forcedCommand === undefined ? undefined : asked && asBuffer(asked).toString()
    this.subsystem = program?.type === 'subsystem' && forcedCommand === undefined ? program.name : undefined
    const imposedBytes = [...environment].map(([name, value]) => [name, toUtf8(value)] as const)
    this.envBytes = new Map([...session.env, ...imposedBytes])
    this.env = new Map([...this.envBytes].map(([name, value]) => [name, asBuffer(value).toString()]))

    const terminal = this.#terminalStreams(imposed.lineEditor)
    this.terminal = terminal && new ServerTerminal(terminal)
    const { stdin, stdout, stderr } = terminal ?? this.#plainStreams()
    this.stdin = stdin
    this.stdout = stdout
    this.stderr = stderr
    events.onWindowChange = (size) => {
      terminal?.resize(size.columns, size.rows)
      this.#later(() => this.emit('resize', size))
    }
    events.onSignal = (name) => this.#later(() => this.emit('signal', signalCode(name)))
    events.onBreak = (lengthMs) => {
      this.#later(() => this.emit('break', lengthMs))
      return this.listenerCount('break') > 0
    }
    this.closed = session.closed.then(() => {
      this.#later(() => {
        this.#isOver = true
        this.emit('close')
      })
    })
  }

  /** The terminal's type, for instance `xterm-256color`; undefined when the client did not ask for a terminal. */
  get termType(): string | undefined {
    return this.#pty?.term
  }

  /** The terminal's latest size. */
  get termSize(): TerminalSize | undefined {
    const pty = this.#pty
    if (pty === undefined) return undefined
    const { columns, rows, widthPixels, heightPixels } = pty
    return { columns, rows, widthPixels, heightPixels }
  }

  get termModes(): TerminalModes | undefined {
    return this.#pty?.modes
  }

  /**
   * Variables for a program of this machine that runs for the client, as sshd makes them: the few of this process that
   * every program needs (`PATH`, `HOME`, `LANG` and the like), or `base`; those that the server set for the user; `TERM`,
   * `SSH_CLIENT`, `SSH_CONNECTION`, and with a forced command `SSH_ORIGINAL_COMMAND`. What else this process has is left
   * out, as the client may read it (`base: process.env` gives all). What the client set is left out, but for names in
   * `accept`: others could make a program run what it should not (`LD_PRELOAD`, `BASH_ENV`).
   * @example process.redirect(spawn('backup', { env: process.childEnv({ accept: ['LANG', 'LC_*'] }) }))
   */
  childEnv(options: ChildEnvOptions = {}): Record<string, string> {
    const { env: clientEnv, originalCommand, termType, info } = this
    return childEnv({ clientEnv, imposedEnv: this.#imposedEnv, originalCommand, termType, info }, options)
  }

  /**
   * Connects to the agent that the client lends. With `agentPath: process` as an option, `connect` logs in onward with the
   * client's keys.
   * @throws as `openAgentConnection` of the connection
   */
  async openAgentConnection(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Duplex> {
    if (this.#openAgentConnection !== undefined) return await this.#openAgentConnection(options)
    throw new AgentError('ERR_SSH_AGENT_NOT_LENT', 'This process did not come over a connection that lends agents')
  }

  /** Ends the process: sends what was written, then the status. Only the first exit counts. @param status 0 to 255 */
  exit(status: number): void {
    this.#exit(() => this.#session.exit(status))
  }

  /**
   * Ends the process as if by a signal: sends what was written, then the signal. Only the first exit counts.
   * @param signal name with or without `SIG`, or number
   * @throws ChannelError `ERR_SSH_CHANNEL_UNKNOWN_SIGNAL`
   */
  exitWithSignal(signal: string | number, details?: Partial<Omit<ExitSignal, 'name'>>): void {
    const name = signalName(signal)
    this.#exit(() => this.#session.exitWithSignal(name, details))
  }

  /** Ends the session without a status, after what was written has been sent. */
  close(): Promise<void> {
    this.#exit(() => void this.#session.close())
    return this.closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Runs the session on something else.
   *
   * With a `ChildProcess`, or the process of another connection: connects the three streams, relays signals, breaks and
   * sizes, ends it when the client goes away, and exits as it does: `await process.redirect(spawn('sort'))`. Lines are not
   * edited here any more; a child that needs a terminal gets one from `spawnPty`. With streams: connects those, and
   * leaves the exit to the handler. Back-pressure holds all the way.
   *
   * @returns settles when everything has been passed on
   * @throws Error when the child cannot be started (the client is told status 127 or 126) or a stream fails; a rejection
   *   nobody handles is not reported as one
   */
  redirect(target: Redirectable | ServerRedirect): Promise<void> {
    const done = 'kill' in target ? this.#run(target) : this.#connect(target)
    done.catch(ignoreError)
    return done
  }

  async #connect({ stdin, stdout, stderr }: ServerRedirect): Promise<void> {
    const pumps: Pump[] = []
    if (stdin) pumps.push(pump(this.stdin, stdin))
    if (stdout) pumps.push(pump(stdout, this.stdout, { endTarget: false }))
    if (stderr) pumps.push(pump(stderr, this.stderr, { endTarget: false }))
    await Promise.all(pumps.map(({ done }) => done))
  }

  async #run(child: Redirectable): Promise<void> {
    this.terminal?.setLineMode(false)
    const relaySignal = (name: string) => {
      try {
        child.kill(name as never)
      } catch {
        // The client chose the name, and this child knows no such signal.
      }
    }
    const relaySize = ({ columns, rows, widthPixels, heightPixels }: TerminalSize) =>
      child.resize?.(columns, rows, widthPixels, heightPixels)
    const relayBreak = (lengthMs: number) => void Promise.resolve(child.sendBreak?.(lengthMs)).catch(ignoreError)
    const hangUp = () => (child.hangUp === undefined ? relaySignal('SIGHUP') : child.hangUp())
    this.on('signal', relaySignal).on('resize', relaySize).on('break', relayBreak).once('close', hangUp)
    try {
      const ended = new Promise<Ending>((resolve, reject) => {
        child.once('error', reject)
        child.once('close', (code, signal) => resolve([code, signal]))
        const ending = endingOf(child)
        if (ending !== undefined) resolve(ending)
      })
      // Nobody is told a second time that the client has gone.
      if (this.#isOver) hangUp()
      // A child that does not read all of its input is no failure.
      if (child.stdin) pump(this.stdin, child.stdin)
      const outputs: Pump[] = []
      if (child.stdout) outputs.push(pump(child.stdout, this.stdout, { endTarget: false }))
      if (child.stderr) outputs.push(pump(child.stderr, this.stderr, { endTarget: false }))
      const [code, signal] = await ended
      await Promise.all(outputs.map(({ done }) => done.catch(ignoreError)))
      if (signal !== null) this.exitWithSignal(signal)
      else if (code !== null) this.exit(code)
      else void this.close()
    } catch (error) {
      // What a shell says of a program that is not there, and of one that cannot be run.
      this.exit(isNotFound(error) ? 127 : 126)
      throw error
    } finally {
      this.off('signal', relaySignal).off('resize', relaySize).off('break', relayBreak).off('close', hangUp)
    }
  }

  #plainStreams(): StandardStreams {
    const { channel, stderr: errors } = this.#session
    const stdin = new ByteReadable(channel)
    const stdout = new ByteWritable(channel)
    const stderr = new ByteWritable(errors)
    channel.attach({
      ...stdin.handlers,
      ...stdout.handlers,
      onClose: (error) => {
        stdin.handlers.onClose(error)
        stdout.handlers.onClose(error)
        if (error !== undefined) this.#broken(error)
      },
    })
    errors.attach(stderr.handlers)
    return { stdin, stdout, stderr }
  }

  #terminalStreams(settings: TerminalSettings | undefined): TerminalStreams | undefined {
    const pty = this.#pty
    if (settings === undefined || pty === undefined || this.subsystem !== undefined) return undefined
    return new TerminalStreams(this.#session, pty, settings, {
      onBreak: () => this.#later(() => this.#interrupted()),
      onEof: () => {
        if (this.listenerCount('eof') === 0) return false
        this.#later(() => this.emit('eof'))
        return true
      },
      onError: (error) => this.#later(() => this.#fail(error)),
      onBroken: (error) => this.#broken(error),
    })
  }

  /** A program that does not care for an interrupt is ended by it. */
  #interrupted(): void {
    if (this.listenerCount('break') > 0) this.emit('break', 0)
    else this.exitWithSignal('SIGINT')
  }

  #fail(error: unknown): void {
    this.#onError?.(error)
    this.exit(1)
  }

  #broken(error: Error): void {
    this.#later(() => this.listenerCount('error') > 0 && this.emit('error', error))
  }

  get #pty(): Pty | undefined {
    return this.#session.pty
  }

  /** Lets the streams hand on what they hold before the session says how it ended. */
  #exit(sendExit: () => void): void {
    if (this.#isExiting) return
    this.#isExiting = true
    let open = 2
    for (const stream of [this.stdout, this.stderr]) {
      finished(stream, () => {
        open -= 1
        if (open === 0) sendExit()
      })
      stream.end()
    }
  }

  /** Never within the delivery of a packet: what a listener throws is the program's own affair. */
  #later(action: () => unknown): void {
    process.nextTick(action)
  }
}

type Ending = readonly [code: number | null, signal: string | null]

/** How a program ended of which no event is to come; undefined while it runs, or has output that nobody took. */
function endingOf({ exitCode = null, signalCode = null, stdin, stdout, stderr }: Redirectable): Ending | undefined {
  const isOpen = [stdin, stdout, stderr].some((stream) => stream?.closed === false)
  return isOpen || (exitCode === null && signalCode === null) ? undefined : [exitCode, signalCode]
}

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
