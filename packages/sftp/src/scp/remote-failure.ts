/** What a remote scp says about a failure, as an error; and what we say about ours. */

import { printable } from '@ssh/wire'
import { SftpError } from '../errors.js'
import { decodeFileName } from '../protocol/file-name.js'
import { codeOfReason, textOfCode } from '../reason-texts.js'

/** Reasons that no system has. */
const ownTexts = new Map([
  ['ERR_SFTP_UNSAFE_NAME', 'unexpected filename'],
  ['ERR_SFTP_UNREQUESTED', 'not what was asked for'],
  ['ERR_SFTP_UNSAFE_INTEGER', 'size too large'],
  ['ERR_SFTP_FILE_CHANGED', 'file changed while it was copied'],
  ['ERR_SFTP_PROTOCOL', 'protocol error'],
])

/**
 * The error for a message of a remote scp: its code is as in `fs` where the text ends in a reason of the system, else
 * `ERR_SFTP_FAILURE`.
 * @param message the line without status byte and newline
 */
export function remoteFailure(message: Uint8Array): SftpError {
  const text = decodeFileName(message).trimEnd()
  const said = text.replace(/^(?:scp|pscp|rcp): (?=\S)/, '')
  const code = codeOfReason(said)
  const shown = said === '' ? 'no reason given' : printable(said)
  return new SftpError(code ?? 'ERR_SFTP_FAILURE', `${code === undefined ? '' : `${code}: `}remote scp: ${shown}`, {
    serverText: text,
  })
}

/**
 * What a peer is told about an error: the path as the peer named it, and a reason without anything of this machine.
 * @param path absent: no path
 */
export function failureText(error: unknown, path: string | undefined): string {
  const reason = reasonOf(error)
  return path === undefined || path === '' ? reason : `${path}: ${reason}`
}

function reasonOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  return ownTexts.get(code) ?? textOfCode.get(code) ?? 'Failure'
}
