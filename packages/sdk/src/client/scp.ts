/** Copies files by SCP: to another machine, from it, and between two. */

import { type Destination, OptionsError, parseOptions } from '@ssh/conn'
import { expandBraces, expandLocalPaths, RequestedNames, scpReceive, scpRelay, scpSend } from '@ssh/sftp'
import type { ClientOptions } from './client-options.js'
import { divideOptions } from './divide-options.js'
import {
  type ParsedScpOptions,
  type ScpOptions,
  type ScpPath,
  type ScpSources,
  type ScpTransferOptions,
  scpTransferSchema,
} from './scp-options.js'
import { type ParsedScpPath, parseScpPath, parseScpSources } from './scp-path.js'
import { runRemoteScp } from './scp-program.js'
import { ProgressSum } from './scp-progress.js'
import { connectClient, type SshClientConnection } from './ssh-client-connection.js'

/**
 * Copies files by SCP, as `scp -O` does: from this machine to another, the other way, or between two machines through
 * this one. The other side needs the program scp; where it serves SFTP, `startSftpClient` can do more.
 *
 * Several sources, or one that is a pattern, go into a directory; a local one is made if it is missing. What a server
 * sends is checked against what it was asked for, and nothing is written through symbolic links that stand where names
 * from it are to be. Files are private until they are whole where `preserve` is on, and take the permissions of the
 * source less the umask and the set-user-ID bits where it is off; half a file is removed again. That holds for files of
 * this machine: what a remote scp leaves of half a file is up to that program, and OpenSSH's makes it as long as the whole.
 *
 * Patterns in a remote source are expanded on its machine: with `literalPaths` nothing is.
 *
 * @param src where from: a path, or a list of them; see {@link ScpPath}
 * @param dst where to: a file, or a directory
 * @param options of the copying, and of `connect` for the connections that it opens itself; it closes those again
 * @throws SftpError the first failure, unless `onError` takes it: `code` as in `fs` where the other side says why,
 *   `ERR_SFTP_REMOTE_PROGRAM` when its scp cannot be run, `ERR_SFTP_UNREQUESTED` and `ERR_SFTP_UNSAFE_NAME` when it sends
 *   what it should not
 * @throws OptionsError when nothing is remote, and for what is no path or no option
 * @throws as `connect`; ChannelOpenError, ChannelError when a server runs no commands; AbortError
 * @example
 * await scp('user@host:/var/log/*.log', 'logs', { preserve: true })
 * @example
 * await scp(['a.txt', 'b.txt'], [conn, '/srv/incoming'])
 */
export async function scp(src: ScpSources, dst: ScpPath, options: ScpOptions = {}): Promise<void> {
  const { forConnection, forProcess } = divideOptions<ScpTransferOptions>('scp', options, scpTransferSchema)
  const parsed = parseOptions('scp', scpTransferSchema, forProcess)
  const sources = parseScpSources(src)
  const destination = parseScpPath('destination', dst)
  if (destination.kind === 'local' && sources.some(({ kind }) => kind === 'local')) {
    throw new OptionsError('scp copies to or from another machine, and both paths are of this one; use cp of node:fs')
  }
  await using connections = new Connections(forConnection)
  await new Copying(connections, destination, parsed).run(sources)
}

/** Connections that were opened here, one for each destination; they close together. */
class Connections {
  readonly #options: ClientOptions
  readonly #open = new Map<string, Promise<SshClientConnection>>()

  constructor(options: ClientOptions) {
    this.#options = options
  }

  to(connection: SshClientConnection | Destination): Promise<SshClientConnection> {
    if (typeof connection === 'object' && 'openSessionChannel' in connection) return Promise.resolve(connection)
    const key = JSON.stringify(connection)
    // What ssh_config forwards is for terminals; a port can be had once.
    const options = { clearAllForwardings: true, ...this.#options }
    const known = this.#open.get(key) ?? connectClient(connection, options)
    this.#open.set(key, known)
    return known
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await Promise.allSettled(this.#open.values())
    await Promise.all(opened.map((result) => (result.status === 'fulfilled' ? result.value.close() : undefined)))
  }
}

type Remote = Extract<ParsedScpPath, { kind: 'remote' }>

/** One call of `scp`. */
class Copying {
  readonly #connections: Connections
  readonly #destination: ParsedScpPath
  readonly #options: ParsedScpOptions
  readonly #progress: ProgressSum | undefined

  constructor(connections: Connections, destination: ParsedScpPath, options: ParsedScpOptions) {
    this.#connections = connections
    this.#destination = destination
    this.#options = options
    this.#progress = options.progress && new ProgressSum(options.progress)
  }

  async run(given: readonly ParsedScpPath[]): Promise<void> {
    const sources = await this.#expand(given)
    const isSeveral = sources.length > 1
    for (let index = 0; index < sources.length; ) {
      const source = sources[index]
      if (source?.kind === 'remote') {
        await this.#fetch(source, isSeveral)
        index++
        continue
      }
      // Local files one after another go through one program.
      const rest = sources.slice(index)
      const end = rest.findIndex(({ kind }) => kind === 'remote')
      const paths = (end < 0 ? rest : rest.slice(0, end)).map(({ path }) => path)
      if (this.#destination.kind === 'remote') await this.#send(paths, this.#destination, isSeveral)
      index += paths.length
    }
  }

  /** Writes braces out, and finds what local patterns match. */
  async #expand(sources: readonly ParsedScpPath[]): Promise<readonly ParsedScpPath[]> {
    if (this.#options.literalPaths) return sources
    const expanded = await Promise.all(
      sources.map(async (source): Promise<readonly ParsedScpPath[]> => {
        if (source.kind === 'remote') return expandBraces(source.path).map((path) => ({ ...source, path }))
        const paths = await expandLocalPaths(source.path, this.#options.signal)
        return paths.map((path) => ({ kind: 'local', path }))
      }),
    )
    return expanded.flat()
  }

  async #send(paths: readonly string[], to: Remote, isSeveral: boolean): Promise<void> {
    const { recurse = false, preserve = false, literalPaths = false, followSymlinks, signal } = this.#options
    const intoDirectory = isSeveral || paths.some((path) => /(?:^|[/\\])\.{0,2}[/\\]*$/.test(path))
    const command = { role: 'sink', path: to.path, isLiteral: literalPaths, recurse, preserve, intoDirectory } as const
    const conn = await this.#connections.to(to.connection)
    await runRemoteScp(conn, command, { signal, isComplete: true }, this.#options.onError, (channel, onError) =>
      scpSend(channel, paths, to.path, { ...this.#transferOptions(), followSymlinks, intoDirectory, onError }),
    )
    this.#progress?.next()
  }

  async #fetch(from: Remote, isSeveral: boolean): Promise<void> {
    const { recurse = false, preserve = false, literalPaths = false, signal, onError } = this.#options
    const requested = RequestedNames.of(from.path, literalPaths)
    const intoDirectory = isSeveral || requested.mayBeMany
    const common = { isLiteral: literalPaths, recurse, preserve }
    const source = { ...common, role: 'source', path: from.path, intoDirectory: false } as const
    const names = { source: from.path, destination: this.#destination.path }
    const to = this.#destination
    const conn = await this.#connections.to(from.connection)
    const ending = { signal, isComplete: !requested.mayBeMany }
    if (to.kind === 'local') {
      await runRemoteScp(conn, source, ending, onError, (channel, onError) =>
        scpReceive(channel, requested, names, { ...this.#transferOptions(), intoDirectory, onError }),
      )
    } else {
      const sink = { ...common, role: 'sink', path: to.path, intoDirectory } as const
      const target = await this.#connections.to(to.connection)
      await runRemoteScp(conn, source, ending, onError, (channel, onSourceError) =>
        runRemoteScp(target, sink, { signal, isComplete: true }, onSourceError, (targetChannel, onError) =>
          scpRelay(channel, targetChannel, requested, names, { ...this.#transferOptions(), intoDirectory, onError }),
        ),
      )
    }
    this.#progress?.next()
  }

  #transferOptions() {
    const { preserve, recurse, blockSize, signal } = this.#options
    return { preserve, recurse, blockSize, signal, progress: this.#progress?.report }
  }
}
