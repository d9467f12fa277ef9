/** Answers one session of a client as the options of `listen` say: with a process handler, or with files. */

import type { Logger, ServerConnection, ServerConnectionInfo, SessionRequest, SessionServer } from '@ssh/conn'
import { type SftpHandler, SftpServer, type SftpServerOptions, serveSftp } from '@ssh/sftp'
import { serveProcess } from '../process/serve-process.js'
import type { ParsedSessionOptions, ProcessHandler } from './server-options.js'

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
  const { sftpFactory = false } = options
  const serveSftpTo = (session: SessionServer) => serveFiles(session, connection, sftpFactory)
  serveProcess<ServerConnectionInfo>((handlers) => request.accept(handlers), {
    info: connection.info,
    handler: handler ?? handlerOf(options),
    // The command of an authorized_keys line replaces whatever the client asks for.
    forcedCommand: restrictions.find(({ command }) => command !== undefined)?.command,
    environment: new Map(restrictions.flatMap(({ environment }) => [...environment])),
    subsystems: sftpFactory === false ? undefined : new Map([['sftp', serveSftpTo]]),
    acceptPty: () => options.allowPty !== false && restrictions.every(({ allowPty }) => allowPty),
    onError: (error) => logger?.warn?.({ layer: 'session', event: 'handler-failed', error }),
  })
}

function handlerOf({ processFactory, sessionFactory }: ParsedSessionOptions): ProcessHandler | undefined {
  if (processFactory !== undefined || sessionFactory === undefined) return processFactory
  return ({ stdin, stdout, stderr }) => sessionFactory(stdin, stdout, stderr)
}

type Factory = NonNullable<ParsedSessionOptions['sftpFactory']>

async function serveFiles(session: SessionServer, connection: ServerConnection, factory: Factory): Promise<void> {
  const made = await makeHandler(connection, factory)
  await serveSftp(session.channel, made).closed
  session.exit(0)
}

async function makeHandler(connection: ServerConnection, factory: Factory): Promise<SftpHandler<unknown>> {
  if (typeof factory === 'boolean') return new SftpServer()
  if (typeof factory !== 'function') return new SftpServer(factory)
  const made = await factory({ connection, username: connection.info.username })
  return isHandler(made) ? made : new SftpServer(made)
}

function isHandler(made: SftpHandler<unknown> | SftpServerOptions): made is SftpHandler<unknown> {
  return 'open' in made && typeof made.open === 'function'
}
