/** From a destination to an authenticated connection: dial, trust, log in, within the time and signal given. */

import type { Duplex } from 'node:stream'
import { signatureAlgorithms } from '@ssh/crypto'
import { ignoreError } from '@ssh/streams'
import { disconnectReasons, extensions, SshError } from '@ssh/wire'
import { chooseAlgorithms } from '../algorithm-lists.js'
import { Deferred } from '../deferred.js'
import { DisconnectError, OptionsError } from '../errors.js'
import { LinkJournal } from '../link-journal.js'
import { parseOptions } from '../options-schema.js'
import type { LinkOptions } from '../peer-link.js'
import { choosePreferences, chooseUserSignatures, patience, rekeyLimits } from '../protocol-options.js'
import { type ConnectTrace, connectChannel, traced } from '../tracing.js'
import { ClientAuth } from '../userauth/client-auth.js'
import { displayText } from '../userauth/display-text.js'
import { softwareVersion } from '../version.js'
import { ClientLink, type ClientTarget } from './client-link.js'
import { type ClientOptions, clientOptionsSchema, type ParsedClientOptions } from './client-options.js'
import type { Configured } from './configured.js'
import { ConnectLimit } from './connect-limit.js'
import { Credentials } from './credentials.js'
import { type Destination, parseDestination } from './destination.js'
import { HostKeyAnnouncement } from './host-key-announcement.js'
import { HostKeyCheck } from './host-key-check.js'
import { LoginAgent } from './login-agent.js'
import { checkStreamOptions, explainLoss, missingConnection, openStream } from './open-stream.js'
import { resolveTarget } from './resolve-target.js'

const defaultKeepaliveMs = 15_000

/**
 * Connects and logs in.
 * @param forHops what jump hosts inherit from; default: the options themselves
 * @returns the established link, for a {@link ClientConnection} to be made of
 * @throws OptionsError, ConfigParseError, ConnectError, TimeoutError, HostKeyNotVerifiable, KeyExchangeFailed,
 *   PermissionDenied, KeyImportError, KeyEncryptionError, ConnectionLost, DisconnectError, ProtocolError, AbortError
 */
export function establishClient(
  destination: Destination,
  options: ClientOptions = {},
  forHops: ClientOptions = options,
): Promise<ClientLink> {
  return establish(destination, options, { forHops, depth: 0 })
}

/** What there is to know about jump hosts of a connection. */
interface HopContext {
  /** What they inherit from. */
  readonly forHops: ClientOptions
  /** How many there are already, each on the way to the next because ssh_config says so. */
  readonly depth: number
}

async function establish(destination: Destination, options: ClientOptions, hops: HopContext): Promise<ClientLink> {
  return traced(
    connectChannel,
    () => asWritten(destination, options),
    async (trace) => {
      const link = await dialAndLogIn(destination, options, hops, trace)
      if (trace !== undefined) Object.assign(trace, describeLink(link))
      return link
    },
  )
}

/** Where to, as far as the caller said it. */
function asWritten(destination: Destination, { port, username }: ClientOptions): ConnectTrace {
  try {
    const written = parseDestination(destination)
    return { host: written.host, port: written.port ?? port, username: written.username ?? username }
  } catch {
    return { host: '', port, username }
  }
}

function describeLink({ localIdentification, peer, algorithms }: ClientLink): Partial<ConnectTrace> {
  return {
    clientVersion: localIdentification,
    serverVersion: peer.transport.remoteIdentification ?? '',
    ...(algorithms && { algorithms }),
  }
}

async function dialAndLogIn(
  destination: Destination,
  options: ClientOptions,
  { forHops, depth }: HopContext,
  trace: ConnectTrace | undefined,
): Promise<ClientLink> {
  const given = parseOptions('connect', clientOptionsSchema, options)
  checkStreamOptions(given)
  const { sock: socket } = given
  // An error that comes before anybody reads must not crash the process; whoever reads will be told of it.
  socket?.on('error', ignoreError)
  let stream: Duplex | undefined = socket
  let agent: LoginAgent | undefined
  let journal: LinkJournal | undefined
  const limit = new ConnectLimit(given.signal, given.connectTimeout)
  try {
    limit.step = 'the configuration of this machine'
    const { target, options: parsed, configured } = await limit.race(resolveTarget(destination, given, limit.signal))
    limit.limitTo(parsed.connectTimeout)
    limit.where = `${target.host} port ${target.port}`
    if (trace !== undefined) Object.assign(trace, target)
    journal = new LinkJournal(parsed.logger, () => ({ role: 'client', ...target }))
    journal.connecting()
    // What the user gave is read first: a key that cannot be used should fail before anything is sent.
    limit.step = 'a key or the known hosts of this machine'
    agent = new LoginAgent(parsed.agentPath)
    const [credentials, hostKeyCheck] = await limit.race(
      Promise.all([Credentials.prepare(parsed, agent), HostKeyCheck.prepare(parsed, target.host, target.port)]),
    )
    const userSignatures = chooseUserSignatures(parsed)
    const linkOptions = { ...makeLinkOptions(parsed, hostKeyCheck), journal }
    limit.step = missingConnection(given, parsed)
    stream = await openStream(
      {
        target,
        originalHost: parseDestination(destination).host,
        given,
        resolved: parsed,
        forHops,
        connect: (hop, hopOptions) => establish(hop, hopOptions, { forHops: hopOptions, depth: nextDepth(depth) }),
      },
      limit.signal,
    )
    limit.step = 'key exchange and login'
    limit.signal.throwIfAborted()
    const common = { target, linkOptions, userSignatures, options: parsed, configured, credentials, hostKeyCheck }
    const link = await logIn({ ...common, socket: stream }, limit.signal)
    limit.step = 'the agent that addKeysToAgent hands the key to'
    await limit.race(credentials.keepInAgent(agent))
    return link
  } catch (error) {
    if (stream === undefined) journal?.connectFailed(error)
    stream?.destroy()
    throw explainLoss(stream, error)
  } finally {
    agent?.close()
    limit.release()
  }
}

/** Jump hosts that are reached through jump hosts of their own; more are a circle in ssh_config. */
const maximumDepth = 16

function nextDepth(depth: number): number {
  if (depth < maximumDepth) return depth + 1
  throw new OptionsError(
    'Each jump host is reached through another one, without an end: the ProxyJump of ssh_config holds for the jump host itself; say "ProxyJump none" for it',
  )
}

function makeLinkOptions(options: ParsedClientOptions, check: HostKeyCheck): LinkOptions {
  const hostKeyNames = chooseAlgorithms('serverHostKeyAlgs', options.serverHostKeyAlgs, {
    names: signatureAlgorithms.names,
    defaultNames: check.orderAlgorithms(signatureAlgorithms.defaultNames),
  })
  return {
    transport: {
      role: 'client',
      identification: options.clientVersion ?? softwareVersion,
      algorithms: choosePreferences('client', options, hostKeyNames),
      rekey: rekeyLimits(options),
    },
    ...patience(options, defaultKeepaliveMs),
  }
}

interface Login {
  readonly target: ClientTarget
  readonly socket: Duplex
  readonly linkOptions: LinkOptions
  readonly userSignatures: readonly string[]
  readonly options: ParsedClientOptions
  readonly configured: Configured
  readonly credentials: Credentials
  readonly hostKeyCheck: HostKeyCheck
}

/** @param limit aborts with the error to fail with */
async function logIn(login: Login, limit: AbortSignal): Promise<ClientLink> {
  const { target, options, credentials, hostKeyCheck } = login
  const { journal } = login.linkOptions
  const established = new Deferred<void>()
  let auth: ClientAuth | undefined
  let serverSignatureAlgorithms: readonly string[] | undefined
  const link: ClientLink = new ClientLink(target, login.socket, login.linkOptions, {
    onHostKey: (offer) => {
      hostKeyCheck.verify(offer).then(
        () => {
          journal?.hostKeyJudged(offer)
          link.hostKey = offer.key
          link.peer.acceptHostKey()
        },
        (error: Error) => {
          journal?.hostKeyJudged(offer, error)
          link.abort(error)
        },
      )
    },
    createAuth: ({ sessionIdentifier, send, succeeded, failed }) => {
      auth = new ClientAuth(
        {
          userName: target.username,
          sessionIdentifier,
          preferredAuth: credentials.methods,
          // Keys of an agent may sign by algorithms that are known nowhere here, unless the user said which are wanted.
          ...(options.signatureAlgs !== undefined && { signatureAlgorithms: login.userSignatures }),
          ...(serverSignatureAlgorithms && { serverSignatureAlgorithms }),
          optimisticPublickey: credentials.hasObviousKey,
          answerPromptsWithPassword: credentials.answersPromptsWithPassword,
          disableTrivialAuth: options.disableTrivialAuth ?? false,
        },
        {
          send,
          onRequest: (attempt) => journal?.authBegins(attempt),
          onAttempt: (attempt) => journal?.authAttempt(attempt),
          onQuestion: (question) => credentials.answer(question),
          onBanner: (message, languageTag) => link.tell('banner', message, languageTag),
          onSuccess: () => succeeded(),
          onFailure: failed,
        },
      )
      auth.start()
      return auth
    },
    onExtensionInfo: (received) => {
      const names = received.get('server-sig-algs')
      if (names === undefined) return
      const { algorithms } = extensions.decode('server-sig-algs', names)
      serverSignatureAlgorithms = Buffer.from(algorithms).toString('latin1').split(',')
      auth?.setServerSignatureAlgorithms(serverSignatureAlgorithms)
    },
    onKeysChanged: (change) => {
      link.algorithms = change.algorithms
      if (!change.isFirst) link.tell('rekey')
    },
    onDebug: (message, alwaysDisplay) => link.tell('debug', displayText(message), alwaysDisplay),
    onAuthenticated: () => {
      journal?.authenticated()
      established.resolve()
    },
    onEnd: (error) => {
      established.reject(error ?? link.closedError())
      link.tell('close', error)
    },
  })
  link.agentForwarding.defaults = options
  link.logger = options.logger
  link.configured = login.configured
  const { serverHostKey } = login.linkOptions.transport.algorithms
  const hostKeyAnnouncement = new HostKeyAnnouncement(link, hostKeyCheck, serverHostKey, options.updateHostKeys)
  link.incoming.onGlobalRequest('hostkeys-00@openssh.com', (request) => {
    hostKeyAnnouncement.receive(request.data)
    request.reply(true)
  })
  const giveUp = () => link.destroy(limit.reason)
  limit.addEventListener('abort', giveUp, { once: true })
  try {
    journal?.connected(link.addresses)
    link.start()
    await established.promise
    return link
  } catch (error) {
    link.destroy(link.closedError())
    throw describeFailure(error, auth)
  } finally {
    limit.removeEventListener('abort', giveUp)
  }
}

/** A connection that ended in the middle of authentication failed for what was tried there. */
function describeFailure(error: unknown, auth: ClientAuth | undefined): unknown {
  if (auth === undefined) return error
  const wasRefused = auth.attempts.some((attempt) => attempt.result === 'rejected')
  const isVerdict =
    error instanceof DisconnectError && error.reasonCode === disconnectReasons.noMoreAuthMethodsAvailable
  const wasDropped =
    error instanceof DisconnectError || (SshError.isSshError(error) && error.code === 'ERR_SSH_CONNECTION_LOST')
  return isVerdict || (wasDropped && wasRefused) ? auth.describeFailure(error) : error
}
