/** What a server of ours says of itself in VERSION, from version 4 on. */

import type { OwnAnnouncements } from '../protocol/announcements.js'
import { maximumDataLength } from '../protocol/framing.js'
import { classicAccess } from '../protocol/open-access.js'
import { softwareVersion } from '../version.js'
import { usuallySettable } from './attr-exchange.js'
import type { SftpHandler } from './handler.js'

/** Bit n stands for the sum n of blocks (read 1, write 2, delete 4, advisory 8): none at all, and every sum there is. */
const noBlocks = 0x0001
const allBlocks = 0xffff

/** @param extensions names of the extended requests that are answered */
export function ownAnnouncements<F>(handler: SftpHandler<F>, extensions: readonly string[]): OwnAnnouncements {
  const { settable = usuallySettable, supportedAccess = classicAccess } = handler
  const { desiredAccess, flags } = handler.openAccess === undefined ? classicAccess : supportedAccess
  return {
    newline: process.platform === 'win32' ? '\r\n' : '\n',
    vendor: { vendorName: 'SshSdk', productName: 'SshSdk SFTP', productVersion: softwareVersion, productBuild: 0n },
    supported: {
      attributeMask: settable >>> 0,
      attributeBits: 0,
      openFlags: flags,
      accessMask: desiredAccess,
      maxReadSize: maximumDataLength,
      openBlockVector: noBlocks,
      blockVector: handler.lock === undefined ? noBlocks : allBlocks,
      attributeExtensions: [],
      extensions,
    },
  }
}
