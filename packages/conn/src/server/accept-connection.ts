/** One accepted socket becomes a server connection: key exchange, login, sessions. */

import type { Duplex } from 'node:stream'
import {
  ciphers,
  compressionAlgorithms,
  kexAlgorithms,
  macs,
  type PrivateKey,
  signatureAlgorithms,
  systemRandom,
} from '@ssh/crypto'
import { chooseAlgorithms } from '../algorithm-lists.js'
import { rekeyLimits } from '../client/connect.js'
import type { AuthorizedKeys } from '../config/authorized-keys.js'
import { monotonicClock } from '../io/clock.js'
import { addressesOf } from '../io/socket-address.js'
import { SocketDriver } from '../io/socket-driver.js'
import { Peer } from '../peer/peer.js'
import type { AlgorithmPreferences } from '../transport/transport-options.js'
import { ServerAuth } from '../userauth/server-auth.js'
import { softwareVersion } from '../version.js'
import { type Grant, ServerAuthAnswers } from './server-auth-answers.js'
import type { ServerCallbacks } from './server-callbacks.js'
import { ServerConnection } from './server-connection.js'
import type { ParsedServerConnectionOptions } from './server-options.js'

const defaults = { loginTimeoutMs: 120_000, keepaliveCountMax: 3, maxAuthTries: 6, maxSessions: 10 } as const

/** Options with everything read that they name. */
export interface PreparedServerOptions {
  readonly options: ParsedServerConnectionOptions
  readonly hostKeys: readonly PrivateKey[]
  readonly authorizedKeys: AuthorizedKeys
}

/**
 * Starts to serve a connected stream.
 * @returns the connection; see its `authenticated` and `closed`
 */
export async function acceptConnection(socket: Duplex, prepared: PreparedServerOptions): Promise<ServerConnection> {
  const { options, hostKeys, authorizedKeys } = prepared
  const connection = new ServerConnection({ socket, logger: options.logger })
  // An error that comes before the driver listens must not crash the process.
  socket.on('error', ignore)
  const callbacks = await makeCallbacks(options, connection)
  socket.off('error', ignore)
  const algorithms = chooseAll(options)
  const userSignatures = chooseAlgorithms('signatureAlgs', options.signatureAlgs, signatureAlgorithms)
  const peer = new Peer(
    {
      transport: {
        role: 'server',
        identification: options.serverVersion ?? softwareVersion,
        algorithms,
        hostKeys,
        serverSigAlgs: userSignatures,
        rekey: rekeyLimits(options),
        clock: monotonicClock,
        random: systemRandom,
      },
      limits: { channelsByType: new Map([['session', options.maxSessions ?? defaults.maxSessions]]) },
      keepalive: {
        intervalMs: options.keepaliveInterval ?? 0,
        countMax: options.keepaliveCountMax ?? defaults.keepaliveCountMax,
      },
      loginTimeoutMs: options.loginTimeout ?? defaults.loginTimeoutMs,
    },
    {
      onWake: () => driver.wake(),
      // Only a client is shown a host key.
      onHostKey: () => {},
      createAuth: ({ sessionIdentifier, send, ready, succeeded, failed }) => {
        const answers = new ServerAuthAnswers({
          callbacks,
          authorizedKeys,
          requiredAuth: options.requiredAuth,
          clientAddress: addressesOf(socket).remoteAddress,
          logger: options.logger,
        })
        const auth = new ServerAuth<Grant>(
          {
            sessionIdentifier,
            signatureAlgorithms: userSignatures,
            requiredMethods: answers.requiredMethods,
            allowPasswordChange: answers.allowsPasswordChange,
            maximumFailures: options.maxAuthTries ?? defaults.maxAuthTries,
          },
          {
            send,
            onDecision: (decision) => answers.answer(decision),
            onReady: ready,
            onSuccess: (user) => {
              connection.userKnown(user)
              succeeded()
            },
            onFailure: failed,
          },
        )
        connection.offerBanner((message, languageTag) => auth.sendBanner(message, languageTag))
        if (options.banner !== undefined) auth.sendBanner(options.banner)
        return auth
      },
      onExtensionInfo: () => {},
      onKeysChanged: () => {},
      onDebug: (message) => options.logger?.debug({ layer: 'transport', event: 'debug', message }),
      onAuthenticated: () => connection.userIn(),
      onChannelOpen: (request) => connection.channelRequested(request),
      onGlobalRequest: (request) => request.reply(request.requestName === 'keepalive@openssh.com'),
      onEnd: (error) => connection.ended(error),
    },
  )
  const driver = new SocketDriver(socket, peer, monotonicClock)
  connection.begin(peer, driver, callbacks)
  peer.start()
  driver.start()
  return connection
}

function ignore(): void {}

async function makeCallbacks(
  options: ParsedServerConnectionOptions,
  connection: ServerConnection,
): Promise<ServerCallbacks> {
  const callbacks = (await options.serverFactory?.(connection)) ?? {}
  callbacks.connectionMade?.(connection)
  return callbacks
}

function chooseAll(options: ParsedServerConnectionOptions): AlgorithmPreferences {
  // A client can make a server compute for the price of a packet: what costs much is offered only when asked for.
  const cheap = kexAlgorithms.rows.filter((row) => row.status === 'default' && row.isCostly !== true)
  const cheapNames = cheap.map((row) => row.name)
  return {
    kex: chooseAlgorithms('kexAlgs', options.kexAlgs, kexAlgorithms, cheapNames),
    serverHostKey: signatureAlgorithms.defaultNames,
    encryption: chooseAlgorithms('encryptionAlgs', options.encryptionAlgs, ciphers),
    mac: chooseAlgorithms('macAlgs', options.macAlgs, macs),
    compression: chooseAlgorithms('compressionAlgs', options.compressionAlgs, compressionAlgorithms),
  }
}
