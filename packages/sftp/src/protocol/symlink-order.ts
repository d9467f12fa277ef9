/**
 * Order of the two paths in SYMLINK. The draft (draft-ietf-secsh-filexfer-02 §6.10) has the link first. OpenSSH has the
 * target first (PROTOCOL §4.1), and so do most others; some follow the draft with every peer that is not OpenSSH.
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
