/** The options of `listen` as the protocol's server takes them: sessions are answered by its callbacks. */

import { statSync } from 'node:fs'
import {
  assertCallbacks,
  assertKnownOptions,
  assertOptions,
  debugLogger,
  type Logger,
  OptionsError,
  parseOptions,
  type ServerCallbacks,
  type ServerConnection,
  type ServerFactory,
  type SessionRequest,
  safeLogger,
} from '@ssh/conn'
import { printable } from '@ssh/wire'
import type { z } from 'zod'
import { serveSession } from './serve-session.js'
import {
  type ParsedSessionOptions,
  type RunServerOptions,
  type SftpFolder,
  type SshServerCallbacks,
  sessionOptionsSchema,
} from './server-options.js'

/**
 * @param what whose options these are, for the error
 * @param schema of the protocol's options
 * @throws OptionsError when nobody knows an option, one about sessions is of the wrong kind, a folder is not there, or nobody could log in
 */
export function protocolOptions<O extends RunServerOptions>(
  what: string,
  options: O,
  schema: z.ZodObject,
): Omit<O, SessionOptionName> & { readonly serverFactory: ServerFactory } {
  assertOptions(what, options, what === 'listen' ? 'for a port write { port: 2222 }' : undefined)
  assertKnownOptions(what, options, sessionOptionsSchema, schema)
  const sessions = parseOptions(what, sessionOptionsSchema, onlySessionOptions(options))
  const { authorizedClientKeys, serverFactory, config } = options
  if (authorizedClientKeys === undefined && serverFactory === undefined && config === undefined) {
    throw new OptionsError(
      'Nobody could log in: give authorizedClientKeys, or a serverFactory whose callbacks decide who may',
    )
  }
  if (typeof sessions.sftpFactory === 'object') assertFolder(sessions.sftpFactory)
  if (sessions.allowScp && !sessions.sftpFactory) {
    throw new OptionsError('allowScp serves the files of sftpFactory, which is not given')
  }
  const makeCallbacks = async (connection: ServerConnection) => {
    const callbacks = (await sessions.serverFactory?.(connection)) ?? {}
    // Here, where they are the builder's own: what is made of them has only what is known.
    assertCallbacks(callbacks)
    return withSessions(callbacks, sessions, options.logger ? safeLogger(options.logger) : debugLogger())
  }
  return {
    ...withoutSessionOptions(options),
    serverFactory: Object.assign(makeCallbacks, { admitsNobody: sessions.serverFactory === undefined }),
  }
}

/** A folder that is not there should be heard of now, and not by the first client. */
function assertFolder({ root }: SftpFolder): void {
  if (root === undefined || statSync(root, { throwIfNoEntry: false })?.isDirectory()) return
  throw new OptionsError(`sftpFactory.root is no directory: ${printable(root)}`)
}

type SessionOptionName = keyof ParsedSessionOptions

/** What of some options is the protocol's; it refuses what it does not know. */
export function withoutSessionOptions<O extends object>(options: O): Omit<O, SessionOptionName> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !isSessionOption(name))) as Omit<
    O,
    SessionOptionName
  >
}

function onlySessionOptions(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([name]) => isSessionOption(name)))
}

function isSessionOption(name: string): boolean {
  return name in sessionOptionsSchema.shape
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
  'connectionRequested',
  'unixConnectionRequested',
  'serverRequested',
  'unixServerRequested',
  'tunRequested',
  'tapRequested',
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
