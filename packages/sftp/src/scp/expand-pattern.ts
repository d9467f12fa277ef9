/** Finds what a pattern matches in a tree, as a shell does. */

import { throwIfAborted } from '../client/abort.js'
import { joinPath } from '../client/paths.js'
import { type NamePattern, patternParts, unescapePattern } from './name-pattern.js'
import type { ScpFiles } from './scp-files.js'

/**
 * The paths that match `pattern`, in the order of a shell; the pattern as a plain path when nothing does.
 *
 * A directory that cannot be listed has no names, as in a shell: whoever looks for a path hears why it is not there.
 *
 * @throws AbortError
 */
export async function expandPattern(
  files: ScpFiles,
  pattern: string,
  signal: AbortSignal | undefined,
): Promise<readonly string[]> {
  const parts = patternParts(pattern)
  const plain = unescapePattern(pattern)
  if (!parts.some(({ isMagic }) => isMagic)) return [plain]
  const ending = pattern.endsWith('/') ? '/' : ''
  const found: string[] = []
  await search(files, pattern.startsWith('/') ? '/' : '', parts, ending, found, signal)
  return found.length === 0 ? [plain] : found.sort()
}

async function search(
  files: ScpFiles,
  directory: string,
  [part, ...rest]: readonly NamePattern[],
  ending: string,
  found: string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (part === undefined) {
    const path = directory + ending
    if (await isThere(files, path, ending !== '', signal)) found.push(path)
    return
  }
  if (!part.isMagic) return search(files, joinPath(directory, part.literal), rest, ending, found, signal)
  for (const name of await matchingNames(files, directory, part, signal)) {
    const path = joinPath(directory, name)
    if (rest.length === 0 && ending === '') found.push(path)
    else await search(files, path, rest, ending, found, signal)
  }
}

async function matchingNames(
  files: ScpFiles,
  directory: string,
  part: NamePattern,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const names: string[] = []
  try {
    for await (const { name } of files.scandir(directory === '' ? '.' : directory, signal)) {
      throwIfAborted(signal)
      if (part.matches(name)) names.push(name)
    }
  } catch (error) {
    if (signal?.aborted) throw error
  }
  return names
}

async function isThere(
  files: ScpFiles,
  path: string,
  isDirectory: boolean,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    const attrs = await files.stat(path, isDirectory, signal)
    return !isDirectory || attrs.isDirectory()
  } catch (error) {
    if (signal?.aborted) throw error
    return false
  }
}
