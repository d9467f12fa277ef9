/** Whole reply packets, length field included. */

import { SshError } from '@ssh/wire'
import { SftpError } from '../errors.js'
import type { SftpAttrs } from '../protocol/attrs.js'
import type { Dialect } from '../protocol/dialect.js'
import { framePacket } from '../protocol/framing.js'
import { replies } from '../protocol/packets.js'
import { statusCodes } from '../protocol/status.js'
import { meaningOf } from '../system-errors.js'

/** Statuses and handles are laid out alike in every version. */
export function statusPacket(id: number, code: number, message: string): Uint8Array {
  return framePacket(replies.status.encode({ id, code, message, languageTag: '' }))
}

export function okPacket(id: number): Uint8Array {
  return statusPacket(id, statusCodes.ok, '')
}

export function endOfFilePacket(id: number): Uint8Array {
  return statusPacket(id, statusCodes.eof, 'End of file')
}

export function handlePacket(id: number, handle: Uint8Array): Uint8Array {
  return framePacket(replies.handle.encode({ id, handle }))
}

export function attrsPacket({ replies }: Dialect, id: number, attrs: SftpAttrs): Uint8Array {
  return framePacket(replies.attrs.encode({ id, attrs }))
}

/** One name that is not of a listing: what realpath and readlink answer. */
export function namePacket({ replies }: Dialect, id: number, name: string, attrs: SftpAttrs = {}): Uint8Array {
  return framePacket(replies.name.encode({ id, entries: [{ fileName: name, longName: name, attrs }] }))
}

export function extendedReplyPacket(id: number, payload: Uint8Array): Uint8Array {
  return framePacket(replies.extendedReply.encode({ id, payload }))
}

/**
 * The status for what a handler threw. The client hears the kind of error and nothing of its message, which may hold
 * paths of this machine; only an SftpError's `serverText` is meant for it.
 */
export function errorPacket({ statusOf }: Dialect, id: number, error: unknown): Uint8Array {
  if (SshError.isSshError(error) && error.code.startsWith('ERR_SSH_WIRE_')) {
    return statusPacket(id, statusCodes.badMessage, 'malformed request')
  }
  const code = (error as { code?: unknown } | null)?.code
  if (typeof code !== 'string') return statusPacket(id, statusCodes.failure, 'Failure')
  const said = error instanceof SftpError ? error.serverText : undefined
  return statusPacket(id, statusOf(code), said ?? meaningOf(code) ?? 'Failure')
}
