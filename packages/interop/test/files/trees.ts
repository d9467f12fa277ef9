/** Folders that are to be the same after a journey. */

import { createHash } from 'node:crypto'
import {
  chmodSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'

export function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Makes a folder with files, folders, one of them empty, a link, modes and times. */
export function makeTree(root: string): void {
  mkdirSync(join(root, 'deep', 'deeper'), { recursive: true })
  mkdirSync(join(root, 'empty'))
  for (const name of ['one', 'deep/two words.gz', 'deep/deeper/three.txt']) {
    writeFileSync(join(root, name), basename(name).split(/[ .]/)[0] ?? '')
  }
  chmodSync(join(root, 'one'), 0o751)
  chmodSync(join(root, 'deep', 'two words.gz'), 0o600)
  chmodSync(join(root, 'deep', 'deeper'), 0o710)
  symlinkSync('one', join(root, 'link'))
  lutimesSync(join(root, 'link'), 1_100_000_000, 1_200_000_000)
  for (const name of ['one', 'deep/two words.gz', 'deep/deeper/three.txt', 'deep/deeper', 'deep', 'empty', '.']) {
    utimesSync(join(root, name), 1_100_000_000, 1_200_000_000 + name.length)
  }
}

/** What {@link describeTree} tells of each kind; `link` is what a link points to, `content` what is in a file. */
export interface TreeFacts {
  /** Bits of a mode. Default true. */
  readonly modes?: boolean
  /** Times of files. Default true. */
  readonly times?: boolean
  /** Times of folders. Default true. */
  readonly folderTimes?: boolean
  /** Links; else they are left out. Default true. */
  readonly links?: boolean
}

/** Path → what is there, for all in a folder. */
export function describeTree(root: string, facts: TreeFacts = {}): Record<string, unknown> {
  const { modes = true, times = true, folderTimes = true, links = true } = facts
  const tree: Record<string, unknown> = {}
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(root, name)
    const stats = lstatSync(path)
    const mode = modes ? { mode: stats.mode & 0o777 } : {}
    const time = { time: Math.trunc(stats.mtimeMs / 1000) }
    if (stats.isSymbolicLink()) {
      if (links) tree[name] = { link: readlinkSync(path) }
    } else if (stats.isDirectory()) tree[name] = { ...mode, ...(folderTimes && times && time) }
    else tree[name] = { content: readFileSync(path, 'utf8'), ...mode, ...(times && time) }
  }
  return tree
}
