/**
 * How versions 5 and 6 open a file: what is to be allowed, and flags (draft-ietf-secsh-filexfer-13 §8.1.1). Version 3
 * and 4 have one sum of {@link openFlags} instead; here each becomes the other.
 */

import { SftpError } from '../errors.js'
import { openFlags } from './open-flags.js'

/** Rights to ask for: ACE4_* (draft-ietf-secsh-filexfer-13 §7.8). */
export const accessMask = {
  readData: 0x1,
  writeData: 0x2,
  appendData: 0x4,
  readNamedAttrs: 0x8,
  writeNamedAttrs: 0x10,
  execute: 0x20,
  deleteChild: 0x40,
  readAttributes: 0x80,
  writeAttributes: 0x100,
  delete: 0x10000,
  readAcl: 0x20000,
  writeAcl: 0x40000,
  writeOwner: 0x80000,
  synchronize: 0x100000,
} as const

/**
 * Flags of an open: SSH_FXF_* of versions 5 and 6. The first five are one number in the lowest three bits, the others
 * are added to it.
 */
export const accessFlags = {
  /** The file must not exist. */
  createNew: 0,
  /** Emptied if it exists, else made. */
  createTruncate: 1,
  /** The file must exist. */
  openExisting: 2,
  /** Made if it does not exist. */
  openOrCreate: 3,
  /** The file must exist, and is emptied. */
  truncateExisting: 4,
  /** What is written goes to the end of the file. */
  appendData: 0x8,
  /** As `appendData`, and writes of several writers never mix. */
  appendDataAtomic: 0x10,
  /** Line ends are translated. */
  textMode: 0x20,
  /** Nobody else may read. */
  blockRead: 0x40,
  /** Nobody else may write. */
  blockWrite: 0x80,
  /** Nobody may remove it. */
  blockDelete: 0x100,
  /** Blocks bind only those that ask. Version 6. */
  blockAdvisory: 0x200,
  /** A symbolic link at the end is not followed. Version 6. */
  noFollow: 0x400,
  /** Removed when the last handle is closed. Version 6. */
  deleteOnClose: 0x800,
  /** Version 6. */
  accessAuditAlarmInfo: 0x1000,
  /** Version 6. */
  accessBackup: 0x2000,
  /** Version 6. */
  backupStream: 0x4000,
  /** Version 6. */
  overrideOwner: 0x8000,
} as const

/** How a file is opened in the words of versions 5 and 6. */
export interface OpenAccess {
  /** A sum of {@link accessMask}. */
  readonly desiredAccess: number
  /** A sum of {@link accessFlags}. */
  readonly flags: number
}

const dispositionMask = 0x7

/** Rights and flags that {@link openFlags} can say too, or that go without saying. */
export const classicAccess: OpenAccess = {
  desiredAccess:
    accessMask.readData |
    accessMask.writeData |
    accessMask.appendData |
    accessMask.readAttributes |
    accessMask.writeAttributes |
    accessMask.synchronize,
  flags: dispositionMask | accessFlags.appendData | accessFlags.appendDataAtomic,
}

const { read, write, append, create, truncate, exclusive } = openFlags

/** The same in the words of versions 5 and 6. */
export function toOpenAccess(flags: number | OpenAccess): OpenAccess {
  if (typeof flags !== 'number') return flags
  let desiredAccess = 0
  if (flags & read) desiredAccess |= accessMask.readData | accessMask.readAttributes
  if (flags & write) desiredAccess |= accessMask.writeData | accessMask.writeAttributes
  if (flags & append) desiredAccess |= accessMask.appendData
  return { desiredAccess, flags: dispositionOf(flags) | (flags & append ? accessFlags.appendData : 0) }
}

function dispositionOf(flags: number): number {
  const { createNew, createTruncate, openOrCreate, truncateExisting, openExisting } = accessFlags
  if (flags & create) return flags & exclusive ? createNew : flags & truncate ? createTruncate : openOrCreate
  return flags & truncate ? truncateExisting : openExisting
}

/** By disposition. */
const classicDispositions: readonly number[] = [create | exclusive, create | truncate, 0, create, truncate]

/**
 * The same as a sum of {@link openFlags}.
 * @throws SftpError `ENOTSUP` for rights and flags that those have no word for, `EINVAL` for a disposition there is not
 */
export function toOpenFlags(access: number | OpenAccess): number {
  if (typeof access === 'number') return access
  const { desiredAccess, flags } = access
  const disposition = classicDispositions[flags & dispositionMask]
  if (disposition === undefined) throw new SftpError('EINVAL', `Unknown disposition ${flags & dispositionMask} of open`)
  const unsaid = {
    desiredAccess: (desiredAccess & ~classicAccess.desiredAccess) >>> 0,
    flags: (flags & ~classicAccess.flags) >>> 0,
  }
  if (unsaid.desiredAccess !== 0 || unsaid.flags !== 0) {
    throw new SftpError(
      'ENOTSUP',
      `Access 0x${unsaid.desiredAccess.toString(16)} and flags 0x${unsaid.flags.toString(16)} of open are not supported`,
    )
  }
  let classic = disposition
  if (desiredAccess & accessMask.readData) classic |= read
  if (desiredAccess & accessMask.writeData) classic |= write
  if (opensAtEnd(access)) classic |= append
  return classic
}

/** Whether what is written goes to the end of the file. */
export function opensAtEnd(access: number | OpenAccess): boolean {
  if (typeof access === 'number') return (access & append) !== 0
  const { desiredAccess, flags } = access
  // Who may append and not write can only mean the end; who may do both says with a flag which it is.
  const mayOnlyAppend = (desiredAccess & (accessMask.appendData | accessMask.writeData)) === accessMask.appendData
  return mayOnlyAppend || (flags & (accessFlags.appendData | accessFlags.appendDataAtomic)) !== 0
}

const allRights = Object.values(accessMask).reduce<number>((all, right) => all | right, 0)

/** Whether a file opened like this can be read, as far as the flags tell: none at all is read by many servers. */
export function mayRead(access: number | OpenAccess): boolean {
  if (typeof access === 'number') return (access & read) !== 0 || (access & (write | append)) === 0
  return (access.desiredAccess & (accessMask.readData | ~allRights)) !== 0
}

/** Whether a file opened like this can be written, as far as the flags tell. */
export function mayWrite(access: number | OpenAccess): boolean {
  if (typeof access === 'number') return (access & (write | append)) !== 0
  return (access.desiredAccess & (accessMask.writeData | accessMask.appendData | ~allRights)) !== 0
}

/** SSH_FXF_TEXT of version 4, which is a flag like the others there. */
export const textFlag = 0x40

const rightsOfReaders =
  accessMask.readData |
  accessMask.readNamedAttrs |
  accessMask.execute |
  accessMask.readAttributes |
  accessMask.readAcl |
  accessMask.synchronize

/** Whether a file opened like this could be changed, made or removed by it. */
export function opensForMoreThanReading(access: number | OpenAccess): boolean {
  if (typeof access === 'number') return (access & ~read) !== 0
  const { desiredAccess, flags } = access
  const changes = (flags & dispositionMask) !== accessFlags.openExisting || (flags & accessFlags.deleteOnClose) !== 0
  return changes || (desiredAccess & ~rightsOfReaders) !== 0
}
