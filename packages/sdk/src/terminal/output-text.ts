/**
 * What a program writes to a terminal: line ends as terminals want them, and in which column the cursor is after it.
 *
 * What is cut off at the end of a write, a character or an escape sequence, waits for its rest, so that an input line can
 * be drawn between two writes.
 */

import { asBuffer, concatBytes } from '@ssh/wire'
import { clustersOf, tabWidth, widthOf } from './text-width.js'

/** Bytes of a sequence that may wait for their end. */
const longestHeld = 256
const newline = 0x0a
const carriageReturn = 0x0d

export class OutputText {
  readonly #translator = new NewlineTranslator()
  #held: Uint8Array = new Uint8Array()
  #column = 0

  /** Column of the cursor, from 0; the width of the terminal when a line is full and the next is not begun. */
  get column(): number {
    return this.#column
  }

  /** The cursor went elsewhere by other means than what is written here. */
  movedTo(column: number): void {
    this.#column = column
  }

  /** @returns what to send */
  take(chunk: Uint8Array, columns: number): Uint8Array {
    const bytes = this.#held.length === 0 ? chunk : concatBytes([this.#held, chunk])
    const lineStart = bytes.lastIndexOf(newline) + 1
    const end = endOfWhole(bytes, lineStart)
    const whole = bytes.subarray(0, end)
    // A copy: what is handed on belongs to the channel from then on.
    this.#held = bytes.slice(end)
    if (lineStart > 0) this.#column = 0
    this.#column = columnAfter(asBuffer(whole.subarray(lineStart)).toString(), this.#column, columns)
    return this.#translator.take(whole)
  }

  /** @returns what waited for a rest that will not come */
  flush(): Uint8Array {
    const held = this.#held
    this.#held = new Uint8Array()
    return held
  }
}

/** "\n" becomes "\r\n" where it is not one already, as ONLCR does (RFC 4254 §8). */
class NewlineTranslator {
  #lastByte = 0

  take(bytes: Uint8Array): Uint8Array {
    const last = bytes.at(-1)
    if (last === undefined) return bytes
    const parts: Uint8Array[] = []
    let from = 0
    for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, at + 1)) {
      if ((at === 0 ? this.#lastByte : bytes[at - 1]) === carriageReturn) continue
      parts.push(bytes.subarray(from, at), lineEnd)
      from = at + 1
    }
    this.#lastByte = last
    return from === 0 ? bytes : concatBytes([...parts, bytes.subarray(from)])
  }
}

const lineEnd = Uint8Array.of(carriageReturn, newline)

/** Where a character or an escape sequence at the end of a line is cut off; the length when none is. */
function endOfWhole(bytes: Uint8Array, lineStart: number): number {
  const earliest = Math.max(lineStart, bytes.length - longestHeld)
  const escapeAt = bytes.lastIndexOf(0x1b)
  if (escapeAt >= earliest) {
    // The ESC of a string's end, ESC \, is preceded by the one that began it.
    const begins = bytes.lastIndexOf(0x1b, escapeAt - 1)
    for (const at of begins >= earliest ? [begins, escapeAt] : [escapeAt]) {
      if (isCutOff(asBuffer(bytes.subarray(at)).toString('latin1'))) return at
    }
  }
  for (let at = bytes.length - 1; at >= Math.max(lineStart, bytes.length - 3); at--) {
    const byte = bytes[at] ?? 0
    if (byte < 0x80) break
    if (byte < 0xc0) continue
    const length = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4
    return at + length > bytes.length ? at : bytes.length
  }
  return bytes.length
}

/** Whether this text begins with an escape sequence that does not end in it. */
function isCutOff(text: string): boolean {
  return /^\x1b(?:$|\[[\x20-\x3f]*$|[\x20-\x2f]+$|[\]PX^_][^\x07\x1b]*(?:\x1b)?$)/.test(text)
}

/** CSI with parameters and final character, other escape sequences, strings up to BEL or ST. */
const sequence = /\x1b(?:\[([\x20-\x3f]*)([\x40-\x7e])|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[\x20-\x2f]*[\x30-\x7e])/y

/** Column after text without line ends, begun in `start`. */
function columnAfter(text: string, start: number, columns: number): number {
  let column = start
  let at = 0
  while (at < text.length) {
    const [character = ''] = text[at] === undefined ? [] : [text[at]]
    if (character === '\x1b') {
      sequence.lastIndex = at
      const found = sequence.exec(text)
      if (found === null) {
        at++
        continue
      }
      const [all, parameters, final] = found
      at += all.length
      if (final !== undefined) column = columnAfterSequence(parameters ?? '', final, column, columns)
    } else if (character < ' ' || character === '\x7f') {
      column = columnAfterControl(character, column, columns)
      at++
    } else {
      const plain = /^[^\x00-\x1f\x7f]+/.exec(text.slice(at, at + 4096))?.[0] ?? character
      for (const cluster of clustersOf(plain)) {
        const width = widthOf(cluster)
        column = column + width > columns ? width : column + width
      }
      at += plain.length
    }
  }
  return column
}

function columnAfterControl(control: string, column: number, columns: number): number {
  if (control === '\r') return 0
  if (control === '\b') return Math.max(0, Math.min(column, columns - 1) - 1)
  if (control === '\t') return Math.min(columns - 1, column + tabWidth - (column % tabWidth))
  return column
}

/** ECMA-48 §8.3: what moves the cursor along the line. */
function columnAfterSequence(parameters: string, final: string, column: number, columns: number): number {
  const [first = 0, second = 0] = parameters.split(';').map((digits) => Number.parseInt(digits, 10) || 0)
  const last = columns - 1
  switch (final) {
    case 'C':
      return Math.min(last, column + Math.max(1, first))
    case 'D':
      return Math.max(0, Math.min(column, last) - Math.max(1, first))
    case 'E':
    case 'F':
      return 0
    case 'G':
    case '`':
      return Math.min(last, Math.max(1, first) - 1)
    case 'H':
    case 'f':
      return Math.min(last, Math.max(1, second) - 1)
    default:
      return column
  }
}
