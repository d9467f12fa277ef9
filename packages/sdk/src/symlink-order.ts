/** In which order a peer has the paths of SFTP's SYMLINK, by its identification string. */

import type { SymlinkOrder } from '@ssh/sftp'

/** AsyncSSH and libssh keep to the draft, on both sides, with every peer but OpenSSH. */
const linkFirst = /^SSH-2\.0-(?:AsyncSSH|libssh)_/

/** @param identification as in `serverVersion` and `clientVersion` of a connection's `info` */
export function symlinkOrderOf(identification: string): SymlinkOrder {
  return linkFirst.test(identification) ? 'link-first' : 'target-first'
}
