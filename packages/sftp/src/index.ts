/**
 * SFTP, versions 3 to 6 with the extensions in use, and SCP: client and server, over any ByteChannel.
 * @see draft-ietf-secsh-filexfer-02, -04, -05, -13, OpenSSH PROTOCOL §4
 */

export type { SftpGlob, SftpGlobEntries, SftpGlobEntry } from './client/glob.js'
export type { SftpNamesOfIds } from './client/names-of-ids.js'
// Client
export type {
  SftpBlockOptions,
  SftpCallOptions,
  SftpClientOptions,
  SftpCopyOptions,
  SftpFileOptions,
  SftpGlobOptions,
  SftpLinkOptions,
  SftpMakedirsOptions,
  SftpMkdirOptions,
  SftpProgress,
  SftpReadFileOptions,
  SftpReadOptions,
  SftpReadStreamOptions,
  SftpRealpathOptions,
  SftpRealpathStatOptions,
  SftpRemoteCopyOptions,
  SftpRenameOptions,
  SftpRmtreeOptions,
  SftpStatOptions,
  SftpTransferOptions,
  SftpWriteFileOptions,
  SftpWriteOptions,
  SftpWriteStreamOptions,
} from './client/options.js'
export type { SftpPart } from './client/read-parallel.js'
export type { SftpLimits } from './client/session.js'
export { SftpClient } from './client/sftp-client.js'
export { SftpFile } from './client/sftp-file.js'
export { type SftpDirent, SftpStats } from './client/stats.js'
export type { SftpTime } from './client/times.js'
export type { SftpRequestTrace, SftpTransferTrace } from './client/tracing.js'
export type { ChunkStream } from './client/transfer/chunk-source.js'
export type { ByteSink } from './client/transfer/deliver.js'
export type { Paths, PutSource } from './client/transfers.js'
// Errors
export { SftpError, type SftpErrorOptions } from './errors.js'
// Protocol
export type { SftpAnnouncements, SftpSupported, SftpVendor } from './protocol/announcements.js'
export {
  attrFlags,
  attribBits,
  type ExtensionPair,
  type FileType,
  fileTypeOf,
  fileTypes,
  type SftpAttrs,
  type TextHint,
} from './protocol/attrs.js'
export type { DataPlaces, DataRange } from './protocol/data-ranges.js'
export type { SftpVersion } from './protocol/dialect.js'
export type { SftpStatVfs } from './protocol/extensions.js'
export { decodeFileName, encodeFileName } from './protocol/file-name.js'
export { lockFlags } from './protocol/lock-flags.js'
export { accessFlags, accessMask, type OpenAccess } from './protocol/open-access.js'
export { type OpenFlags, openFlags } from './protocol/open-flags.js'
export { statusCodes } from './protocol/status.js'
export type { SymlinkOrder } from './protocol/symlink-order.js'
// SCP
export { parseScpCommand, type ScpCommand } from './scp/command.js'
export { escapePattern, expandBraces, isPattern, unescapePattern } from './scp/name-pattern.js'
export { RequestedNames } from './scp/requested-names.js'
export { expandLocalPaths, type ScpNames, scpReceive, scpRelay, scpSend } from './scp/scp.js'
export type { ScpOptions, ScpSinkOptions, ScpSourceOptions } from './scp/scp-options.js'
export { type ServeScpOptions, serveScp } from './scp/serve-scp.js'
// Server
export { auditFiles } from './server/audit-files.js'
export type { FileUsage } from './server/file-usage.js'
export type {
  Awaitable,
  FileHandler,
  OptionalOperations,
  SftpDirEntry,
  SftpHandler,
  TreeReader,
  TreeWriter,
} from './server/handler.js'
export { type FileLimits, type LimitedFile, type LimitedHandler, limitFiles } from './server/limit-files.js'
export { type MemoryFile, MemoryHandler, type MemoryHandlerOptions } from './server/memory-handler.js'
export type { SftpRequestEvent } from './server/request-event.js'
export { type ServeSftpOptions, type SftpServerSession, serveSftp } from './server/serve-sftp.js'
export { type ServerFile, SftpServer, type SftpServerOptions } from './server/sftp-server.js'
