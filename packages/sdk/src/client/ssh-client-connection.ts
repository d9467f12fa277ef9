/** A connection with processes and files: what `connect` returns. */

import { type Channel, ClientConnection, type ClientLink, parseOptions, type SessionChannelOptions } from '@ssh/conn'
import { SftpClient } from '@ssh/sftp'
import type { SshClientProcess } from '../process/client-process.js'
import { createProcess, type SessionDefaults, type SessionFactory } from '../process/create-process.js'
import type { OutputEncoding, OutputOf, ProcessOptions, RunOptions } from '../process/process-options.js'
import type { Command } from '../process/quote.js'
import type { CompletedProcess } from '../process/result.js'
import { runProcess } from '../process/run.js'
import { symlinkOrderOf } from '../symlink-order.js'
import { type SftpClientOptions, sftpClientOptionsSchema } from './client-options.js'

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
    }
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
    const session = await this.openSessionChannel({ signal })
    // What a server's sftp program writes to its error output is for nobody: the protocol has its own errors.
    session.stderr.attach({})
    const [client] = await Promise.all([
      SftpClient.start(session.channel, { ...parsed, symlinkOrder: symlinkOrderOf(this.info.serverVersion) }),
      session.start({ program: { type: 'subsystem', name: 'sftp' }, signal }),
    ]).catch((error: unknown) => {
      session.abort()
      throw error
    })
    return client
  }

  #sessionFactory(options: Pick<SessionChannelOptions, 'isShort'> = {}): SessionFactory {
    return (session) => this.openSessionChannel({ ...options, ...session })
  }
}
