/**
 * Order of the two paths in SYMLINK. The drafts (draft-ietf-secsh-filexfer-02 §6.10, -04 §6.8, -05) have the link first.
 * OpenSSH has the target first (PROTOCOL §4.1), and so do most others, lftp and ProFTPD in versions 4 and 5 too; some
 * follow the drafts with every peer that is not OpenSSH. Version 6 has another message, about which all agree.
 */
export type SymlinkOrder = 'target-first' | 'link-first'

interface SymlinkPaths {
  readonly targetPath: string
  readonly linkPath: string
}

/** Paths as the message's fields hold them, and the other way round. */
export function inSymlinkOrder(order: SymlinkOrder, { targetPath, linkPath }: SymlinkPaths): SymlinkPaths {
  return order === 'link-first' ? { targetPath: linkPath, linkPath: targetPath } : { targetPath, linkPath }
}
