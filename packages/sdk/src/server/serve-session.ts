/** Answers one session of a client as the options of `listen` say: with a process handler, or with files. */

import type { KeyRestrictions, Logger, ServerConnection, ServerConnectionInfo, SessionRequest } from '@ssh/conn'
import { type SftpHandler, SftpServer, type SftpServerOptions, serveSftp } from '@ssh/sftp'
import { serveProcess } from '../process/serve-process.js'
import type { ParsedSessionOptions, ProcessHandler } from './server-options.js'

/** The forced command that stands for our own SFTP server, as in OpenSSH. */
const internalSftp = /^internal-sftp(?:\s|$)/

/**
 * Accepts a session and starts what the client asks for in it.
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
  // The command of an authorized_keys line replaces whatever the client asks for.
  const forced = restrictions.find(({ command }) => command !== undefined)?.command
  const isForcedSftp = forced !== undefined && internalSftp.test(forced)
  const { sftpFactory = false } = options
  request.accept((channel) =>
    serveProcess<ServerConnectionInfo>(channel, {
      info: connection.info,
      handler: handler ?? handlerOf(options),
      forcedCommand: isForcedSftp ? undefined : forced,
      subsystems:
        sftpFactory === false
          ? undefined
          : new Map([['sftp', (session) => serveFiles(session, connection, sftpFactory)]]),
      acceptProgram: (program) => !isForcedSftp || (program.type === 'subsystem' && program.name === 'sftp'),
      acceptPty: () => options.allowPty !== false && allows(restrictions, 'allowPty'),
      onError: (error) => logger?.warn?.({ layer: 'session', event: 'handler-failed', error }),
    }),
  )
}

function allows(restrictions: readonly KeyRestrictions[], permission: 'allowPty'): boolean {
  return restrictions.every((restriction) => restriction[permission])
}

function handlerOf({ processFactory, sessionFactory }: ParsedSessionOptions): ProcessHandler | undefined {
  if (processFactory !== undefined || sessionFactory === undefined) return processFactory
  return ({ stdin, stdout, stderr }) => sessionFactory(stdin, stdout, stderr)
}

type Session = ReturnType<typeof serveProcess>
type Factory = Exclude<ParsedSessionOptions['sftpFactory'], false | undefined>

async function serveFiles(session: Session, connection: ServerConnection, factory: Factory): Promise<void> {
  const made = await makeHandler(connection, factory)
  await serveSftp(session.channel, made).closed
  session.exit(0)
}

async function makeHandler(connection: ServerConnection, factory: Factory): Promise<SftpHandler<unknown>> {
  if (factory === true) return new SftpServer()
  if (typeof factory !== 'function') return new SftpServer(factory)
  const made = await factory({ connection, username: connection.info.username })
  return isHandler(made) ? made : new SftpServer(made)
}

function isHandler(made: SftpHandler<unknown> | SftpServerOptions): made is SftpHandler<unknown> {
  return 'open' in made && typeof made.open === 'function'
}
