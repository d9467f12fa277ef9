/** Where a copy within one tree may go: not onto what is copied, and not into it. */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { FileTree } from './file-tree.js'
import { joinPath, parentPath } from './paths.js'
import { ontoItself } from './remote-copy.js'

type Signal = AbortSignal | undefined

/**
 * @throws SftpError `EINVAL` when `dst` is `src`, or a directory within it: what is copied would grow while it is copied,
 *   or be cut off before it is
 */
export async function assertOutside(tree: FileTree, src: string, dst: string, signal: Signal): Promise<void> {
  const [from, to] = await Promise.all([canonicalPlace(tree, src, signal), canonicalPlace(tree, dst, signal)])
  if (from === to) throw ontoItself(dst)
  if (!to.startsWith(joinPath(from, ''))) return
  throw new SftpError('EINVAL', `EINVAL: a directory cannot be copied into itself, from "${printable(src)}"`, {
    path: dst,
  })
}

/** The canonical path of what need not be there yet, as far as the server tells it. */
async function canonicalPlace(tree: FileTree, path: string, signal: Signal): Promise<string> {
  try {
    return await tree.realPath(path, signal)
  } catch (error) {
    const parent = parentPath(path)
    if (!(error instanceof SftpError) || error.status === undefined) throw error
    return parent === undefined ? path : joinPath(await canonicalPlace(tree, parent, signal), tree.baseName(path))
  }
}
