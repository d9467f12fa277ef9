/** Starts a command, a shell or a subsystem on the server. */

import {
  type ClientConnection,
  type ConfiguredSessions,
  OptionsError,
  parseOptions,
  type SessionClient,
  type SessionHandlers,
  type StartOptions,
  type TracedConnection,
} from '@ssh/conn'
import { defaultMaxBuffer } from '@ssh/streams'
import { SessionEvents, SshClientProcess } from './client-process.js'
import { environmentOf } from './environment.js'
import {
  type OutputEncoding,
  type OutputOf,
  type ParsedProcessOptions,
  type ProcessOptions,
  processOptionsSchema,
} from './process-options.js'
import { type Command, commandLine } from './quote.js'
import { closeRedirects, openRedirects } from './redirect.js'
import type { Output } from './result.js'
import { lendTerminal, ptyOptions } from './terminal.js'
import { traceProgram } from './trace-program.js'
import { ProcessX11, type X11Preparer, type X11ProcessOptions } from './x11.js'

/** Opens a session in which nothing runs yet: `openSession` of `@ssh/conn` with a connection's mux. */
export type SessionFactory = (options: {
  readonly handlers: SessionHandlers
  readonly signal: AbortSignal | undefined
}) => Promise<SessionClient>

/** What a connection says about all of its sessions. */
export interface SessionDefaults extends X11ProcessOptions {
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly sendEnv?: string | readonly string[] | undefined
  /** What ssh_config says of sessions, beside variables and X11. */
  readonly configured?: ConfiguredProgram | undefined
  readonly prepareX11?: X11Preparer | undefined
  /** For tracing: which connection this is. */
  readonly connection?: (() => TracedConnection) | undefined
  /** `grantAgent` of a connection. */
  readonly grantAgent?: ClientConnection['grantAgent'] | undefined
}

/** What runs, and in which terminal, where nobody says so. */
export type ConfiguredProgram = Pick<ConfiguredSessions, 'command' | 'subsystem' | 'requestPty'>

/** What a connection says of its sessions; or how to find out, where it is not known yet which connection it will be. */
export type DefaultsSource = SessionDefaults | ((signal: AbortSignal | undefined) => Promise<SessionDefaults>)

/** @throws as the function that asks */
export async function resolveDefaults(
  source: DefaultsSource,
  signal: AbortSignal | undefined,
): Promise<SessionDefaults> {
  return typeof source === 'function' ? source(signal) : source
}

/**
 * Starts a process.
 *
 * @param command absent: the subsystem of the options, what ssh_config says (RemoteCommand), or the user's shell
 * @throws OptionsError when the options contradict each other or one is unknown
 * @throws ChannelOpenError when the server allows no more sessions
 * @throws ChannelError `ERR_SSH_CHANNEL_REQUEST_REFUSED` when it refuses the program, the terminal or X11
 * @throws X11Error with `x11Forwarding: true` when there is no display here
 * @throws AbortError when `signal` fires before the process has started
 * @throws Error the system's, when a file to redirect to cannot be opened; what ended the connection
 */
export async function createProcess<E extends OutputEncoding | undefined = undefined>(
  openSession: SessionFactory,
  command?: Command,
  options: ProcessOptions & { readonly encoding?: E } = {},
  source: DefaultsSource = {},
): Promise<SshClientProcess<OutputOf<E>>> {
  const parsed = parseOptions('createProcess', processOptionsSchema, options)
  const { encoding = 'utf8' } = parsed
  const streamEncoding = parsed.encoding === undefined || parsed.encoding === 'buffer' ? undefined : parsed.encoding
  const defaults = await resolveDefaults(source, parsed.signal)
  return startProcess<OutputOf<E>>(openSession, command, parsed, { ...defaults, encoding, streamEncoding })
}

/** Starts a process whose options are parsed. `run` shares it. */
export async function startProcess<O extends Output>(
  openSession: SessionFactory,
  command: Command | undefined,
  options: ParsedProcessOptions,
  settings: SessionDefaults & {
    readonly encoding: OutputEncoding
    readonly streamEncoding: BufferEncoding | undefined
  },
): Promise<SshClientProcess<O>> {
  const startedAt = performance.now()
  const program = programOf(command, options, settings.configured)
  const env = environmentOf({ ...settings.env, ...options.env }, [settings.sendEnv ?? [], options.sendEnv ?? []].flat())
  const { signal, input, stdin = input === undefined ? undefined : inputSource(input) } = options
  const x11 = await ProcessX11.prepare({ ...settings, ...options }, settings.prepareX11)
  const redirects = await openRedirects({ ...options, stdin })
  const events = new SessionEvents()
  const session = await openSession({ handlers: events.handlers, signal }).catch((error: unknown) => {
    closeRedirects(redirects)
    throw error
  })
  try {
    const remote = new SshClientProcess<O>(
      session,
      events,
      {
        command: program.type === 'exec' ? program.command : undefined,
        subsystem: options.subsystem,
        env,
        encoding: settings.encoding,
        streamEncoding: settings.streamEncoding,
        maxBuffer: options.maxBuffer ?? defaultMaxBuffer,
        mergeErrors: options.stderr === 'stdout',
        startedAt,
      },
      redirects,
    )
    const pty = ptyOptions({ ...options, requestPty: options.requestPty ?? wantsPty(options, settings.configured) })
    // Not taken back when the request is refused: OpenSSH's server agrees once, and then lets every later session of the
    // connection use the agent all the same.
    const agent = settings.grantAgent?.(session, options.agentForwarding)
    const started = session.start({
      program,
      pty,
      agentForwarding: agent !== undefined,
      env: Object.entries(env),
      ...x11.startOptions(session),
      signal,
    })
    traceProgram(started, session, { program, hasPty: pty !== undefined, connection: settings.connection })
    // Input is on its way before the answer is here: it costs no further round trip.
    if (typeof input === 'string' || input instanceof Uint8Array) remote.stdin.end(input)
    remote.refused = await started
    x11.started(remote.refused)
    if (pty !== undefined && options.stdin === 'inherit') lendTerminal(remote)
    return remote
  } catch (error) {
    session.abort()
    throw error
  }
}

type TextProgram =
  | Exclude<StartOptions['program'], { type: 'exec' }>
  | { readonly type: 'exec'; readonly command: string }

function programOf(
  command: Command | undefined,
  options: ParsedProcessOptions,
  configured: ConfiguredProgram | undefined,
): TextProgram {
  const { subsystem, cwd, input, stdin } = options
  if (input !== undefined && stdin !== undefined) throw contradiction('input', 'stdin')
  if (subsystem !== undefined) {
    if (command !== undefined) throw contradiction('subsystem', 'a command')
    if (cwd !== undefined) throw contradiction('subsystem', 'cwd')
    return { type: 'subsystem', name: subsystem }
  }
  if (command !== undefined) return { type: 'exec', command: commandLine(command, cwd) }
  if (cwd !== undefined) throw new OptionsError('cwd needs a command; a shell starts in the directory of the login')
  if (configured?.subsystem !== undefined) return { type: 'subsystem', name: configured.subsystem }
  if (configured?.command !== undefined) return { type: 'exec', command: configured.command }
  return { type: 'shell' }
}

/** RequestTTY of ssh_config: `yes` asks for a terminal where ours is lent. */
function wantsPty({ stdin }: ParsedProcessOptions, configured: ConfiguredProgram | undefined): boolean {
  const { requestPty } = configured ?? {}
  return requestPty === 'force' || (requestPty === 'yes' && stdin === 'inherit' && process.stdin.isTTY)
}

function contradiction(one: string, other: string): OptionsError {
  return new OptionsError(`${one} and ${other} contradict each other; give one of them`)
}

function inputSource(input: NonNullable<ParsedProcessOptions['input']>): ParsedProcessOptions['stdin'] {
  return typeof input === 'string' || input instanceof Uint8Array ? 'pipe' : input
}
