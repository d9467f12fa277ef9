/** One accepted socket becomes a server connection: key exchange, login, sessions. */

import type { Duplex } from 'node:stream'
import type { PrivateKey } from '@ssh/crypto'
import { disconnectReasons, SshError } from '@ssh/wire'
import type { AuthorizedKeys } from '../config/authorized-keys.js'
import { defaultMuxLimits } from '../connection/limits.js'
import { LinkJournal } from '../link-journal.js'
import type { AuthHalf, PeerAuth } from '../peer/peer-options.js'
import { patience, rekeyLimits } from '../protocol-options.js'
import type { TracedConnection } from '../tracing.js'
import type { AlgorithmPreferences } from '../transport/transport-options.js'
import { displayText } from '../userauth/display-text.js'
import { ServerAuth } from '../userauth/server-auth.js'
import { softwareVersion } from '../version.js'
import { assertCallbacks } from './assert-callbacks.js'
import { forwardSettings } from './forwarding/forward-options.js'
import { HostKeyProofs } from './host-key-proofs.js'
import type { ServerConfigFile } from './resolve-config.js'
import { type Grant, ServerAuthAnswers } from './server-auth-answers.js'
import type { ServerCallbacks } from './server-callbacks.js'
import { ServerLink } from './server-link.js'
import type { ParsedServerConnectionOptions } from './server-options.js'
import { TunRequests } from './tun-requests.js'
import { closedPolicy, findUserPolicy, type UserPolicy } from './user-policy.js'
import { X11Server } from './x11-forwarding.js'
import { x11Settings } from './x11-options.js'

const defaultMaxAuthTries = 6
const defaultMaxSessions = 10

/** Options with everything read that they name. */
export interface PreparedServerOptions {
  /** As given in code. */
  readonly given: ParsedServerConnectionOptions
  /** What sshd_config says, if it is asked. */
  readonly config: ServerConfigFile | undefined
  readonly options: ParsedServerConnectionOptions
  readonly hostKeys: readonly PrivateKey[]
  readonly authorizedKeys: AuthorizedKeys
  readonly algorithms: AlgorithmPreferences
  readonly userSignatures: readonly string[]
}

/** Starts to serve a connected stream; see `authenticated` and `closed` of what it returns. */
export function acceptConnection(socket: Duplex, prepared: PreparedServerOptions): ServerLink {
  const { options, hostKeys, algorithms, userSignatures } = prepared
  const { logger, maxSessions = defaultMaxSessions, sendServerHostKeys = false } = options
  const settings = forwardSettings(options)
  const journal = new LinkJournal(logger, () => describe(link))
  /** Undefined when nobody is told of our keys. */
  let proofs: HostKeyProofs | undefined
  const link: ServerLink = new ServerLink(
    socket,
    logger,
    {
      transport: {
        role: 'server',
        identification: options.serverVersion ?? softwareVersion,
        algorithms,
        hostKeys,
        serverSigAlgs: userSignatures,
        rekey: rekeyLimits(options),
      },
      limits: {
        channels: Math.max(defaultMuxLimits.channels, settings.maxTunnels + maxSessions),
        channelsByType: new Map([['session', maxSessions]]),
      },
      ...patience(options, 0),
      idleTimeoutMs: options.idleTimeout,
      journal,
    },
    {
      // Only a client is shown a host key.
      onHostKey: () => {},
      createAuth: (auth) => createAuth(link, prepared, auth, journal),
      onExtensionInfo: () => {},
      onKeysChanged: (change) => {
        link.algorithms = change.algorithms
        if (sendServerHostKeys) proofs ??= new HostKeyProofs(hostKeys, change)
      },
      onDebug: (message) => logger?.debug({ layer: 'transport', event: 'debug', message: displayText(message) }),
      onAuthenticated: () => {
        if (proofs !== undefined) link.peer.mux.globalRequest('hostkeys-00@openssh.com', proofs.announcement())
        journal.authenticated()
        link.userIn()
        link.notify('onConnection', () => options.onConnection?.(link.connection))
      },
      onEnd: (error) => {
        const wasIn = link.peer.isAuthenticated
        link.over(error)
        if (error !== undefined && !wasIn) {
          link.notify('onHandshakeError', () => options.onHandshakeError?.(error, link.connection.info))
        }
      },
    },
    settings,
  )
  link.allowsAgents = options.agentForwarding ?? true
  new TunRequests(link, logger)
  link.x11 = new X11Server(link.peer.mux, x11Settings(options), logger)
  link.incoming.onGlobalRequest('hostkeys-prove-00@openssh.com', (request) => {
    const proof = proofs?.answer(request.data)
    request.reply(proof !== undefined, proof)
  })
  link.incoming.onGlobalRequest('keepalive@openssh.com', (request) => request.reply(true))
  journal.connected(link.addresses)
  link.start()
  // Nothing of the client is looked at before the builder's callbacks are there; the login timeout counts already.
  link.peer.pause()
  makeCallbacks(prepared, link).then(
    (callbacks) => {
      link.begin(callbacks)
      link.peer.resume()
    },
    (error: unknown) => {
      logger?.warn?.({ layer: 'server', event: 'server-factory-failed', error })
      link.abort(factoryFailed(error))
    },
  )
  return link
}

async function makeCallbacks({ options }: PreparedServerOptions, link: ServerLink): Promise<ServerCallbacks> {
  const callbacks = (await options.serverFactory?.(link.connection)) ?? {}
  assertCallbacks(callbacks)
  return callbacks
}

function describe({ addresses, user }: ServerLink): TracedConnection {
  const { remoteAddress = '', remotePort = 0 } = addresses
  return { role: 'server', host: remoteAddress, port: remotePort, username: user?.userName ?? '' }
}

function createAuth(
  link: ServerLink,
  prepared: PreparedServerOptions,
  peerAuth: PeerAuth,
  journal: LinkJournal,
): AuthHalf {
  const { options, authorizedKeys, userSignatures } = prepared
  let hasBanner = false
  const answers = new ServerAuthAnswers({
    callbacks: link.callbacks,
    authorizedKeys,
    userSettings: link.userSettings,
    allowUsers: options.allowUsers,
    denyUsers: options.denyUsers,
    permitEmptyPassword: options.permitEmptyPassword,
    requiredAuth: options.requiredAuth,
    ...(prepared.config !== undefined && {
      configure: async (userName: string) => {
        link.policy = await policyFor(prepared, userName, link)
        if (link.policy.banner !== undefined && options.banner === undefined && !hasBanner) {
          hasBanner = true
          auth.sendBanner(link.policy.banner)
        }
        return link.policy
      },
    }),
    clientAddress: link.addresses.remoteAddress,
    logger: options.logger,
  })
  const auth = new ServerAuth<Grant>(
    {
      sessionIdentifier: peerAuth.sessionIdentifier,
      signatureAlgorithms: userSignatures,
      requiredMethods: answers.requiredMethods,
      allowPasswordChange: answers.allowsPasswordChange,
      maximumFailures: options.maxAuthTries ?? defaultMaxAuthTries,
    },
    {
      send: peerAuth.send,
      onDecision: (decision) => {
        journal.authAsked(decision)
        answers.answer(decision)
      },
      onAttempt: (attempt) => journal.authJudged(attempt),
      onReady: peerAuth.ready,
      onSuccess: (user) => {
        link.userKnown(user)
        peerAuth.succeeded()
      },
      onFailure: peerAuth.failed,
    },
  )
  if (options.banner !== undefined) auth.sendBanner(options.banner)
  link.authBegins((message, languageTag) => auth.sendBanner(message, languageTag))
  return auth
}

/** Nobody about whom nothing can be found out gets in; only the logger learns why. */
async function policyFor(
  { given, config }: PreparedServerOptions,
  userName: string,
  { addresses }: ServerLink,
): Promise<UserPolicy> {
  if (config === undefined) return closedPolicy
  const { logger } = given
  const { remoteAddress: address, localAddress, localPort } = addresses
  const sources = { config, userLookup: given.userLookup, readsKeys: given.authorizedClientKeys === undefined, logger }
  try {
    return await findUserPolicy(sources, userName, { address, localAddress, localPort })
  } catch (error) {
    logger?.warn?.({ layer: 'config', event: 'user-refused', userName, error })
    return closedPolicy
  }
}

function factoryFailed(cause: unknown): SshError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SshError('ERR_SSH_SERVER_FACTORY_FAILED', `The serverFactory made no callbacks: ${why}`, {
    cause,
    disconnectReason: disconnectReasons.byApplication,
  })
}
