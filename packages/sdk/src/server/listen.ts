/** The way in for servers. */

import {
  type Logger,
  listenServer,
  OptionsError,
  parseOptions,
  type ServerCallbacks,
  type SessionRequest,
  type SshServer,
} from '@ssh/conn'
import { serveSession } from './serve-session.js'
import {
  type ListenOptions,
  type ParsedSessionOptions,
  type SshServerCallbacks,
  sessionOptionsSchema,
} from './server-options.js'

/**
 * Listens for SSH connections.
 *
 * @throws OptionsError when an option is unknown or of the wrong kind, or nobody could log in
 * @throws KeyImportError, KeyEncryptionError when a host key cannot be used
 * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED` when the port cannot be had
 * @throws AbortError
 * @example
 * await using server = await listen({
 *   host: '127.0.0.1', port: 8022, serverHostKeys: ['ssh_host_key'], authorizedClientKeys: 'authorized_keys',
 *   processFactory: (process) => {
 *     process.stdout.write(`hello ${process.info.username}\n`)
 *     process.exit(0)
 *   },
 * })
 */
export async function listen(options: ListenOptions): Promise<SshServer> {
  const { forSessions, forProtocol } = divide(options)
  const sessions = parseOptions('listen', sessionOptionsSchema, forSessions)
  if (options.authorizedClientKeys === undefined && options.serverFactory === undefined) {
    throw new OptionsError(
      'Nobody could log in: give authorizedClientKeys, or a serverFactory whose callbacks decide who may',
    )
  }
  return listenServer({
    ...forProtocol,
    serverFactory: async (connection) =>
      withSessions((await sessions.serverFactory?.(connection)) ?? {}, sessions, options.logger),
  })
}

function divide(options: ListenOptions): {
  forSessions: Partial<ParsedSessionOptions>
  forProtocol: Omit<ListenOptions, keyof ParsedSessionOptions>
} {
  const { serverFactory, processFactory, sessionFactory, sftpFactory, allowPty, ...forProtocol } = options
  return { forSessions: { serverFactory, processFactory, sessionFactory, sftpFactory, allowPty }, forProtocol }
}

const protocolCallbacks = [
  'connectionMade',
  'connectionLost',
  'beginAuth',
  'authCompleted',
  'validatePublicKey',
  'validatePassword',
  'changePassword',
  'getKbdintChallenge',
  'validateKbdintResponse',
] as const satisfies readonly (keyof ServerCallbacks)[]

/** The builder's callbacks, bound to their object, and sessions answered as it or the options say. */
function withSessions(
  callbacks: SshServerCallbacks,
  options: ParsedSessionOptions,
  logger: Logger | undefined,
): ServerCallbacks {
  // Only those that are there: which methods a server offers follows from which callbacks exist.
  const bound = Object.fromEntries(
    protocolCallbacks.flatMap((name) => {
      const callback = callbacks[name]
      return callback === undefined ? [] : [[name, callback.bind(callbacks)]]
    }),
  )
  return {
    ...bound,
    sessionRequested: async (request: SessionRequest) => {
      const answer = (await callbacks.sessionRequested?.()) ?? true
      if (answer === false) return request.reject()
      serveSession(request, options, typeof answer === 'function' ? answer : undefined, logger)
    },
  }
}
