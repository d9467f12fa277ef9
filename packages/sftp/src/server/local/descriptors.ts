/**
 * Directories by descriptor, and what is in them by name: what openat(2) does, with what Node has. Linux shows a
 * process its open files under `/proc/self/fd`; a path that goes on from there starts in the very directory that is open,
 * whatever has become of its name.
 */

import * as fs from 'node:fs'
import { promisify } from 'node:util'
import { toLocalPath } from '../../local-path.js'
import type { LocalPath } from './local-tree.js'

const openFile = promisify(fs.open)

/** A descriptor that stands for a place, and needs no right to read it (open(2)); Node does not name it. */
const O_PATH = 0o10000000

const { O_DIRECTORY = 0, O_NOFOLLOW = 0 } = fs.constants

/** `PROC_SUPER_MAGIC`, the type of a real /proc. */
const procType = 0x9fa0

/** What is open as `fd`, without its name. */
export function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`
}

/** What bears `name` in the directory that is open as `fd`. */
export function entryOf(fd: number, name: string): LocalPath {
  return toLocalPath(`/proc/self/fd/${fd}/${name}`)
}

/** Opens a directory as a place. @throws Error of `fs`, with `ENOTDIR` for a link at the end */
export function openDirectoryAt(path: LocalPath): Promise<number> {
  return openFile(path, O_PATH | O_DIRECTORY | O_NOFOLLOW)
}

/** Opens anything as a place, a link at the end too. @throws Error of `fs` */
export function openPlaceAt(path: LocalPath): Promise<number> {
  return openFile(path, O_PATH | O_NOFOLLOW)
}

/** Gives a place back. Nothing is written for one and nobody is asked, so this does not wait. */
export function closePlace(fd: number): void {
  fs.closeSync(fd)
}

let works: boolean | undefined

/** Whether all this works here: on Linux, with /proc, on a runtime that hands flags through as they are. */
export function hasPlaces(): boolean {
  works ??= process.platform === 'linux' && isProved()
  return works
}

function isProved(): boolean {
  let fd: number | undefined
  try {
    if (fs.statfsSync('/proc/self/fd').type !== procType) return false
    fd = fs.openSync('/', O_PATH | O_DIRECTORY | O_NOFOLLOW)
    const flags = /^flags:\s*([0-7]+)$/m.exec(fs.readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '0'
    const wanted = O_PATH | O_DIRECTORY | O_NOFOLLOW
    return (Number.parseInt(flags, 8) & wanted) === wanted && fs.lstatSync(`${pathOf(fd)}/.`).isDirectory()
  } catch {
    return false
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}
