/** What a rename of version 5 and later may do: SSH_FXF_RENAME_* (draft-ietf-secsh-filexfer-13 §8.3). */
export const renameFlags = {
  /** Replaces what has the new name. */
  overwrite: 0x1,
  /** The new name is there all the while, as the old file or the new. */
  atomic: 0x2,
  /** However the server's file system does it. */
  native: 0x4,
} as const
