/** A connection with processes and files: what `connect` returns. */

import {
  assertOptions,
  type Channel,
  ClientConnection,
  type ClientLink,
  type Destination,
  establishClient,
  listenForServers,
  type ReverseListenOptions as ProtocolReverseListenOptions,
  parseOptions,
  type ReverseListener,
  type ServerConnection,
  type SessionChannelOptions,
  type SessionClient,
  startConfiguredForwards,
} from '@ssh/conn'
import { SftpClient } from '@ssh/sftp'
import type { SshClientProcess } from '../process/client-process.js'
import { createProcess, type SessionDefaults, type SessionFactory } from '../process/create-process.js'
import type { OutputEncoding, OutputOf, ProcessOptions, RunOptions } from '../process/process-options.js'
import type { Command } from '../process/quote.js'
import type { CompletedProcess } from '../process/result.js'
import { runProcess } from '../process/run.js'
import { connectReverse, listen } from '../server/listen.js'
import type { ConnectReverseOptions, ListenOptions } from '../server/server-options.js'
import type { SshServer } from '../server/ssh-server.js'
import { symlinkOrderOf } from '../symlink-order.js'
import {
  type ClientOptions,
  divideClientOptions,
  type SessionDefaultOptions,
  type SftpClientOptions,
  sftpClientOptionsSchema,
} from './client-options.js'
import { withConfigured } from './configured-sessions.js'
import { portHint } from './divide-options.js'
import { maximumChannelsOf, sftpWindowSize } from './sftp-channels.js'

/** The streams of a session. */
export interface SessionStreams {
  readonly stdin: SshClientProcess['stdin']
  readonly stdout: SshClientProcess['stdout']
  readonly stderr: SshClientProcess['stderr']
  readonly channel: Channel
}

/**
 * An authenticated connection to a server. Made by `connect`.
 *
 * @example
 * await using conn = await connect('user@host')
 * const { stdout } = await conn.run('uname -a', { check: true })
 */
export class SshClientConnection extends ClientConnection {
  readonly #defaults: SessionDefaults

  /** Made by `connect`. */
  constructor(link: ClientLink, defaults: SessionDefaults = {}) {
    super(link)
    this.#defaults = {
      ...defaults,
      prepareX11: (options) => this.prepareX11(options),
      grantAgent: (session, agent) => this.grantAgent(session, agent),
      connection: () => {
        const { host, port, username } = this.info
        return { role: 'client', host, port, username }
      },
    }
  }

  /** @internal What holds for sessions of this connection. */
  get sessionDefaults(): SessionDefaults {
    return this.#defaults
  }

  /**
   * Runs a command to its end and collects its output.
   *
   * @param command text goes to the remote shell as it is; an array is an argv and is quoted for a POSIX shell; with
   *   the tag `sh`, interpolations are quoted
   * @throws ProcessError with `check`, on any status but 0; and when there is more output than `maxBuffer`
   * @throws TimeoutError with the output so far
   * @throws ChannelOpenError, ChannelError when the server refuses; AbortError; what ended the connection
   */
  run<E extends OutputEncoding | undefined = undefined>(
    command: Command,
    options: RunOptions & { readonly encoding?: E } = {},
  ): Promise<CompletedProcess<OutputOf<E>>> {
    return runProcess(this.#sessionFactory({ isShort: true }), command, options, this.#defaults)
  }

  /**
   * Starts a command, a login shell (no command), or a subsystem.
   *
   * @returns a process shaped like Node's `ChildProcess`
   * @throws ChannelOpenError, ChannelError when the server refuses; AbortError; what ended the connection
   */
  createProcess<E extends OutputEncoding | undefined = undefined>(
    command?: Command,
    options: ProcessOptions & { readonly encoding?: E } = {},
  ): Promise<SshClientProcess<OutputOf<E>>> {
    return createProcess(this.#sessionFactory(), command, options, this.#defaults)
  }

  /** The plain streams form of {@link createProcess}. */
  async openSession(command?: Command, options: ProcessOptions = {}): Promise<SessionStreams> {
    const { stdin, stdout, stderr, channel } = await this.createProcess(command, options)
    return { stdin, stdout, stderr, channel }
  }

  /**
   * Starts an SFTP client on a channel of its own.
   * @throws ChannelOpenError, ChannelError when the server offers no SFTP; SftpError when it does not speak it
   * @throws OptionsError, AbortError; what ended the connection
   */
  async startSftpClient(options: SftpClientOptions = {}): Promise<SftpClient> {
    const parsed = parseOptions('startSftpClient', sftpClientOptionsSchema, options)
    const { signal } = parsed
    const { serverVersion } = this.info
    const session = await this.#openSftpSession({ signal, channelOptions: { initialWindowSize: sftpWindowSize } })
    const [client] = await Promise.all([
      SftpClient.start(session.channel, {
        maximumChannels: maximumChannelsOf(serverVersion),
        ...parsed,
        symlinkOrder: symlinkOrderOf(serverVersion),
        openChannel: () => this.#openSftpChannel(),
      }),
      session.start({ program: sftpSubsystem, signal }),
    ]).catch((error: unknown) => {
      session.abort()
      throw error
    })
    return client
  }

  /** Another channel for a client that has one: what is sent waits for SFTP to start, and a refusal closes it. */
  async #openSftpChannel(): Promise<Channel> {
    const session = await this.#openSftpSession()
    // Whoever uses the channel hears of its end.
    session.start({ program: sftpSubsystem }).catch(() => {})
    return session.channel
  }

  async #openSftpSession(options?: SessionChannelOptions): Promise<SessionClient> {
    const session = await this.openSessionChannel(options)
    // What a server's sftp program writes to its error output is for nobody: the protocol has its own errors.
    session.stderr.attach({})
    return session
  }

  /**
   * Connects to another server from this connection's server, and logs in: the two ends speak through this connection,
   * whose server sees only what is encrypted. Both are yours to close; this one ends the other with it.
   * @throws as `connect`; ConnectError `ERR_SSH_CONNECT_TUNNEL_REFUSED` when the server does not connect there
   * @example
   * await using gate = await connect('user@gate.example')
   * await using conn = await gate.connectSsh('user@inner')
   */
  async connectSsh(destination: Destination, options: NestedClientOptions = {}): Promise<SshClientConnection> {
    assertOptions('connectSsh', options, portHint)
    return connectClient(destination, { ...options, tunnel: this })
  }

  /**
   * Has this connection's server listen, and serves SSH in this process to whoever connects there.
   * @param listenHost address of the server, as for {@link startServer}
   * @param listenPort 0 leaves the choice to the server; see `port` of what is returned
   * @returns a server that closes with this connection, and leaves it open
   * @throws as `listen`; ChannelListenError when the server refuses
   * @example
   * await using inner = await conn.listenSsh('localhost', 0, { serverHostKeys: key, authorizedClientKeys: 'keys' })
   */
  listenSsh(listenHost: string, listenPort: number, options: NestedListenOptions): Promise<SshServer> {
    return listen({ ...options, ...place(listenHost, listenPort), tunnel: this })
  }

  /**
   * Connects from this connection's server to a client that waits for its server, and serves SSH there: see
   * `connectReverse`.
   * @throws as `connectReverse`
   */
  connectReverseSsh(destination: Destination, options: NestedConnectReverseOptions): Promise<ServerConnection> {
    return connectReverse(destination, { ...options, tunnel: this })
  }

  /**
   * Has this connection's server listen for servers that connect to their client, and logs in to each: see
   * `listenReverse`. The listener closes with this connection.
   * @throws as `listenReverse`; ChannelListenError when the server refuses
   */
  listenReverseSsh(
    listenHost: string,
    listenPort: number,
    options: NestedReverseListenOptions = {},
  ): Promise<SshReverseListener> {
    return listenReverse({ ...options, ...place(listenHost, listenPort), tunnel: this })
  }

  #sessionFactory(options: Pick<SessionChannelOptions, 'isShort'> = {}): SessionFactory {
    return (session) => this.openSessionChannel({ ...options, ...session })
  }
}

/** Options of `connectSsh`: those of `connect`, but for how the server is reached. */
export type NestedClientOptions = Omit<
  ClientOptions,
  | 'sock'
  | 'tunnel'
  | 'proxyCommand'
  | 'proxy'
  | 'family'
  | 'localAddress'
  | 'localPort'
  | 'tcpKeepalive'
  | 'connectionAttempts'
>

/** Options of `listenSsh`: those of `listen`, but for where. */
export type NestedListenOptions = Omit<ListenOptions, 'host' | 'port' | 'tunnel' | 'backlog'>

/** Options of `connectReverseSsh`: those of `connectReverse`, but for how the client is reached. */
export type NestedConnectReverseOptions = Omit<
  ConnectReverseOptions,
  'tunnel' | 'proxyCommand' | 'proxy' | 'family' | 'localAddress' | 'localPort' | 'tcpKeepalive' | 'connectionAttempts'
>

/** Options of `listenReverseSsh`: those of `listenReverse`, but for where. */
export type NestedReverseListenOptions = Omit<ReverseListenOptions, 'host' | 'port' | 'tunnel' | 'backlog'>

/** Options of `listenReverse`: where to listen, and those of `connect` but for how the server is reached. */
export type ReverseListenOptions = ProtocolReverseListenOptions<SshClientConnection> & SessionDefaultOptions

/** A client that listens for its servers. Made by `listenReverse`. */
export type SshReverseListener = ReverseListener<SshClientConnection>

/** What `connect` does; `connectSsh` needs it here. */
export async function connectClient(destination: Destination, options: ClientOptions): Promise<SshClientConnection> {
  const { protocol, defaults } = divideClientOptions('connect', options)
  const link = await establishClient(destination, protocol)
  const { configured, logger } = link
  const conn = new SshClientConnection(link, withConfigured(defaults, configured?.sessions))
  try {
    if (configured) await startConfiguredForwards(conn, configured.forwards, { logger, signal: protocol.signal })
    return conn
  } catch (error) {
    await conn.close()
    throw error
  }
}

/**
 * Listens for servers that connect to their client (`connectReverse`, or AsyncSSH's `connect_reverse`), and logs in to
 * each. The host key is checked as in `connect`: against known_hosts by the name in `destination`, by `hostKeyAlias`, or
 * by the address the server comes from.
 *
 * Each connection goes to the option `acceptor` and to listeners of the event `connection`; where there is neither, to
 * whoever iterates. A login that fails is told by the event `failure`.
 *
 * @throws OptionsError when an option is unknown or of the wrong kind
 * @throws ConnectError `ERR_SSH_CONNECT_LISTEN_FAILED` when the port cannot be had
 * @throws ChannelListenError when the server at the far end of `tunnel` refuses; what connecting to a jump host fails with
 * @throws AbortError
 * @example
 * await using listener = await listenReverse({ port: 2222, destination: 'admin@device' })
 * for await (const conn of listener) console.log((await conn.run('uptime')).stdout)
 */
export async function listenReverse(options: ReverseListenOptions): Promise<SshReverseListener> {
  const { protocol, defaults } = divideClientOptions('listenReverse', options)
  return listenForServers<SshClientConnection>(protocol, (link) => new SshClientConnection(link, defaults))
}

const sftpSubsystem = { type: 'subsystem', name: 'sftp' } as const

/** In options an empty host is none. */
function place(listenHost: string, port: number): { host?: string; port: number } {
  return listenHost === '' ? { port } : { host: listenHost, port }
}
