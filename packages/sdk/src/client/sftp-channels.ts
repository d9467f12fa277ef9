/** How many channels an SFTP client may use of a server, and how their windows begin. */

/**
 * Programs of which SFTP is OpenSSH's sftp-server on a disk, unless somebody has taken pains: two handles of one file
 * write to the same file. Servers in front of an object store make two uploads of them.
 */
const severalHandles = /^SSH-2\.0-(?:OpenSSH|dropbear)_/

/** @param identification as in `serverVersion` of a connection's `info` */
export function maximumChannelsOf(identification: string): number {
  return severalHandles.test(identification) ? 6 : 1
}

/**
 * Receive window of the channel that files are fetched through. It need not grow into what a long way takes, as others
 * do: what may arrive is bounded by what was asked for, and is taken at once.
 */
export const sftpWindowSize = 16 * 1024 * 1024
