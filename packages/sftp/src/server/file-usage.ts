/** What a tree of files takes: counted once, and kept up to date with every change. */

import { SftpError } from '../errors.js'
import { typeOfAttrs } from '../protocol/attrs.js'
import type { SftpHandler } from './handler.js'

/** How much is taken. */
export interface FileUsage {
  /** Bytes of all files, by their sizes: holes count. */
  readonly bytes: number
  /** Files, directories, links and whatever else has a name, without the root. */
  readonly files: number
}

/** Directories below each other at most. */
const maximumDepth = 1024

/** Counts everything below `/`, links not followed. @throws what the handler throws */
export async function countFiles<F>(handler: SftpHandler<F>): Promise<FileUsage> {
  let bytes = 0
  let files = 0
  const waiting: { path: string; depth: number }[] = [{ path: '', depth: 0 }]
  for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
    const { path, depth } = directory
    if (depth > maximumDepth) throw new SftpError('ELOOP', 'The directories to be counted have no end')
    for await (const { fileName, attrs } of handler.scandir(path || '/')) {
      if (fileName === '.' || fileName === '..') continue
      files++
      const type = typeOfAttrs(attrs)
      if (type === 'directory') waiting.push({ path: `${path}/${fileName}`, depth: depth + 1 })
      else if (type === 'file') bytes += attrs.size ?? 0
    }
  }
  return { bytes, files }
}
