/** Owners and groups of files, by number or by name. */

import type { SftpAttrs } from '../protocol/attrs.js'

/** Both as attributes: as numbers while both are, since version 3 knows nothing else. */
export function attrsOfOwner(owner: number | string, group: number | string): SftpAttrs {
  if (typeof owner === 'number' && typeof group === 'number') return { uid: owner, gid: group }
  return { owner: String(owner), group: String(group) }
}
