/**
 * The SFTP client: one method per operation, over any ByteChannel. It is long because it is the face, with a description
 * of every method: what they do is in the files beside it.
 */

import type { Readable, Writable } from 'node:stream'
import { type ByteChannel, knownOptions, printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { SftpAnnouncements } from '../protocol/announcements.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { SftpVersion } from '../protocol/dialect.js'
import {
  type ExtendedFields,
  type ExtendedRequestName,
  type SftpStatVfs,
  statVfsReply,
} from '../protocol/extensions.js'
import type { OpenAccess } from '../protocol/open-access.js'
import { type OpenFlags, parseOpenFlags } from '../protocol/open-flags.js'
import { renameFlags } from '../protocol/rename-flags.js'
import { untilAborted } from './abort.js'
import { SessionGroup } from './channels/session-group.js'
import { assertRemovable, attrsOfDirectory, makeDirectories, removeTree } from './directory.js'
import {
  cannotBeEmptied,
  cannotBeReplaced,
  type Explanation,
  explained,
  explainedListing,
  isDirectory,
  isTaken,
} from './explained.js'
import { globEntries, globPaths, type SftpGlob, type SftpGlobEntries } from './glob.js'
import { namesOfIds, type SftpNamesOfIds } from './names-of-ids.js'
import {
  canonicalEntry,
  canonicalPath,
  makeDirectory,
  makeHardLink,
  makeSymlink,
  onlyName,
  readSymlink,
  removeDirectory,
  removeFile,
  renamePath,
  replacePath,
  setstatPath,
  statPath,
} from './operations.js'
import {
  checkCounts,
  optionNames,
  type SftpCallOptions,
  type SftpClientOptions,
  type SftpCopyOptions,
  type SftpFileOptions,
  type SftpGlobOptions,
  type SftpLinkOptions,
  type SftpMakedirsOptions,
  type SftpMkdirOptions,
  type SftpReadFileOptions,
  type SftpReadStreamOptions,
  type SftpRealpathOptions,
  type SftpRealpathStatOptions,
  type SftpRemoteCopyOptions,
  type SftpRenameOptions,
  type SftpRmtreeOptions,
  type SftpStatOptions,
  type SftpTransferOptions,
  type SftpWriteFileOptions,
  type SftpWriteStreamOptions,
  signalOf,
  withEncoding,
} from './options.js'
import { PathAttributes } from './path-attributes.js'
import { resolvePath } from './paths.js'
import { remoteCopy } from './remote-copy.js'
import { RemoteTree } from './remote-tree.js'
import { expectExtended, expectNames, type ReplyKind } from './reply-kinds.js'
import { ClientSession, type SftpLimits } from './session.js'
import { SftpFile } from './sftp-file.js'
import type { SftpDirent, SftpStats } from './stats.js'
import { readStream, writeStream } from './streams.js'
import type { ByteSink } from './transfer/deliver.js'
import { closingAfter, type OpenRemoteFile, type Paths, type PutSource, Transfers, toList } from './transfers.js'

/**
 * An SFTP session. Calls may be made side by side; each settles exactly once, also when the channel is lost.
 *
 * Relative paths start in the server's default directory, or in that of {@link SftpClient.chdir}. Every call takes
 * `signal`, and rejects with an AbortError when it fires. Every call can reject with an {@link SftpError}, and with an
 * OptionsError for an option nobody knows.
 *
 * @example
 * await using sftp = await SftpClient.start(channel)
 * await sftp.get('report.pdf', '/tmp/report.pdf')
 */
export class SftpClient extends PathAttributes {
  readonly #session: ClientSession
  readonly #group: SessionGroup
  readonly #remote: RemoteTree
  readonly #transfers: Transfers
  readonly #openPath: OpenRemoteFile = (path, flags, options) => this.#openFile(path, flags, {}, options)
  #directory: string | undefined

  private constructor(session: ClientSession, group: SessionGroup) {
    super()
    this.#session = session
    this.#group = group
    this.#remote = new RemoteTree(session, (path) => this.#resolve(path), group)
    this.#transfers = new Transfers(session, this.#remote, this.#openPath)
  }

  /**
   * Starts SFTP on a channel whose other end serves it, and waits for the server's version.
   * @param channel a subsystem channel, a child process's pipes, …; the client owns it from now on
   * @throws SftpError `ERR_SFTP_PROTOCOL` when the other end does not speak SFTP, or no version that was offered;
   *   `ERR_SFTP_CONNECTION_LOST`
   */
  static async start(channel: ByteChannel, options: SftpClientOptions = {}): Promise<SftpClient> {
    const { maximumInFlight, maximumChannels } = knownOptions('SftpClient.start', options, optionNames.client)
    checkCounts({ maximumInFlight, maximumChannels })
    const session = await ClientSession.start(channel, options)
    return new SftpClient(session, new SessionGroup(session, options))
  }

  /** The protocol's version that both sides speak: 3, or up to `sftpVersion` where the server knows it. */
  get version(): SftpVersion {
    return this.#session.version
  }

  /** What the server says of itself in version 4 and later: who made it, what it can do, how lines end. */
  get announcements(): SftpAnnouncements {
    return this.#session.announcements
  }

  /** Extensions the server announced: name and data, usually a version. */
  get extensions(): ReadonlyMap<string, string> {
    return this.#session.extensions
  }

  /** Whether the server copies by itself (`copy-data`), so that {@link SftpClient.copy} takes no bytes through here. */
  get supportsRemoteCopy(): boolean {
    return this.#session.supports('copy-data')
  }

  /** Settles when the session is over, however it ended; never rejects. */
  get closed(): Promise<void> {
    return this.#session.closed
  }

  /** The server's limits, or the protocol's defaults when it tells none. */
  async limits(options: SftpCallOptions = {}): Promise<SftpLimits> {
    return untilAborted(this.#session.limits, signalOf('limits', options))
  }

  /**
   * Fetches files.
   *
   * A failed or aborted file is removed again, so that no half file looks whole, unless `resume`. New files get the mode 0666 less the
   * umask, unless `preserve`. Nothing is written through a symbolic link below the target, and names that would lead
   * out of it are refused (`ERR_SFTP_UNSAFE_NAME`).
   *
   * @param remotePaths one path or several; directories need `recurse`
   * @param local a path, or a directory that the files go into (default: the working directory), or for one file a
   *   Writable or a WritableStream, which is ended; the options resume and atomic are not for those
   */
  async get(remotePaths: Paths, local: string | ByteSink = '.', options: SftpTransferOptions = {}): Promise<void> {
    await this.#transfers.get(remotePaths, local, options)
  }

  /**
   * Sends files. A new file gets the local one's permission bits less the server's umask.
   *
   * A file that failed half-way stays as far as it came without a hole, which the error's `details.written` tells, and
   * `details.offset` where it failed. Only what an unreachable server holds may have holes; `resume` finds them.
   *
   * @param local one path or several; or for one file a Readable, a ReadableStream, an async iterable of bytes (none of
   *   these with the option resume), or bytes
   * @param remotePath a path, or a directory that the files go into (default: the current one)
   */
  async put(local: Paths | PutSource, remotePath?: string, options: SftpTransferOptions = {}): Promise<void> {
    await this.#transfers.put(local, remotePath, options)
  }

  /**
   * Copies files on the server: without the bytes coming here where it offers `copy-data` (see
   * {@link SftpClient.supportsRemoteCopy}), else by reading and writing them through this side.
   *
   * Options are those of {@link SftpClient.get}, and `remoteOnly`. A file that is there is replaced in place, not cut
   * off first: were it the source under another name, nothing would be lost.
   *
   * @param srcPaths one path or several; directories need `recurse`
   * @param dstPath a path, or a directory that the files go into (default: the current one)
   * @throws SftpError `EINVAL` for a file onto itself, or a directory into itself; `ENOTSUP` for `remoteOnly` where the
   *   server does not offer `copy-data`
   * @see OpenSSH PROTOCOL §4.10
   */
  async copy(srcPaths: Paths, dstPath = '.', options: SftpCopyOptions = {}): Promise<void> {
    await this.#transfers.copy(srcPaths, dstPath, options)
  }

  /**
   * As {@link SftpClient.get}, for what matches patterns, into the directory `localPath`, which is made if it is missing.
   * @throws SftpError `ENOENT` when a pattern has no match, `EEXIST` when two matches have the same name
   */
  async mget(remotePatterns: Paths, localPath = '.', options: SftpTransferOptions = {}): Promise<void> {
    await this.#transfers.mget(remotePatterns, localPath, options)
  }

  /**
   * As {@link SftpClient.put}, for what matches patterns, into the directory `remotePath`, which is made if it is missing.
   * @throws SftpError `ENOENT` when a pattern has no match, `EEXIST` when two matches have the same name
   */
  async mput(localPatterns: Paths, remotePath = '.', options: SftpTransferOptions = {}): Promise<void> {
    await this.#transfers.mput(localPatterns, remotePath, options)
  }

  /**
   * As {@link SftpClient.copy}, for what matches patterns, into the directory `dstPath`, which is made if it is missing.
   * @throws SftpError `ENOENT` when a pattern has no match, `EEXIST` when two matches have the same name
   */
  async mcopy(srcPatterns: Paths, dstPath = '.', options: SftpCopyOptions = {}): Promise<void> {
    await this.#transfers.mcopy(srcPatterns, dstPath, options)
  }

  /**
   * Opens a file.
   * @param flags as in `fs.open`, or a sum of `openFlags`; or rights and flags of versions 5 and 6 (`accessMask` and
   *   `accessFlags`), of which earlier versions know only what `openFlags` can say too
   * @param attrs of a new file
   * @throws SftpError `ENOTSUP` for rights, flags and attributes that the version has no words for
   */
  async open(
    path: string,
    flags: OpenFlags | OpenAccess = 'r',
    attrs: SftpAttrs = {},
    options: SftpFileOptions = {},
  ): Promise<SftpFile> {
    return this.#openFile(path, flags, attrs, knownOptions('open', options, optionNames.file))
  }

  /** The whole content: a Buffer, or a string when `encoding` is given, which may stand for the options, as in `fs`. */
  readFile(
    path: string,
    options: BufferEncoding | (SftpReadFileOptions & { encoding: BufferEncoding }),
  ): Promise<string>
  readFile(path: string, options?: SftpReadFileOptions): Promise<Buffer>
  async readFile(path: string, given: SftpReadFileOptions | BufferEncoding = {}): Promise<string | Buffer> {
    const options = knownOptions('readFile', withEncoding(given), optionNames.readFile)
    return this.#withFile(path, 'r', {}, options, (file) => file.readFile(options))
  }

  /** Writes a file, replacing what was in it. An encoding may stand for the options, as in `fs`. */
  async writeFile(
    path: string,
    data: string | Uint8Array,
    given: SftpWriteFileOptions | BufferEncoding = {},
  ): Promise<void> {
    const options = withEncoding(given)
    const {
      encoding = 'utf8',
      flags = 'w',
      attrs = {},
      signal,
    } = knownOptions('writeFile', options, optionNames.writeFile)
    const bytes = typeof data === 'string' ? Buffer.from(data, encoding) : data
    await this.#withFile(path, flags, attrs, options, (file) => file.write(bytes, undefined, { signal }))
  }

  /** Writes to the end of a file, which is made if it is missing. Options as of {@link SftpClient.writeFile}. */
  async appendFile(
    path: string,
    data: string | Uint8Array,
    options: SftpWriteFileOptions | BufferEncoding = {},
  ): Promise<void> {
    await this.writeFile(path, data, { flags: 'a', ...withEncoding(options) })
  }

  /** A Readable that reads ahead. */
  createReadStream(path: string, options: SftpReadStreamOptions = {}): Readable {
    knownOptions('createReadStream', options, optionNames.readStream)
    return readStream(() => this.#openFile(path, 'r', {}, options), { ...options, autoClose: true })
  }

  /** A Writable that writes behind: `finish` comes when the server has it all and the file is closed. */
  createWriteStream(path: string, options: SftpWriteStreamOptions = {}): Writable {
    knownOptions('createWriteStream', options, optionNames.writeStream)
    const { flags = options.start === undefined ? 'w' : 'r+', attrs = {} } = options
    return writeStream(() => this.#openFile(path, flags, attrs, options), { ...options, autoClose: true })
  }

  /** Attributes of a file, or of what a symbolic link points to. @throws SftpError `ENOENT` when there is none */
  async stat(path: string, options: SftpStatOptions = {}): Promise<SftpStats> {
    const { wanted, signal } = knownOptions('stat', options, optionNames.stat)
    return statPath(this.#session, this.#resolve(path), true, signal, wanted)
  }

  /** As {@link SftpClient.stat}, of a symbolic link itself. */
  async lstat(path: string, options: SftpStatOptions = {}): Promise<SftpStats> {
    const { wanted, signal } = knownOptions('lstat', options, optionNames.stat)
    return statPath(this.#session, this.#resolve(path), false, signal, wanted)
  }

  /** Sets the attributes that are named, and no others. */
  async setstat(path: string, attrs: SftpAttrs, options: SftpLinkOptions = {}): Promise<void> {
    const { followSymlinks = true, signal } = knownOptions('setstat', options, optionNames.link)
    await setstatPath(this.#session, this.#resolve(path), attrs, followSymlinks, signal)
  }

  /** The file system `path` is on. @throws SftpError `ENOTSUP` when the server cannot tell */
  async statvfs(path: string, options: SftpCallOptions = {}): Promise<SftpStatVfs> {
    const fields = { path: this.#resolve(path) }
    return statVfsReply.decode(await this.#extended(expectExtended, 'statvfs@openssh.com', fields, path, options))
  }

  /** Removes a file or a link. */
  async remove(path: string, options: SftpCallOptions = {}): Promise<void> {
    const full = this.#resolve(path)
    const signal = signalOf('remove', options)
    await this.#explained('remove', removeFile(this.#session, full, signal), isDirectory(full), signal)
  }

  /** The same as {@link SftpClient.remove}. */
  async unlink(path: string, options: SftpCallOptions = {}): Promise<void> {
    await this.remove(path, options)
  }

  /**
   * Renames. A server refuses when `newPath` exists, unless told otherwise.
   * @throws SftpError `ENOTSUP` when it can replace nothing, or not in the way that is wanted
   */
  async rename(oldPath: string, newPath: string, options: SftpRenameOptions = {}): Promise<void> {
    const {
      overwrite = false,
      atomic = false,
      native = false,
      signal,
    } = knownOptions('rename', options, optionNames.rename)
    const flags =
      (overwrite ? renameFlags.overwrite : 0) | (atomic ? renameFlags.atomic : 0) | (native ? renameFlags.native : 0)
    const [from, to] = [this.#resolve(oldPath), this.#resolve(newPath)]
    const request = renamePath(this.#session, from, to, signal, flags)
    const why = flags === 0 ? isTaken(to) : cannotBeReplaced(from, to)
    await this.#explained(`rename to "${printable(to)}"`, request, why, signal)
  }

  /** Renames, replacing `newPath` in one step. @throws SftpError `ENOTSUP` when the server cannot */
  async posixRename(oldPath: string, newPath: string, options: SftpCallOptions = {}): Promise<void> {
    const signal = signalOf('posixRename', options)
    const [from, to] = [this.#resolve(oldPath), this.#resolve(newPath)]
    const request = replacePath(this.#session, from, to, signal)
    await this.#explained(`posix-rename to "${printable(to)}"`, request, cannotBeReplaced(from, to), signal)
  }

  /** Makes a directory; its parent must be there. See {@link SftpClient.makedirs}. */
  async mkdir(path: string, options: SftpMkdirOptions = {}): Promise<void> {
    const { signal } = knownOptions('mkdir', options, optionNames.mkdir)
    const attrs = attrsOfDirectory(options)
    const full = this.#resolve(path)
    await this.#explained('mkdir', makeDirectory(this.#session, full, attrs, signal), isTaken(full), signal)
  }

  /** Makes a directory and those above it. @throws SftpError `EEXIST` when it exists, unless `existOk` */
  async makedirs(path: string, options: SftpMakedirsOptions = {}): Promise<void> {
    await makeDirectories(this.#session, this.#resolve(path), knownOptions('makedirs', options, optionNames.makedirs))
  }

  /** Removes an empty directory. */
  async rmdir(path: string, options: SftpCallOptions = {}): Promise<void> {
    const full = this.#resolve(path)
    const signal = signalOf('rmdir', options)
    const request = removeDirectory(this.#session, full, signal)
    const context = { operation: 'rmdir', signal, mayBeNoDirectory: true }
    await explained(this.#session, request, cannotBeEmptied(full), context)
  }

  /**
   * Removes a directory and all it holds; links are removed, never followed.
   * @throws SftpError `EINVAL`, before anything is removed, for an empty path, `/`, and one that ends in `.` or `..`
   */
  async rmtree(path: string, options: SftpRmtreeOptions = {}): Promise<void> {
    const full = this.#resolve(path)
    assertRemovable(path)
    await removeTree(this.#session, full, knownOptions('rmtree', options, optionNames.rmtree))
  }

  /** Names and attributes in a directory (default: the current one), without `.` and `..`. */
  async readdir(path = '.', options: SftpCallOptions = {}): Promise<SftpDirent[]> {
    const entries: SftpDirent[] = []
    for await (const entry of this.scandir(path, options)) entries.push(entry)
    return entries
  }

  /** Names in a directory. */
  async listdir(path = '.', options: SftpCallOptions = {}): Promise<string[]> {
    return (await this.readdir(path, options)).map(({ name }) => name)
  }

  /** As {@link SftpClient.readdir}, page by page: a directory of any size takes the memory of a few pages. */
  scandir(path = '.', options: SftpCallOptions = {}): AsyncGenerator<SftpDirent> {
    return explainedListing(this.#session, this.#resolve(path), signalOf('scandir', options))
  }

  /**
   * Paths that match: `*`, `?`, `[…]`, `**`, `{a,b}`, `/` at the end for directories only. Iterate it, or await it.
   * @throws SftpError `ENOENT` for a pattern without a match, unless `onError` takes it
   */
  glob(patterns: Paths, options: SftpGlobOptions = {}): SftpGlob {
    return globPaths(this.#remote, toList(patterns), knownOptions('glob', options, optionNames.glob))
  }

  /** As {@link SftpClient.glob}, with the attributes of each match, which a listing mostly gives anyway. */
  globEntries(patterns: Paths, options: SftpGlobOptions = {}): SftpGlobEntries {
    return globEntries(this.#remote, toList(patterns), knownOptions('globEntries', options, optionNames.glob))
  }

  /** The canonical absolute path. */
  async realpath(path: string, options: SftpRealpathOptions = {}): Promise<string> {
    const { compose, signal } = knownOptions('realpath', options, optionNames.realpath)
    return canonicalPath(this.#session, this.#resolve(path), signal, compose)
  }

  /**
   * The canonical absolute path and the attributes of what is there; in one request where version 6 is spoken.
   * @returns no attributes when nothing is there and `check` is not `always`
   * @throws SftpError `ENOENT` when nothing is there and `check` is `always`
   */
  async realpathStat(
    path: string,
    options: SftpRealpathStatOptions = {},
  ): Promise<{ readonly path: string; readonly attrs: SftpStats | undefined }> {
    const { check = 'ifExists', compose, signal } = knownOptions('realpathStat', options, optionNames.realpathStat)
    return canonicalEntry(this.#session, this.#resolve(path), check, signal, compose)
  }

  /** The directory that relative paths start in. */
  async getcwd(options: SftpCallOptions = {}): Promise<string> {
    return this.#directory ?? this.realpath('.', options)
  }

  /** Makes relative paths start in `path`. @throws SftpError `ENOTDIR` when it is no directory */
  async chdir(path: string, options: SftpCallOptions = {}): Promise<void> {
    const directory = await this.realpath(path, { signal: signalOf('chdir', options) })
    if (!(await this.stat(directory, options)).isDirectory()) {
      throw new SftpError('ENOTDIR', 'ENOTDIR: not a directory, chdir', { path })
    }
    this.#directory = directory
  }

  /** What a symbolic link points to, as it is written there. */
  async readlink(path: string, options: SftpCallOptions = {}): Promise<string> {
    return readSymlink(this.#session, this.#resolve(path), signalOf('readlink', options))
  }

  /** Makes `linkPath` a link to `targetPath`, which is stored as it is. Arguments go in OpenSSH's order. */
  async symlink(targetPath: string, linkPath: string, options: SftpCallOptions = {}): Promise<void> {
    const full = this.#resolve(linkPath)
    const signal = signalOf('symlink', options)
    await this.#explained('symlink', makeSymlink(this.#session, targetPath, full, signal), isTaken(full), signal)
  }

  /** Gives the file `oldPath` a second name. @throws SftpError `ENOTSUP` when the server cannot */
  async link(oldPath: string, newPath: string, options: SftpCallOptions = {}): Promise<void> {
    const to = this.#resolve(newPath)
    const signal = signalOf('link', options)
    const request = makeHardLink(this.#session, this.#resolve(oldPath), to, signal)
    await this.#explained(`hardlink to "${printable(to)}"`, request, isTaken(to), signal)
  }

  /**
   * Copies bytes from one file of the server to another, on the server. A path is opened for this: `dst` is made if it
   * is missing. An {@link SftpFile} keeps its position.
   *
   * A whole file that is copied to offset 0 leaves `dst` as long as `src`. With any of `srcOffset`, `srcLength` and
   * `dstOffset` a range is copied into what is there, and nothing is cut off.
   *
   * @throws SftpError `ENOTSUP` when the server does not offer `copy-data`; `EINVAL` for a file onto itself
   * @see OpenSSH PROTOCOL §4.10
   */
  async remoteCopy(src: string | SftpFile, dst: string | SftpFile, options: SftpRemoteCopyOptions = {}): Promise<void> {
    await remoteCopy(this.#session, this.#openPath, src, dst, options)
  }

  /**
   * The canonical path of one that may start with `~` or `~user`. No other call takes those for more than names.
   * @throws SftpError `ENOTSUP` when the server does not offer `expand-path@openssh.com`
   * @see OpenSSH PROTOCOL §4.9
   */
  async expandPath(path: string, options: SftpCallOptions = {}): Promise<string> {
    const name = path.startsWith('~') ? path : this.#resolve(path)
    const entries = await this.#extended(expectNames, 'expand-path@openssh.com', { path: name }, path, options)
    return onlyName(entries, 'expand-path', path)
  }

  /**
   * Where a user is at home; default: whoever is logged in.
   * @throws SftpError `ENOTSUP` when the server does not offer `home-directory`
   * @see OpenSSH PROTOCOL §4.11
   */
  async homeDirectory(username = '', options: SftpCallOptions = {}): Promise<string> {
    // OpenSSH 9.2 knows nobody without a name.
    const isOwn = username === '' && this.#session.supports('expand-path@openssh.com')
    if (isOwn) return this.expandPath('~', options)
    const entries = await this.#extended(expectNames, 'home-directory', { username }, username, options)
    return onlyName(entries, 'home-directory', username)
  }

  /**
   * Names of users and groups. Those the server does not know are not in the answer.
   * @throws SftpError `ENOTSUP` when the server does not offer `users-groups-by-id@openssh.com`
   * @see OpenSSH PROTOCOL §4.12
   */
  async usersGroupsById(
    uids: readonly number[],
    gids: readonly number[] = [],
    options: SftpCallOptions = {},
  ): Promise<SftpNamesOfIds> {
    return namesOfIds(this.#session, uids, gids, signalOf('usersGroupsById', options))
  }

  /** Ends the session. What still waits for an answer fails with `ERR_SFTP_CLOSED`. May be called again. */
  async close(): Promise<void> {
    await Promise.all([this.#session.close(), this.#group.close()])
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #resolve(path: string): string {
    return resolvePath(this.#directory, path)
  }

  /** A failure for which the server gives no reason gets one, where looking tells it. */
  #explained<T>(operation: string, request: Promise<T>, why: Explanation, signal: AbortSignal | undefined): Promise<T> {
    return explained(this.#session, request, why, { operation, signal })
  }

  #extended<T, N extends ExtendedRequestName>(
    kind: ReplyKind<T>,
    name: N,
    fields: ExtendedFields<N>,
    path: string,
    options: SftpCallOptions,
  ): Promise<T> {
    const [operation = name] = name.split('@')
    return this.#session.extended(kind, name, fields, { operation, path, signal: signalOf(operation, options) })
  }

  #openFile(
    path: string,
    flags: OpenFlags | OpenAccess,
    attrs: SftpAttrs,
    options: SftpFileOptions,
  ): Promise<SftpFile> {
    return SftpFile.open(
      this.#session,
      this.#resolve(path),
      typeof flags === 'object' ? flags : parseOpenFlags(flags),
      attrs,
      options,
    )
  }

  async #withFile<T>(
    path: string,
    flags: OpenFlags | OpenAccess,
    attrs: SftpAttrs,
    options: SftpFileOptions,
    work: (file: SftpFile) => Promise<T>,
  ): Promise<T> {
    const file = await this.#openFile(path, flags, attrs, options)
    return closingAfter(file, options.signal, () => work(file))
  }
}
