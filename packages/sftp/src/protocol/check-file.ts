/**
 * Hashes of files, made by the server: draft-ietf-secsh-filexfer-extensions-00 §3.
 *
 * `check-file-handle` is what the draft calls the request; `check-file` is what Paramiko does. The reply starts with
 * `check-file` in the draft and at Paramiko, and without it at ProFTPD.
 */

import { concatBytes, rest, string, struct, text, uint32 } from '@ssh/wire'
import { uint53 } from './attrs.js'

/** Both requests: hashes of `length` bytes from `start` on, 0 for up to the end; one for each block, or one of all. */
export const checkFileRequest = struct('check-file', {
  handle: string,
  /** Names, best first, with commas between them. */
  algorithms: text,
  start: uint53,
  length: uint53,
  /** 0 for one hash of all. */
  blockSize: uint32,
})

export type CheckFileRequest = ReturnType<typeof checkFileRequest.decode>

const checkFileReply = struct('check-file reply', { algorithm: text, digests: rest })

/** The algorithm that the server has chosen, and the hashes, one behind the other. @throws WireError */
export function decodeCheckFileReply(payload: Uint8Array): ReturnType<typeof checkFileReply.decode> {
  const reply = checkFileReply.decode(payload)
  return reply.algorithm === 'check-file' ? checkFileReply.decode(reply.digests) : reply
}

/** The same, as the draft has it. */
export function encodeCheckFileReply(algorithm: string, digests: readonly Uint8Array[]): Uint8Array {
  const reply = checkFileReply.encode({ algorithm, digests: concatBytes(digests) })
  return checkFileReply.encode({ algorithm: 'check-file', digests: reply })
}

/** Algorithms of the draft that `node:crypto` has under the same name, best first. */
export const checkFileAlgorithms = ['sha256', 'sha512', 'sha384', 'sha224', 'sha1', 'md5'] as const
