/** This process's terminal, lent to a remote command. */

import type { PtyOptions } from '@ssh/conn'
import type { TerminalModeName } from '@ssh/wire'
import type { SshClientProcess } from './client-process.js'
import type { ParsedProcessOptions } from './process-options.js'
import type { Output } from './result.js'

/** The streams of this process as far as they may be a terminal. */
export interface OwnTerminal {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly env: NodeJS.ProcessEnv
}

/** The pseudo-terminal to ask for, if one is wanted: like ours, where the options do not say otherwise. */
export function ptyOptions(options: ParsedProcessOptions, own: OwnTerminal = process): PtyOptions | undefined {
  if (options.requestPty !== true) return undefined
  const { termSize, termModes = {} } = options
  const [columns = own.stdout.columns, rows = own.stdout.rows, widthPixels = 0, heightPixels = 0] = sizeOf(termSize)
  return {
    term: options.termType ?? own.env.TERM ?? 'xterm-256color',
    columns: columns ?? 80,
    rows: rows ?? 24,
    widthPixels,
    heightPixels,
    modes: termModes instanceof Map ? termModes : (Object.entries(termModes) as [TerminalModeName, number][]),
  }
}

function sizeOf(termSize: ParsedProcessOptions['termSize']): readonly (number | undefined)[] {
  if (termSize === undefined) return []
  return 'columns' in termSize ? [termSize.columns, termSize.rows, termSize.width, termSize.height] : termSize
}

/**
 * Puts our terminal in raw mode and relays its size until the process is over: keys go to the remote terminal as they
 * are typed, ^C included. Does nothing where there is no terminal.
 */
export function lendTerminal(remote: SshClientProcess<Output>, own: OwnTerminal = process): void {
  if (!own.stdin.isTTY) return
  const wasRaw = own.stdin.isRaw
  const resize = () => remote.resize(own.stdout.columns, own.stdout.rows)
  const giveBack = () => {
    own.stdout.off('resize', resize)
    own.stdin.setRawMode(wasRaw)
  }
  own.stdin.setRawMode(true)
  own.stdout.on('resize', resize)
  remote.closed.then(giveBack, giveBack)
}
