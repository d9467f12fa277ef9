/** SSH_FX_* status codes and the error codes they stand for. */

/** One status code. */
export interface StatusRow {
  /** What {@link SftpError} carries as `code`: as in `fs` where `fs` has one, else `ERR_SFTP_…`. */
  readonly code: string
  /** What it means, for a message. */
  readonly meaning: string
}

/** Status codes that every version has (draft-ietf-secsh-filexfer-02 §7). */
export const statusCodes = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  noConnection: 6,
  connectionLost: 7,
  opUnsupported: 8,
} as const

/** Rows 9 to 31 are of later drafts (filexfer-13 §9.1); servers send them to version 3 clients all the same. */
const rows = new Map<number, StatusRow>([
  [statusCodes.ok, { code: 'ERR_SFTP_OK', meaning: 'success where an answer was expected' }],
  [statusCodes.eof, { code: 'ERR_SFTP_EOF', meaning: 'end of file' }],
  [statusCodes.noSuchFile, { code: 'ENOENT', meaning: 'no such file or directory' }],
  [statusCodes.permissionDenied, { code: 'EACCES', meaning: 'permission denied' }],
  [statusCodes.failure, { code: 'ERR_SFTP_FAILURE', meaning: 'the server gave no reason' }],
  [statusCodes.badMessage, { code: 'ERR_SFTP_BAD_MESSAGE', meaning: 'the server refused the request as malformed' }],
  [statusCodes.noConnection, { code: 'ERR_SFTP_NO_CONNECTION', meaning: 'the server has no connection' }],
  [statusCodes.connectionLost, { code: 'ERR_SFTP_CONNECTION_LOST', meaning: 'the connection is lost' }],
  [statusCodes.opUnsupported, { code: 'ENOTSUP', meaning: 'the server does not support this operation' }],
  [9, { code: 'EBADF', meaning: 'invalid handle' }],
  [10, { code: 'ENOENT', meaning: 'no such path' }],
  [11, { code: 'EEXIST', meaning: 'the file exists already' }],
  [12, { code: 'EROFS', meaning: 'the file system is read-only' }],
  [13, { code: 'ENODEV', meaning: 'no media in the drive' }],
  [14, { code: 'ENOSPC', meaning: 'no space left on the file system' }],
  [15, { code: 'EDQUOT', meaning: 'quota exceeded' }],
  [16, { code: 'ERR_SFTP_UNKNOWN_PRINCIPAL', meaning: 'unknown user or group' }],
  [17, { code: 'ERR_SFTP_LOCK_CONFLICT', meaning: 'the file is locked' }],
  [18, { code: 'ENOTEMPTY', meaning: 'the directory is not empty' }],
  [19, { code: 'ENOTDIR', meaning: 'not a directory' }],
  [20, { code: 'ERR_SFTP_INVALID_FILENAME', meaning: 'invalid file name' }],
  [21, { code: 'ELOOP', meaning: 'too many symbolic links' }],
  [22, { code: 'ERR_SFTP_CANNOT_DELETE', meaning: 'the file cannot be deleted' }],
  [23, { code: 'EINVAL', meaning: 'invalid parameter' }],
  [24, { code: 'EISDIR', meaning: 'the file is a directory' }],
  [25, { code: 'ERR_SFTP_LOCK_CONFLICT', meaning: 'the byte range is locked' }],
  [26, { code: 'ERR_SFTP_LOCK_REFUSED', meaning: 'the byte range lock was refused' }],
  [27, { code: 'ERR_SFTP_DELETE_PENDING', meaning: 'the file is about to be deleted' }],
  [28, { code: 'ERR_SFTP_FILE_CORRUPT', meaning: 'the file is corrupt' }],
  [29, { code: 'ERR_SFTP_OWNER_INVALID', meaning: 'the owner is invalid' }],
  [30, { code: 'ERR_SFTP_GROUP_INVALID', meaning: 'the group is invalid' }],
  [31, { code: 'ERR_SFTP_NO_MATCHING_LOCK', meaning: 'there is no such byte range lock' }],
])

/** The row of a status code; a number nobody declared is a failure without a reason. */
export function statusRow(status: number): StatusRow {
  return rows.get(status) ?? { code: 'ERR_SFTP_FAILURE', meaning: `the server answered with status ${status}` }
}

/** Error codes a version 3 status can say; every other is SSH_FX_FAILURE. */
const statusOfCode = new Map<string, number>([
  ['ENOENT', statusCodes.noSuchFile],
  ['ENOTDIR', statusCodes.noSuchFile],
  ['ELOOP', statusCodes.noSuchFile],
  ['EACCES', statusCodes.permissionDenied],
  ['EPERM', statusCodes.permissionDenied],
  ['EROFS', statusCodes.permissionDenied],
  ['ENAMETOOLONG', statusCodes.badMessage],
  ['EINVAL', statusCodes.badMessage],
  ['ERR_SFTP_BAD_MESSAGE', statusCodes.badMessage],
  ['ERR_SFTP_EOF', statusCodes.eof],
  ['ENOSYS', statusCodes.opUnsupported],
  ['ENOTSUP', statusCodes.opUnsupported],
  ['EOPNOTSUPP', statusCodes.opUnsupported],
])

/** Statuses that came later: error code, first version, status. Of several rows of a code the last that fits holds. */
const laterStatuses: readonly (readonly [code: string, since: number, status: number])[] = [
  ['EBADF', 4, 9],
  ['EEXIST', 4, 11],
  ['EROFS', 4, 12],
  ['ENODEV', 4, 13],
  ['ENOSPC', 5, 14],
  ['EDQUOT', 5, 15],
  ['ERR_SFTP_UNKNOWN_PRINCIPAL', 5, 16],
  ['ERR_SFTP_OWNER_INVALID', 5, 16],
  ['ERR_SFTP_GROUP_INVALID', 5, 16],
  ['ERR_SFTP_LOCK_CONFLICT', 5, 17],
  ['ENOTEMPTY', 6, 18],
  ['ENOTDIR', 6, 19],
  ['ENAMETOOLONG', 6, 20],
  ['EILSEQ', 6, 20],
  ['ERR_SFTP_INVALID_FILENAME', 6, 20],
  ['ELOOP', 6, 21],
  ['ERR_SFTP_CANNOT_DELETE', 6, 22],
  ['EINVAL', 6, 23],
  ['EISDIR', 6, 24],
  ['ERR_SFTP_LOCK_CONFLICT', 6, 25],
  ['ERR_SFTP_LOCK_REFUSED', 6, 26],
  ['ERR_SFTP_DELETE_PENDING', 6, 27],
  ['ERR_SFTP_FILE_CORRUPT', 6, 28],
  ['ERR_SFTP_OWNER_INVALID', 6, 29],
  ['ERR_SFTP_GROUP_INVALID', 6, 30],
  ['ERR_SFTP_NO_MATCHING_LOCK', 6, 31],
]

/**
 * The status that tells an error with this `code` (of `fs` or of an SftpError) to a client.
 * @param version of the protocol; default 3, which has few words
 */
export function statusOf(code: string, version = 3): number {
  const later = laterStatuses.findLast(([name, since]) => name === code && since <= version)
  return later?.[2] ?? statusOfCode.get(code) ?? statusCodes.failure
}
