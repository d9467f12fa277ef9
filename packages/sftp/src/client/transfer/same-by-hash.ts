/** Comparing files by the hash that their server makes of one, so that it need not be fetched. */

import type { SourceFile } from '../file-tree.js'
import { type ContentOptions, hashesOf, type Stretch } from './content.js'

/**
 * Whether two files are the same within a stretch; false also when no server can tell, or differs: servers are known
 * that make wrong hashes, so whoever must be sure looks at the bytes then.
 * @param stretch up to the end of `copy`
 */
export async function sameByHash(
  original: SourceFile,
  copy: SourceFile,
  stretch: Stretch,
  options: ContentOptions,
): Promise<boolean> {
  const [asked, other] = copy.hash === undefined ? [original, copy] : [copy, original]
  const told = await asked.hash?.(stretch, undefined, options.signal)
  if (told === undefined) return false
  const { algorithm, blockLength } = told
  const told2 = await other.hash?.(stretch, algorithm, options.signal)
  if (told2?.algorithm === algorithm && told2.blockLength === blockLength) return told.digests.equals(told2.digests)
  return told.digests.equals(await hashesOf(other, stretch, algorithm, blockLength, options))
}
