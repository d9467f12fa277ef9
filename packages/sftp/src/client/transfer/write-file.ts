/** Writes one file: finds where to begin, and leaves something whole behind, or something that can be gone on with. */

import { SftpError } from '../../errors.js'
import type { FileTree, SourceFile, TargetFile } from '../file-tree.js'
import type { FileProgress } from '../progress.js'
import { SftpStats } from '../stats.js'
import type { ContentOptions } from './content.js'
import { assertNoPart, claim, type Landing, landingBeside, landingOn, removeFailed, statIfThere } from './landing.js'
import { resumePosition } from './resume.js'
import { sameByHash } from './same-by-hash.js'

/** What is written. */
export interface Content {
  /** Its path, for errors; empty where it has none. */
  readonly path: string
  readonly attrs: SftpStats
  /** Its bytes, at any place; undefined for a stream, which gives them once. */
  readonly file: SourceFile | undefined
  /** Starts to copy what is behind `start`. */
  copyTo(target: TargetFile, start: number, onBytes: (byteCount: number) => void): Copying
  /** Where a copy first differs from it: undefined when nowhere, NaN when it is not known where. */
  differenceFrom(copy: SourceFile, size: number): Promise<number | undefined>
}

/** Content on its way. */
export interface Copying {
  /** @returns the size of the copy */
  run(): Promise<number>
  /** Bytes from the start of the target that are written without a hole. */
  readonly contiguous: number
}

export interface Destination {
  readonly tree: FileTree
  readonly path: string
  /** Whether the caller named this very path. */
  readonly isGiven: boolean
  /** Whether what is written is of this tree too. */
  readonly holdsSource?: boolean
}

export interface WriteRules extends ContentOptions {
  readonly preserve: boolean
  readonly resume: boolean
  readonly atomic: boolean
  readonly verify: boolean
}

/**
 * Writes `content` to a file.
 *
 * What fails leaves nothing of a local file, of a temporary one or of one that turned out wrong. Of a remote one, and of
 * any with `resume`, stays what is written without a hole, where the other side can still be told to cut it off there.
 *
 * @throws SftpError with `details.written`, how many bytes from the start are written without a hole
 */
export async function writeFile(
  content: Content,
  destination: Destination,
  rules: WriteRules,
  progress: FileProgress,
): Promise<void> {
  const { tree, path, isGiven, holdsSource = false } = destination
  const { atomic, resume, signal } = rules
  let written = 0
  let unclaim: (() => void) | undefined
  try {
    if (atomic && resume) assertNoPart(tree, path)
    const landing = atomic ? await landingBeside(tree, path, { ...rules, isGiven }) : landingOn(path)
    if (resume) unclaim = claim(tree, landing.path)
    const beginning = resume ? await findBeginning(content, destination, landing, rules) : undefined
    written = beginning?.kept ?? 0
    const anew = atomic && !resume ? 'create' : holdsSource && !atomic ? 'overwrite' : 'replace'
    const target = await tree.openTarget(landing.path, {
      attrs: content.attrs,
      preserve: rules.preserve,
      isGiven: isGiven && !atomic,
      mode: written > 0 ? 'extend' : anew,
      holdsSource,
      permissions: landing.permissions,
      signal,
    })
    let copying: Copying | undefined
    let isClosing = false
    let isUnverified = false
    const overwritten = holdsSource && !atomic ? sizeOf(target, signal) : undefined
    try {
      if (written > 0) {
        const size = (await sizeOf(target, signal)) ?? written
        if (size < written) {
          written = size
          throw becameShorter(landing.path, size)
        }
        progress.add(written)
      }
      copying = content.copyTo(target, written, (byteCount) => progress.add(byteCount))
      const size = await copying.run()
      // Not before it is written: there are servers that lose all of a file whose size is set.
      const former = written > 0 ? beginning?.size : await overwritten
      written = size
      if ((former ?? 0) > size) await target.truncate(size)
      await landing.resemble(target)
      if (atomic) await target.sync()
      isClosing = true
      await target.finish()
      if (rules.verify) {
        isUnverified = true
        await verify(content, tree, landing.path, size, rules)
        isUnverified = false
      }
      await landing.commit()
    } catch (error) {
      written = copying?.contiguous ?? written
      // What could not be looked at is not known to be wrong: it can be gone on with.
      const isWrong = isUnverified && (!resume || isDifference(error))
      const isKept = !isWrong && (resume ? written > 0 : tree.kind === 'remote' && !atomic)
      const isCut = isKept && !(overwritten !== undefined && mayBeSource(await overwritten, content))
      await target.discard(isCut ? written : undefined)
      // A local file that is still open removes itself, and nothing that has taken its place.
      if (!isKept && (isClosing || tree.kind === 'remote')) await removeFailed(tree, landing.path, isGiven && !atomic)
      throw error
    }
  } catch (error) {
    if (!(error instanceof SftpError)) throw error
    throw error.during(content.path, path, { written })
  } finally {
    unclaim?.()
  }
  progress.finish()
}

/** Whether a file that was there is the source under another name, as far as sizes can tell: to cut it off is to lose both. */
function mayBeSource(size: number | undefined, { attrs }: Content): boolean {
  return size === undefined || (size > 0 && size === attrs.size)
}

/** Bytes of a file before anything is written; undefined when it is none that can be cut off. Never rejects. */
async function sizeOf(target: TargetFile, signal: AbortSignal | undefined): Promise<number | undefined> {
  return target.currentSize?.(signal).catch(() => undefined)
}

/** What is there already, and how much of it can stay. */
interface Beginning {
  readonly size: number
  readonly kept: number
}

async function findBeginning(
  content: Content,
  { tree, isGiven }: Destination,
  { path }: Landing,
  rules: WriteRules,
): Promise<Beginning | undefined> {
  const { atomic, signal } = rules
  const { file: source } = content
  if (source === undefined) throw notWithStreams('resume')
  const follows = !atomic && (isGiven || tree.kind === 'remote')
  const there = await statIfThere(tree, path, signal, follows)
  if (there?.isSymbolicLink()) {
    throw new SftpError('ELOOP', 'ELOOP: a symbolic link stands where a file was to be gone on with', { path })
  }
  if (there?.size === undefined || !there.isFile()) return undefined
  const { size } = there
  if (size === 0) return { size, kept: 0 }
  const file = await tree.openSource(path, there, signal)
  try {
    const hasSame = (start: number, end: number) => sameByHash(source, file, { start, end }, rules)
    const kept = await resumePosition(source, { file, size, maximumSpread: tree.maximumSpread, hasSame }, rules)
    return { size, kept }
  } finally {
    file.close()
  }
}

/** Going on behind the end would leave a hole. */
function becameShorter(path: string, size: number): SftpError {
  return new SftpError(
    'ERR_SFTP_FILE_CHANGED',
    `What was to be gone on with has become shorter since it was looked at: it has ${size} bytes`,
    { path, details: { size } },
  )
}

function isDifference(error: unknown): boolean {
  return error instanceof SftpError && error.code === 'ERR_SFTP_VERIFY_FAILED'
}

async function verify(content: Content, tree: FileTree, path: string, size: number, rules: WriteRules): Promise<void> {
  const copy = await tree.openSource(path, new SftpStats({ size }), rules.signal)
  try {
    const difference = await content.differenceFrom(copy, size)
    if (difference === undefined) return
    const isKnown = !Number.isNaN(difference)
    throw new SftpError(
      'ERR_SFTP_VERIFY_FAILED',
      `The copy is not what was copied${isKnown ? `: it differs at offset ${difference}` : ''}; it was removed`,
      { path, ...(isKnown && { details: { offset: difference } }) },
    )
  } finally {
    copy.close()
  }
}

export function notWithStreams(option: 'resume' | 'atomic'): SftpError {
  return new SftpError('EINVAL', `EINVAL: a stream cannot be copied with the option ${option}; give a path, or bytes`)
}
