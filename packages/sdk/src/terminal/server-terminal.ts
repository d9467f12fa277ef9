/** The terminal of a client, as a program on our server uses it. */

import { abortSignal, parseOptions } from '@ssh/conn'
import { z } from 'zod'
import type { KeyHandler } from './line-editor.js'
import type { TerminalStreams } from './terminal-streams.js'

export const readLineOptionsSchema = z.strictObject({
  /** Shown before the line, and drawn again with it; it may have colours. */
  prompt: z.string().optional(),
  /** Whether what is typed is shown; false for passwords. Default: as `setEcho` says. */
  echo: z.boolean().optional(),
  /** Gives up waiting; what was typed so far stays for whoever reads next. */
  signal: abortSignal.optional(),
})

/** Options of `readLine`. */
export type ReadLineOptions = z.input<typeof readLineOptionsSchema>

/**
 * The terminal of a client that asked for one, where the server edits lines (option `lineEditor`).
 *
 * In line mode `stdin` gives whole lines, each with a line feed at its end and one per chunk, and what is typed can be
 * edited: arrows, Home, End, Delete, Ctrl-A B D E F H K L N P R T U W Y and the usual Alt keys, with a history. "\n" in
 * output becomes "\r\n". Output while a line is typed appears above it. `stderr` is the same terminal as `stdout`.
 *
 * - Keys are taken while somebody reads; what is typed before that waits.
 * - Ctrl-C drops the line and what was typed ahead, and is the process's `break` event; without a listener the session
 *   ends as by SIGINT.
 * - Ctrl-D on an empty line ends a `readLine` with undefined, or is the process's `eof` event and input goes on; without
 *   a listener `stdin` ends.
 *
 * Terminal modes that the client sent are not interpreted. After `setLineMode(false)`, and while the process is redirected
 * to a child, bytes pass both ways as they are.
 */
export class ServerTerminal {
  readonly #streams: TerminalStreams

  /** Made with a process. */
  constructor(streams: TerminalStreams) {
    this.#streams = streams
  }

  /** Whether what is typed is shown. Lines that are not shown are not kept in the history. */
  setEcho(echo: boolean): void {
    this.#streams.setEcho(echo)
  }

  /** Whether lines are edited here. False gives every byte as it comes, what was typed so far first. */
  setLineMode(lineMode: boolean): void {
    this.#streams.setLineMode(lineMode)
  }

  /**
   * Replaces what is typed so far.
   * @param text control characters but tabs, and what is too long, are left out
   * @param cursor where the cursor goes, in UTF-16 units. Default: the end
   */
  setInput(text: string, cursor?: number): void {
    this.#streams.editor.setInput(text, cursor)
  }

  /** Drops what is typed so far. */
  clearInput(): void {
    this.#streams.editor.setInput('')
  }

  /**
   * Calls `handler` when a key is typed in line mode, in place of what the key does otherwise.
   * @param sequence what the terminal sends for it, for instance `'\t'`, `'?'`, `'\x1b[15~'` (F5 of xterm), or for several
   *   keys one after the other; pasted text counts as none
   * @throws RangeError when that is no whole key, as ESC alone
   */
  registerKey(sequence: string, handler: KeyHandler): void {
    this.#streams.editor.register(sequence, handler)
  }

  /** Gives a key back what it does otherwise. */
  unregisterKey(sequence: string): void {
    this.#streams.editor.unregister(sequence)
  }

  /** Lines that can be called back, oldest first. Can be set, for instance to those of an earlier session. */
  get history(): readonly string[] {
    return this.#streams.editor.history
  }

  set history(lines: readonly string[]) {
    this.#streams.editor.history = lines
  }

  /**
   * Asks for one line, before `stdin` gets any.
   * @returns the line without its end; undefined when input is over, or on Ctrl-D
   * @throws OptionsError
   * @throws SshError what broke the session
   * @throws AbortError
   * @example const password = await process.terminal.readLine({ prompt: 'Password: ', echo: false })
   */
  async readLine(options: ReadLineOptions = {}): Promise<string | undefined> {
    const { prompt = '', echo, signal } = parseOptions('readLine', readLineOptionsSchema, options)
    return this.#streams.readLine(prompt, echo, signal)
  }
}
