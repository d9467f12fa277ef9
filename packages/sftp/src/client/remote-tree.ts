/** A server as one side of a transfer. */

import { AbortError } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import { writeHeadroom } from '../protocol/data-packets.js'
import type { DataRange } from '../protocol/data-ranges.js'
import { openFlags } from '../protocol/open-flags.js'
import { onAbort, throwIfAborted } from './abort.js'
import { SessionGroup } from './channels/session-group.js'
import { WriteLanes } from './channels/write-lanes.js'
import { cannotBeOpened, explained, isTaken } from './explained.js'
import type {
  FileHash,
  FileTree,
  SourceBlock,
  SourceFile,
  TargetFile,
  TargetMode,
  TargetOptions,
  TreeEntry,
} from './file-tree.js'
import {
  canonicalPath,
  closeHandle,
  listDirectory,
  makeDirectory,
  makeSymlink,
  type OpenHandle,
  openFile,
  readInto,
  readSymlink,
  removeFile,
  renamePath,
  replacePath,
  setstatHandle,
  setstatPath,
  statHandle,
  statPath,
} from './operations.js'
import { baseName, joinPath } from './paths.js'
import { mayTellRanges, remoteRanges } from './remote-ranges.js'
import { emptyBlock, expectDone } from './reply-kinds.js'
import type { ClientSession } from './session.js'
import type { SftpStats } from './stats.js'
import { checkFile } from './transfer/check-file.js'
import type { Stretch } from './transfer/content.js'
import { forAWhile, patienceMs } from './transfer/patience.js'

type Signal = AbortSignal | undefined

/** What OPEN is told about a file that is there already. */
const existingFlags: Readonly<Record<TargetMode, number>> = {
  replace: openFlags.truncate,
  extend: 0,
  overwrite: 0,
  create: openFlags.exclusive,
}

/** WRITEs may be on their way in any number, as far as the bytes in flight allow. */
export const remoteSpread = 32 * 1024 * 1024

export class RemoteTree implements FileTree {
  readonly kind = 'remote'
  readonly maximumSpread = remoteSpread
  readonly #session: ClientSession
  readonly #resolve: (path: string) => string
  readonly #group: SessionGroup

  /**
   * @param resolve makes a path that the caller gave absolute, where the client has a current directory
   * @param group the session and those beside it that share in writing
   */
  constructor(session: ClientSession, resolve: (path: string) => string, group = new SessionGroup(session)) {
    this.#session = session
    this.#resolve = resolve
    this.#group = group
  }

  join(directory: string, name: string): string {
    return joinPath(directory, name)
  }

  baseName(path: string): string {
    return baseName(path)
  }

  stat(path: string, followSymlinks: boolean, signal: Signal): Promise<SftpStats> {
    return statPath(this.#session, this.#resolve(path), followSymlinks, signal)
  }

  scandir(path: string, signal: Signal): AsyncIterable<TreeEntry> {
    return listDirectory(this.#session, this.#resolve(path), signal)
  }

  async ensureDirectory(path: string, _isGiven: boolean, signal: Signal): Promise<void> {
    const full = this.#resolve(path)
    try {
      await makeDirectory(this.#session, full, {}, signal)
    } catch (error) {
      // Version 3 has no status for a directory that is there already: only looking tells.
      if (await this.#isDirectory(path, signal)) return
      await explained(this.#session, Promise.reject(error), isTaken(full), { operation: 'mkdir', signal })
    }
  }

  readlink(path: string, signal: Signal): Promise<string> {
    return readSymlink(this.#session, this.#resolve(path), signal)
  }

  symlink(targetPath: string, linkPath: string, signal: Signal): Promise<void> {
    const full = this.#resolve(linkPath)
    const request = makeSymlink(this.#session, targetPath, full, signal)
    return explained(this.#session, request, isTaken(full), { operation: 'symlink', signal })
  }

  setAttrs(path: string, attrs: SftpAttrs, signal: Signal): Promise<void> {
    return setstatPath(this.#session, this.#resolve(path), attrs, true, signal)
  }

  async openSource(path: string, attrs: SftpStats, signal: Signal): Promise<SourceFile> {
    const { file, limits } = await openFile(this.#session, this.#resolve(path), openFlags.read, {}, signal)
    return new RemoteSource(file, limits.maxReadLength, attrs.size)
  }

  openTarget(path: string, options: TargetOptions): Promise<TargetFile> {
    return this.#group.using(() => this.#openTarget(path, options))
  }

  async #openTarget(
    path: string,
    { attrs, preserve, signal, mode = 'replace', permissions = attrs.permissions, holdsSource = false }: TargetOptions,
  ): Promise<TargetFile> {
    const { write, create } = openFlags
    // The mode goes with OPEN, where the server's umask applies: a request of its own would be one more to be refused.
    const initial = permissions === undefined ? {} : { permissions: permissions & 0o777 }
    const flags = write | create | existingFlags[mode]
    const session = holdsSource ? this.#session : this.#group.sessionFor(attrs.size)
    const full = this.#resolve(path)
    const opening = openFile(session, full, flags, initial, signal)
    const why = cannotBeOpened(full, mode === 'create')
    const { file, limits } = await explained(session, opening, why, { operation: 'open', signal })
    const lanes = new WriteLanes(this.#group, file, attrs.size)
    return new RemoteTarget(file, lanes, limits.maxWriteLength, preserve ? preservedAttrs(attrs) : undefined, signal)
  }

  realPath(path: string, signal: Signal): Promise<string> {
    return canonicalPath(this.#session, this.#resolve(path), signal)
  }

  get canReplace(): boolean {
    return this.#session.supports('posix-rename@openssh.com') || this.#session.dialect.hasRenameFlags
  }

  async move(oldPath: string, newPath: string, replaces: boolean, signal: Signal): Promise<void> {
    const [from, to] = [this.#resolve(oldPath), this.#resolve(newPath)]
    const isPlain = !this.canReplace && !replaces
    await (isPlain ? renamePath : replacePath)(this.#session, from, to, signal)
  }

  remove(path: string, signal: Signal): Promise<void> {
    return removeFile(this.#session, this.#resolve(path), signal)
  }

  async #isDirectory(path: string, signal: Signal): Promise<boolean> {
    try {
      return (await this.stat(path, true, signal)).isDirectory()
    } catch (error) {
      if (error instanceof SftpError) return false
      throw error
    }
  }
}

/** What `preserve` carries over: permission bits, and times as exactly as both sides have them. */
export function preservedAttrs({ permissions, atime, atimeNs, mtime, mtimeNs }: SftpAttrs): SftpAttrs {
  return {
    ...(permissions !== undefined && { permissions: permissions & 0o7777 }),
    ...(atime !== undefined && mtime !== undefined && { atime, mtime }),
    ...(atimeNs !== undefined && mtimeNs !== undefined && { atimeNs, mtimeNs }),
  }
}

class RemoteSource implements SourceFile {
  readonly maximumLength: number
  readonly size: number | undefined
  readonly isSizeCertain = false
  readonly path: string
  readonly remote: OpenHandle

  constructor(file: OpenHandle, maximumLength: number, size: number | undefined) {
    this.remote = file
    this.path = file.path
    this.maximumLength = maximumLength
    this.size = size
  }

  /** Takes memory only once data arrives, so that what is in flight far away holds none. */
  async read(position: number, length: number, headroom: number, signal: Signal): Promise<SourceBlock> {
    const { session } = this.remote
    let packet: Buffer | undefined
    const memory = (): Buffer => {
      packet = session.memory.take(headroom + length)
      return packet.subarray(headroom)
    }
    // Asked for one byte behind the believed end, a server that has all but that one has said that there is the end.
    const enough = length > 1 && position + length - 1 === this.size ? length - 1 : length
    const filled = await readInto(this.remote, position, length, memory, signal, enough)
    const taken = packet
    if (taken === undefined) return emptyBlock
    const used = taken.subarray(0, headroom + filled)
    return {
      packet: used,
      chunks: [used.subarray(headroom)],
      length: filled,
      release: () => session.memory.giveBack(taken),
    }
  }

  async currentSize(signal: Signal): Promise<number | undefined> {
    return (await statIfTold(this.remote, signal))?.size
  }

  dataRanges(start: number, signal: Signal): Promise<AsyncGenerator<DataRange> | undefined> | undefined {
    const { remote, size = 0 } = this
    return mayTellRanges(remote, start, size) ? remoteRanges(remote, start, size, signal) : undefined
  }

  async hash(stretch: Stretch, algorithm: string | undefined, signal: Signal): Promise<FileHash | undefined> {
    const stats = await statIfTold(this.remote, signal)
    // Some servers hash up to the end of the file, whatever they are told.
    return stats?.size === stretch.end ? checkFile(this.remote, stretch, algorithm, signal) : undefined
  }

  close(): void {
    this.remote.session.closeQuietly(this.remote.handle)
  }
}

class RemoteTarget implements TargetFile {
  readonly maximumLength: number
  readonly headroom: number
  readonly releasesBlocks: boolean
  readonly maximumSpread = remoteSpread
  readonly remote: OpenHandle
  readonly #lanes: WriteLanes
  readonly #finalAttrs: SftpAttrs | undefined
  readonly #signal: Signal
  /** WRITEs not answered, by what gives one up. */
  readonly #unanswered = new Set<(error: unknown) => void>()
  readonly #stopWatching: (() => void) | undefined
  #patience: NodeJS.Timeout | undefined
  #isClosed = false
  #closeWhenAnswered = false

  constructor(
    file: OpenHandle,
    lanes: WriteLanes,
    maximumLength: number,
    finalAttrs: SftpAttrs | undefined,
    signal: Signal,
  ) {
    this.remote = file
    this.#lanes = lanes
    this.maximumLength = maximumLength
    this.headroom = writeHeadroom(file.handle)
    this.releasesBlocks = file.session.copiesChunks
    this.#finalAttrs = finalAttrs
    this.#signal = signal
    this.#stopWatching = signal && onAbort(signal, () => this.#giveUpSoon(signal))
  }

  /**
   * An abort does not end it at once: what is known to be written when the server has answered can be kept, and what
   * lies behind a hole cut off before anybody else opens the file.
   */
  write(position: number, block: SourceBlock): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#unanswered.add(reject)
      const packet = block.packet ?? withHeadroom(block, this.headroom)
      this.#lanes.write(packet, position).then(
        () => {
          this.#answered(reject)
          resolve()
        },
        (error) => {
          this.#answered(reject)
          reject(error)
        },
      )
    })
  }

  onLost(listener: (error: unknown) => void): () => void {
    return this.remote.session.onEnd(listener)
  }

  async currentSize(signal: Signal): Promise<number | undefined> {
    const stats = await statIfTold(this.remote, signal)
    return stats?.type === 'file' || stats?.type === 'unknown' ? stats.size : undefined
  }

  attrs(signal: Signal): Promise<SftpStats | undefined> {
    return statIfTold(this.remote, signal)
  }

  setAttrs(attrs: SftpAttrs, signal: Signal): Promise<void> {
    return setstatHandle(this.remote, attrs, signal)
  }

  async truncate(size: number): Promise<void> {
    await setstatHandle(this.remote, { size }, this.#signal)
  }

  async sync(): Promise<void> {
    const { session, handle, path } = this.remote
    if (!session.supports('fsync@openssh.com')) return
    const context = { operation: 'fsync', path, signal: this.#signal }
    await session.extended(expectDone, 'fsync@openssh.com', { handle }, context)
  }

  async finish(): Promise<void> {
    const { session, handle, path } = this.remote
    if (this.#finalAttrs !== undefined) await setstatHandle(this.remote, this.#finalAttrs, this.#signal)
    throwIfAborted(this.#signal)
    this.#isClosed = true
    this.#stopWatching?.()
    await Promise.all([this.#lanes.finish(), closeHandle(session, handle, path, this.#signal)])
  }

  async discard(kept: number | undefined): Promise<void> {
    this.#stopWatching?.()
    clearTimeout(this.#patience)
    this.#lanes.discard()
    const { session, handle } = this.remote
    const isSettled = this.#unanswered.size === 0
    // Never twice: a server may have given the handle to another file meanwhile.
    if (this.#isClosed) return
    this.#isClosed = true
    if (!isSettled) {
      // Closed only then: a server that takes requests in another order could give the handle to another file first.
      this.#closeWhenAnswered = true
      return
    }
    if (kept !== undefined) await forAWhile(setstatHandle(this.remote, { size: kept }, undefined))
    session.closeQuietly(handle)
  }

  #answered(write: (error: unknown) => void): void {
    this.#unanswered.delete(write)
    if (this.#closeWhenAnswered && this.#unanswered.size === 0) this.remote.session.closeQuietly(this.remote.handle)
  }

  #giveUpSoon(signal: AbortSignal): void {
    this.#lanes.drop(new AbortError(signal.reason))
    if (this.#unanswered.size === 0) return
    this.#patience = setTimeout(() => {
      for (const giveUp of this.#unanswered) giveUp(new AbortError(signal.reason))
    }, patienceMs)
  }
}

/** Attributes of an open file; undefined where the server does not tell them. */
async function statIfTold(file: OpenHandle, signal: Signal): Promise<SftpStats | undefined> {
  try {
    return await statHandle(file, signal)
  } catch (error) {
    if (error instanceof SftpError && error.status !== undefined) return undefined
    throw error
  }
}

function withHeadroom(block: SourceBlock, headroom: number): Buffer {
  const packet = Buffer.allocUnsafe(headroom + block.length)
  let offset = headroom
  for (const chunk of block.chunks) {
    packet.set(chunk, offset)
    offset += chunk.length
  }
  return packet
}
