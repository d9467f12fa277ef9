/** Pseudo-terminals: RFC 4254 §6.2, §6.7. */

import {
  channelRequests,
  decodeTerminalModes,
  encodeTerminalModes,
  type TerminalModeName,
  type TerminalModes,
} from '@ssh/wire'
import { ChannelError } from '../errors.js'

/** Size of a terminal. Each number is at most 65535, as in the kernel's `struct winsize`. */
export interface TerminalSize {
  /** Width in characters. */
  readonly columns: number
  /** Height in characters. */
  readonly rows: number
  /** Width in pixels; 0 is unknown. */
  readonly widthPixels: number
  /** Height in pixels; 0 is unknown. */
  readonly heightPixels: number
}

/** A pseudo-terminal to ask for. */
export interface PtyOptions extends Partial<TerminalSize> {
  /** Value of TERM, for instance `xterm-256color`. */
  readonly term: string
  /** Terminal modes; default none, which leaves them to the server. */
  readonly modes?: Iterable<readonly [TerminalModeName | number, number]>
}

/** A pseudo-terminal that the client asked for. */
export interface Pty extends TerminalSize {
  readonly term: string
  readonly modes: TerminalModes
}

const largestSize = 0xffff

/** @throws ChannelError `ERR_SSH_CHANNEL_TERMINAL_SIZE` when a number is not one of 0 to 65535 */
export function encodePtyRequest(pty: PtyOptions): Uint8Array {
  return channelRequests.encode('pty-req', {
    term: pty.term,
    ...checkedSize(pty),
    terminalModes: encodeTerminalModes(pty.modes ?? []),
  })
}

/**
 * @returns undefined for a size that no terminal has
 * @throws WireError when it is malformed
 */
export function decodePtyRequest(data: Uint8Array): Pty | undefined {
  const { terminalModes, ...pty } = channelRequests.decode('pty-req', data)
  return isTerminalSize(pty) ? { ...pty, modes: decodeTerminalModes(terminalModes) } : undefined
}

/** @throws ChannelError `ERR_SSH_CHANNEL_TERMINAL_SIZE` when a number is not one of 0 to 65535 */
export function encodeWindowChange(size: Partial<TerminalSize>): Uint8Array {
  return channelRequests.encode('window-change', checkedSize(size))
}

/**
 * @returns undefined for a size that no terminal has
 * @throws WireError when it is malformed
 */
export function decodeWindowChange(data: Uint8Array): TerminalSize | undefined {
  const size = channelRequests.decode('window-change', data)
  return isTerminalSize(size) ? size : undefined
}

/** 80 by 24 characters where nothing is said. */
function checkedSize({
  columns = 80,
  rows = 24,
  widthPixels = 0,
  heightPixels = 0,
}: Partial<TerminalSize>): TerminalSize {
  const size = { columns, rows, widthPixels, heightPixels }
  if (isTerminalSize(size)) return size
  throw new ChannelError('ERR_SSH_CHANNEL_TERMINAL_SIZE', 'Each number of a terminal size is one of 0 to 65535', {
    details: size,
  })
}

function isTerminalSize({ columns, rows, widthPixels, heightPixels }: TerminalSize): boolean {
  return [columns, rows, widthPixels, heightPixels].every(
    (number) => Number.isInteger(number) && number >= 0 && number <= largestSize,
  )
}
