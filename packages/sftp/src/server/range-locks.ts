/**
 * Locks on ranges of one file: draft-ietf-secsh-filexfer-13 §8.8. A lock belongs to whoever has the file open, and keeps
 * others from what its flags name. Nobody waits for one.
 */

import { SftpError } from '../errors.js'
import { lockFlags } from '../protocol/lock-flags.js'

interface RangeLock<O> {
  readonly owner: O
  readonly start: number
  /** Behind the last byte; Infinity for all that follow. */
  readonly end: number
  /** As it was asked for; 0 for all that follow. */
  readonly length: number
  readonly flags: number
}

/** Locks of one owner on one file at most, so that a client cannot fill memory with them. */
const maximumPerOwner = 1024

export class RangeLocks<O extends object> {
  #locks: RangeLock<O>[] = []

  /**
   * Locks bytes for `owner`. Two owners can have the same bytes locked as long as neither keeps the other from reading.
   * @throws SftpError `ERR_SFTP_LOCK_CONFLICT`; `ERR_SFTP_LOCK_REFUSED` for more locks than one may have
   */
  lock(owner: O, offset: number, length: number, flags: number): void {
    const end = length === 0 ? Number.POSITIVE_INFINITY : offset + length
    let owned = 0
    for (const other of this.#locks) {
      if (other.owner === owner) owned++
      else if (overlap(other, offset, end) && ((other.flags | flags) & lockFlags.read) !== 0) throw conflict()
    }
    if (owned >= maximumPerOwner) {
      throw new SftpError('ERR_SFTP_LOCK_REFUSED', `One file may have ${maximumPerOwner} locks at most`)
    }
    this.#locks.push({ owner, start: offset, end, length, flags })
  }

  /** Takes off a lock of just these bytes. @throws SftpError `ERR_SFTP_NO_MATCHING_LOCK` */
  unlock(owner: O, offset: number, length: number): void {
    const index = this.#locks.findIndex(
      (lock) => lock.owner === owner && lock.start === offset && lock.length === length,
    )
    if (index < 0) throw new SftpError('ERR_SFTP_NO_MATCHING_LOCK', 'No such lock')
    this.#locks.splice(index, 1)
  }

  /** Takes off all locks of `owner`. */
  release(owner: O): void {
    this.#locks = this.#locks.filter((lock) => lock.owner !== owner)
  }

  /**
   * Refuses what a lock of somebody else forbids; an advisory one forbids nothing.
   * @param owner who wants to; undefined for somebody who has not opened the file
   * @param end behind the last byte
   * @param flag of `lockFlags`
   * @throws SftpError `ERR_SFTP_LOCK_CONFLICT`
   */
  assertFree(owner: O | undefined, start: number, end: number, flag: number): void {
    for (const lock of this.#locks) {
      if (lock.owner === owner || (lock.flags & flag) === 0 || (lock.flags & lockFlags.advisory) !== 0) continue
      if (overlap(lock, start, end)) throw conflict()
    }
  }
}

function overlap(lock: RangeLock<unknown>, start: number, end: number): boolean {
  return lock.start < end && start < lock.end
}

function conflict(): SftpError {
  return new SftpError('ERR_SFTP_LOCK_CONFLICT', 'Somebody else has locked these bytes', {
    serverText: 'Somebody else has locked these bytes',
  })
}
