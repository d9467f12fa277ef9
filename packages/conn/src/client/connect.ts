/** From a destination to an authenticated connection: dial, trust, log in, within the time and signal given. */

import type { Duplex } from 'node:stream'
import { ciphers, compressionAlgorithms, kexAlgorithms, macs, signatureAlgorithms, systemRandom } from '@ssh/crypto'
import { extensions, SshError } from '@ssh/wire'
import { chooseAlgorithms } from '../algorithm-lists.js'
import { Deferred } from '../deferred.js'
import { ConnectionLost } from '../errors.js'
import { monotonicClock } from '../io/clock.js'
import { dial } from '../io/dial.js'
import { localUserName } from '../io/files.js'
import { SocketDriver } from '../io/socket-driver.js'
import { parseOptions } from '../options-schema.js'
import { Peer } from '../peer/peer.js'
import type { AlgorithmPreferences } from '../transport/transport-options.js'
import { ClientAuth } from '../userauth/client-auth.js'
import { softwareVersion } from '../version.js'
import { ClientLink } from './client-link.js'
import { type ClientOptions, clientOptionsSchema, type ParsedClientOptions } from './client-options.js'
import { ConnectLimit } from './connect-limit.js'
import { Credentials } from './credentials.js'
import { type Destination, parseDestination } from './destination.js'
import { HostKeyCheck } from './host-key-check.js'

const defaults = { port: 22, loginTimeoutMs: 120_000, keepaliveMs: 15_000, keepaliveCountMax: 3 } as const

/**
 * Connects and logs in.
 * @returns the established link, for a {@link ClientConnection} to be made of
 * @throws OptionsError, ConnectError, TimeoutError, HostKeyNotVerifiable, KeyExchangeFailed, PermissionDenied,
 *   KeyImportError, KeyEncryptionError, ConnectionLost, DisconnectError, ProtocolError, AbortError
 */
export async function establishClient(destination: Destination, options: ClientOptions = {}): Promise<ClientLink> {
  const parsed = parseOptions('connect', clientOptionsSchema, options)
  const target = parseDestination(destination)
  const host = target.host
  const port = target.port ?? parsed.port ?? defaults.port
  const username = target.username ?? parsed.username ?? localUserName()
  const limit = new ConnectLimit(parsed.signal, parsed.connectTimeout, `${host} port ${port}`)
  try {
    // What the user gave is read first: a key that cannot be used should fail before anything is sent.
    const [credentials, hostKeyCheck] = await limit.race(
      Promise.all([Credentials.prepare(parsed), HostKeyCheck.prepare(parsed, host, port)]),
    )
    const algorithms = chooseAll(parsed, hostKeyCheck)
    const signatureNames = chooseAlgorithms('signatureAlgs', parsed.signatureAlgs, signatureAlgorithms)
    const socket = parsed.sock ?? (await dial({ host, port, timeoutMs: limit.remainingMs(), signal: parsed.signal }))
    return await logIn({
      socket,
      host,
      port,
      username,
      options: parsed,
      credentials,
      hostKeyCheck,
      algorithms,
      signatureAlgorithms: signatureNames,
      limit,
    })
  } finally {
    limit.release()
  }
}

interface Login {
  readonly socket: Duplex
  readonly host: string
  readonly port: number
  readonly username: string
  readonly options: ParsedClientOptions
  readonly credentials: Credentials
  readonly hostKeyCheck: HostKeyCheck
  readonly algorithms: AlgorithmPreferences
  readonly signatureAlgorithms: readonly string[]
  readonly limit: ConnectLimit
}

async function logIn(login: Login): Promise<ClientLink> {
  const { socket, host, port, username, options, credentials, hostKeyCheck, algorithms, limit } = login
  const link = new ClientLink({ host, port, username, socket })
  let auth: ClientAuth | undefined
  let serverSignatureAlgorithms: readonly string[] | undefined
  const established = new Deferred<void>()
  const peer = new Peer(
    {
      transport: {
        role: 'client',
        identification: options.clientVersion ?? softwareVersion,
        algorithms,
        rekey: rekeyLimits(options),
        clock: monotonicClock,
        random: systemRandom,
      },
      keepalive: {
        intervalMs: options.keepaliveInterval ?? defaults.keepaliveMs,
        countMax: options.keepaliveCountMax ?? defaults.keepaliveCountMax,
      },
      loginTimeoutMs: options.loginTimeout ?? defaults.loginTimeoutMs,
    },
    {
      onWake: () => driver.wake(),
      onHostKey: (offer) => {
        hostKeyCheck.verify(offer).then(
          () => {
            link.hostKey = offer.key
            peer.acceptHostKey()
            driver.wake()
          },
          (error: unknown) => {
            peer.fail(asSshError(error))
            driver.wake()
          },
        )
      },
      createAuth: ({ sessionIdentifier, send, succeeded, failed }) => {
        auth = new ClientAuth(
          {
            userName: username,
            sessionIdentifier,
            preferredAuth: credentials.methods,
            signatureAlgorithms: login.signatureAlgorithms,
            ...(serverSignatureAlgorithms && { serverSignatureAlgorithms }),
            optimisticPublickey: credentials.hasObviousKey,
            answerPromptsWithPassword: credentials.answersPromptsWithPassword,
            disableTrivialAuth: options.disableTrivialAuth ?? false,
          },
          {
            send,
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
      onDebug: (message, alwaysDisplay) => link.tell('debug', message, alwaysDisplay),
      onAuthenticated: () => established.resolve(),
      onChannelOpen: (request) => link.refuseChannel(request),
      onGlobalRequest: (request) => request.reply(false),
      onEnd: (error) => {
        established.reject(error ?? new ConnectionLost('ERR_SSH_CONNECTION_CLOSED', 'The connection was closed'))
        link.ended(error)
      },
    },
  )
  const driver = new SocketDriver(socket, peer, monotonicClock)
  link.connect(peer, driver)
  const stop = limit.onExceeded((error) => {
    peer.fail(error)
    driver.destroy()
  })
  try {
    peer.start()
    driver.start()
    await established.promise
    return link
  } catch (error) {
    throw describeFailure(error, auth)
  } finally {
    stop()
  }
}

/** A connection that ended in the middle of authentication failed for what was tried there. */
function describeFailure(error: unknown, auth: ClientAuth | undefined): unknown {
  const wasDropped = SshError.isSshError(error) && error.code === 'ERR_SSH_TRANSPORT_DISCONNECTED'
  return wasDropped && auth !== undefined && auth.attempts.length > 0 ? auth.describeFailure(error) : error
}

function chooseAll(options: ParsedClientOptions, check: HostKeyCheck): AlgorithmPreferences {
  const hostKeyDefaults = check.orderAlgorithms(signatureAlgorithms.defaultNames)
  return {
    kex: chooseAlgorithms('kexAlgs', options.kexAlgs, kexAlgorithms),
    serverHostKey: chooseAlgorithms(
      'serverHostKeyAlgs',
      options.serverHostKeyAlgs,
      signatureAlgorithms,
      hostKeyDefaults,
    ),
    encryption: chooseAlgorithms('encryptionAlgs', options.encryptionAlgs, ciphers),
    mac: chooseAlgorithms('macAlgs', options.macAlgs, macs),
    compression: chooseAlgorithms('compressionAlgs', options.compressionAlgs, compressionAlgorithms),
  }
}

/** Rekey limits of the options; what was not said is left to the transport. */
export function rekeyLimits(options: { rekeyBytes?: number | undefined; rekeyInterval?: number | undefined }) {
  const { rekeyBytes, rekeyInterval } = options
  return {
    ...(rekeyBytes !== undefined && { bytes: rekeyBytes }),
    ...(rekeyInterval !== undefined && { intervalMs: rekeyInterval === 0 ? Number.POSITIVE_INFINITY : rekeyInterval }),
  }
}

function asSshError(error: unknown): SshError {
  if (SshError.isSshError(error)) return error
  const text = error instanceof Error ? error.message : String(error)
  return new SshError('ERR_SSH_CONNECT_FAILED', `Connecting failed: ${text}`, { cause: error, disconnectReason: 11 })
}
