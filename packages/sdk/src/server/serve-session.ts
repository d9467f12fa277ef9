/** Answers one session of a client as the options of `listen` say: with a process handler, or with files. */

import { finished } from 'node:stream/promises'
import {
  type AgentSocket,
  type ForwardedX11,
  type InternalSftp,
  type Logger,
  OptionsError,
  parseInternalSftp,
  parseOptions,
  type ServerConnection,
  type ServerConnectionInfo,
  type SessionRequest,
  type SessionServer,
} from '@ssh/conn'
import { type ServeSftpOptions, type SftpHandler, SftpServer, serveSftp } from '@ssh/sftp'
import { ignoreError } from '@ssh/streams'
import { closedBy } from '@ssh/wire'
import { toPattern } from '../process/environment.js'
import { serveProcess } from '../process/serve-process.js'
import { symlinkOrderOf } from '../symlink-order.js'
import type { TerminalSettings } from '../terminal/terminal-streams.js'
import { scpRunner } from './serve-scp-command.js'
import { type ParsedSessionOptions, type ProcessHandler, type SftpFolder, sftpFolderSchema } from './server-options.js'

/**
 * Accepts a session and starts what the client asks for in it.
 * @throws ConfigParseError, OptionsError when what may run in it cannot be held to what was said of it
 * @param handler what the builder's `sessionRequested` chose; undefined leaves it to the options
 */
export function serveSession(
  request: SessionRequest,
  options: ParsedSessionOptions,
  handler: ProcessHandler | undefined,
  logger: Logger | undefined,
): void {
  const { connection } = request
  const { restrictions } = connection
  const { sftpFactory = false, sftpVersion } = options
  // The command of an authorized_keys line replaces whatever the client asks for.
  const forcedCommand = restrictions.find(({ command }) => command !== undefined)?.command
  const forcedSftp = forcedCommand === undefined ? undefined : parseInternalSftp(forcedCommand)
  if (connection.configured?.sftpRoot !== undefined && forcedSftp === undefined) {
    throw new OptionsError('ChrootDirectory of sshd_config locks files in, and no forced command but internal-sftp')
  }
  const sftp = forcedSftp ?? connection.configured?.sftp
  const environment = new Map([...restrictions].reverse().flatMap(({ environment }) => [...environment]))
  let x11: ForwardedX11 | undefined
  let agent: AgentSocket | undefined
  serveProcess<ServerConnectionInfo>((handlers) => request.accept(handlers), {
    info: connection.info,
    handler: handler ?? handlerOf(options),
    forcedCommand,
    environment,
    agentPath: () => agent?.path,
    openAgentConnection: (agentOptions) => connection.openAgentConnection(agentOptions),
    onAgentForwarding: async (session) => {
      const socket = await connection.openAgentSocket()
      void session.closed.then(() => socket.close())
      agent = socket
      environment.set('SSH_AUTH_SOCK', socket.path)
      return true
    },
    x11Display: () => x11?.display,
    onX11: async (session, x11Request) => {
      x11 = await connection.forwardX11(session, x11Request)
      if (x11 !== undefined) environment.set('DISPLAY', x11.display).set('XAUTHORITY', x11.authPath)
      return x11 !== undefined
    },
    subsystems:
      sftpFactory === false
        ? undefined
        : new Map([
            ['sftp', (session: SessionServer) => serveFiles(session, connection, sftpFactory, sftp, sftpVersion)],
          ]),
    commandRunner:
      options.allowScp && sftpFactory !== false
        ? (command) => scpRunner(command, () => openSource(connection, sftpFactory, sftp))
        : undefined,
    acceptEnv: envFilter(options.acceptEnv ?? connection.configured?.acceptEnv),
    acceptPty: () => options.allowPty !== false && restrictions.every(({ allowPty }) => allowPty),
    lineEditor: lineEditorOf(options),
    onError: (error) => logger?.warn?.({ layer: 'session', event: 'handler-failed', error }),
  })
}

/** Which variables a client may set; undefined: all. */
function envFilter(names: readonly string[] | undefined): ((name: string) => boolean) | undefined {
  if (names === undefined) return undefined
  const patterns = names.map(toPattern)
  return (name) => patterns.some((pattern) => pattern.test(name))
}

function lineEditorOf(options: ParsedSessionOptions): TerminalSettings | undefined {
  const { lineEditor = true, lineEcho = true, lineHistory = 1000, maxLineLength = 1024 } = options
  return lineEditor ? { echo: lineEcho, history: lineHistory, maxLineLength } : undefined
}

function handlerOf({ processFactory, sessionFactory }: ParsedSessionOptions): ProcessHandler | undefined {
  if (processFactory !== undefined || sessionFactory === undefined) return processFactory
  return async (process) => {
    const { stdin, stdout, stderr } = process
    const work = sessionFactory(stdin, stdout, stderr)
    if (work instanceof Promise) await work
    else await finished(stdout).catch(ignoreError)
    process.exit(0)
  }
}

async function serveFiles(
  session: SessionServer,
  connection: ServerConnection,
  factory: SftpSource,
  sftp: InternalSftp | undefined,
  sftpVersion: ServeSftpOptions['sftpVersion'],
): Promise<void> {
  const { handler, readOnly } = await openSource(connection, factory, sftp)
  const symlinkOrder = symlinkOrderOf(connection.info.clientVersion)
  // Closing is a program's good end: some clients count a missing exit status as a failure.
  const channel = closedBy(session.channel, () => session.exit(0))
  await serveSftp(channel, handler, { readOnly, symlinkOrder, ...(sftpVersion && { sftpVersion }) }).closed
}

type SftpSource = Exclude<ParsedSessionOptions['sftpFactory'], undefined | false>

interface OpenSource {
  readonly handler: SftpHandler<unknown>
  readonly readOnly: boolean
}

async function openSource(
  connection: ServerConnection,
  source: SftpSource,
  sftp: InternalSftp | undefined,
): Promise<OpenSource> {
  const root = connection.configured?.sftpRoot
  // A handler of the builder's own cannot be locked in from here; a folder can.
  if (root !== undefined && typeof source === 'function') {
    throw new OptionsError('ChrootDirectory of sshd_config holds for folders only, and sftpFactory is a function')
  }
  const folder = source === true ? {} : source
  if (typeof folder !== 'function') return openFolder(root === undefined ? folder : { ...folder, root }, sftp)
  const made = await folder({ connection, username: connection.info.username })
  if (isHandler(made)) {
    // To leave it out would allow more.
    if (sftp?.umask !== undefined) {
      throw new OptionsError('-u of internal-sftp holds for folders only, and sftpFactory made a handler of its own')
    }
    return { handler: made, readOnly: sftp?.readOnly ?? false }
  }
  return openFolder(parseOptions('what sftpFactory made', sftpFolderSchema, made), sftp)
}

/** A folder by the options of code, and by those of the command: of two limits both hold. */
function openFolder({ readOnly = false, ...options }: SftpFolder, sftp: InternalSftp | undefined): OpenSource {
  const { umask, startDirectory } = sftp ?? {}
  const handler = new SftpServer({
    ...(startDirectory?.startsWith('/') && { startDirectory }),
    ...options,
    ...(umask !== undefined && { modeMask: (options.modeMask ?? 0o777) & ~umask }),
  })
  return { handler, readOnly: readOnly || (sftp?.readOnly ?? false) }
}

function isHandler(made: SftpHandler<unknown> | SftpFolder): made is SftpHandler<unknown> {
  return 'open' in made && typeof made.open === 'function'
}
