/**
 * An input line on the screen, with its prompt: drawn behind what the program wrote last, over as many rows as it takes,
 * and taken away again before the program writes more. Only what changed is sent.
 */

import {
  type Drawn,
  type InputLine,
  type Layout,
  layoutRow,
  layoutRows,
  type Place,
  topRow,
  visibleRows,
} from './line-layout.js'

const csi = '\x1b['
const eraseBelow = `${csi}J`
/** Leaves a full row: some terminals have left it by themselves, others wait for a character. */
const nextRow = ' \r'

export class LineDisplay {
  readonly #send: (text: string) => void
  /** Whether the terminal moves its cursor on demand; otherwise there are backspaces, and one row. */
  readonly #canMove: boolean
  #columns = 0
  #rows = 0
  /** Where the program's output ends and the line begins. */
  #start = 0
  #shown: Layout | undefined
  /** First row of the line that is on the screen: a line may be higher than that. */
  #top = 0
  /** Where there is one row: the first cluster that is shown. */
  #left = 0

  constructor(columns: number, rows: number, canMove: boolean, send: (text: string) => void) {
    this.#setSize(columns, rows)
    this.#canMove = canMove
    this.#send = send
  }

  get columns(): number {
    return this.#columns
  }

  /** Draws the line, or what changed of it. @param start column in which the program's output ends */
  show(line: InputLine, start: number): void {
    if (this.#shown === undefined) this.#begin(start)
    if (this.#start === this.#columns && line.prompt.length + line.clusters.length > 0) {
      // Output that ends at the margin leaves the cursor there until the next character.
      this.#send(this.#canMove ? nextRow : '\r\n')
      this.#begin(0)
    }
    this.#become(this.#layout(line))
  }

  /** Takes the line away. @param start as of {@link show} @returns the column in which output goes on */
  hide(start: number): number {
    if (this.#shown === undefined) return start
    const nothing = this.#nothing
    this.#become(nothing)
    this.#shown = undefined
    return nothing.cursor.column
  }

  /** Lets the line stand and goes to the next row, the first column. @param ending what is written behind it */
  leave(line: InputLine, start: number, ending = ''): void {
    this.show({ ...line, cursor: line.clusters.length }, start)
    const { drawn, cursor } = this.#shown ?? this.#nothing
    const isThere = ending === '' && cursor.column === 0 && cursor.row > (drawn.at(-1)?.row ?? cursor.row)
    if (!isThere) this.#send(`${ending}\r\n`)
    this.#shown = undefined
  }

  /**
   * The terminal has a new size, and has moved what is on it to other rows, as most do; the line is drawn anew.
   * @returns the column in which output ends now
   */
  resize(columns: number, rows: number, line: InputLine, start: number): number {
    const isShown = this.#shown !== undefined
    this.#setSize(columns, rows)
    this.#start = start > this.#columns ? start % this.#columns : start
    if (!isShown) return this.#start
    this.#shown = this.#layout(line)
    const column = this.hide(this.#start)
    this.show(line, column)
    return column
  }

  #setSize(columns: number, rows: number): void {
    // A client that does not know says 0 (RFC 4254 §6.2). A wide character needs two.
    this.#columns = columns === 0 ? 80 : Math.max(2, columns)
    this.#rows = rows === 0 ? 24 : rows
  }

  #begin(start: number): void {
    this.#top = 0
    this.#left = 0
    this.#start = start
    this.#shown = undefined
  }

  /** What the screen shows without the line. */
  get #nothing(): Layout {
    // Once the first row has left the screen, what the program wrote in it has as well.
    const place = this.#top === 0 ? { row: 0, column: this.#start } : { row: this.#top, column: 0 }
    return { drawn: [], cursor: place, end: place }
  }

  #layout(line: InputLine): Layout {
    if (!this.#canMove) {
      const { left, ...layout } = layoutRow(line, this.#start, this.#columns, this.#left)
      this.#left = left
      return layout
    }
    const layout = layoutRows(line, this.#start, this.#columns)
    this.#top = topRow(layout, this.#top, this.#rows)
    return visibleRows(layout, this.#top, this.#rows, this.#columns)
  }

  #become(next: Layout): void {
    const { drawn, cursor, end } = this.#shown ?? this.#nothing
    this.#shown = next
    const common = commonLength(drawn, next.drawn)
    const text = this.#canMove
      ? this.#byMoves({ drawn, cursor, end }, next, common)
      : byBackspaces({ drawn, cursor, end }, next, common)
    if (text !== '') this.#send(text)
  }

  /** @param common how many of what is drawn stay */
  #byMoves(from: Layout, to: Layout, common: number): string {
    const [first, ...rest] = to.drawn.slice(common)
    let text = ''
    let at = from.cursor
    if (first !== undefined) {
      const last = rest.at(-1) ?? first
      if (first.row > from.end.row) {
        // Rows that the screen does not have yet.
        text += this.#move(at, from.end) + '\r\n'.repeat(first.row - from.end.row)
        at = { row: first.row, column: 0 }
      }
      text += this.#move(at, first) + first.text + rest.map((each) => each.text).join('')
      at = { row: last.row, column: last.column + last.width }
      if (to.end.row > at.row) {
        text += nextRow
        at = to.end
      }
    }
    // On a screen that is full to its end there is nothing below.
    if (from.drawn.length > common && isBefore(to.end, from.end) && to.end.column < this.#columns) {
      text += this.#move(at, to.end) + eraseBelow
      at = to.end
    }
    return text + this.#move(at, to.cursor)
  }

  #move(from: Place, to: Place): string {
    if (from.row === to.row && from.column === to.column) return ''
    const rows = to.row - from.row
    const vertical = rows === 0 ? '' : rows > 0 ? `${csi}${rows}B` : `${csi}${-rows}A`
    const steps = to.column - from.column
    if (steps === 0) return vertical
    // Terminals disagree on where a step from a full row leads.
    if (from.column < this.#columns && steps < 0 && steps >= -4) return vertical + '\b'.repeat(-steps)
    if (from.column < this.#columns && steps > 0) return `${vertical}${csi}${steps}C`
    return `${vertical}\r${to.column === 0 ? '' : `${csi}${to.column}C`}`
  }
}

function byBackspaces(from: Layout, to: Layout, common: number): string {
  const changedAt = to.drawn[common]?.column ?? (from.drawn.length > common ? to.end.column : undefined)
  if (changedAt === undefined) return stepInRow(from.cursor.column, to.cursor.column, to.drawn)
  const rewritten = to.drawn.slice(common).map(({ text }) => text)
  const blanks = Math.max(0, from.end.column - to.end.column)
  return [
    stepInRow(from.cursor.column, changedAt, from.drawn),
    ...rewritten,
    ' '.repeat(blanks),
    '\b'.repeat(blanks),
    stepInRow(to.end.column, to.cursor.column, to.drawn),
  ].join('')
}

/** Left by backspaces, right by writing again what is there. */
function stepInRow(from: number, to: number, drawn: readonly Drawn[]): string {
  if (to <= from) return '\b'.repeat(from - to)
  return drawn
    .filter(({ column }) => column >= from && column < to)
    .map(({ text }) => text)
    .join('')
}

function commonLength(a: readonly Drawn[], b: readonly Drawn[]): number {
  let index = 0
  for (; index < a.length && index < b.length; index++) {
    const [left, right] = [a[index], b[index]]
    if (left?.text !== right?.text || left?.row !== right?.row || left?.column !== right?.column) break
  }
  return index
}

function isBefore(a: Place, b: Place): boolean {
  return a.row < b.row || (a.row === b.row && a.column < b.column)
}
