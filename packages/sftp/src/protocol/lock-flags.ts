/**
 * What nobody else may do with locked bytes: SSH_FXF_BLOCK_* (draft-ietf-secsh-filexfer-13 §8.1.1, §8.8), as when a file
 * is opened.
 */
export const lockFlags = {
  read: 0x40,
  write: 0x80,
  delete: 0x100,
  /** Binds only those who lock too. */
  advisory: 0x200,
} as const
