/** Where the characters of an input line come to stand on the screen. */

import { drawingOf } from './text-width.js'

/** What is to be seen. Clusters are characters as users see them. */
export interface InputLine {
  readonly prompt: readonly string[]
  /** None when what is typed is not shown. */
  readonly clusters: readonly string[]
  /** How many clusters are left of the cursor. */
  readonly cursor: number
}

/** Counted from 0, rows from the one in which the program's output ends. Column `columns`: a full row, not yet left. */
export interface Place {
  readonly row: number
  readonly column: number
}

/** Text where it is drawn. */
export interface Drawn extends Place {
  readonly text: string
  readonly width: number
}

export interface Layout {
  readonly drawn: readonly Drawn[]
  readonly cursor: Place
  /** Behind all that is drawn. */
  readonly end: Place
}

/** Over as many rows as it takes. Every row but the last is full, so that writing on goes on in the next. */
export function layoutRows({ prompt, clusters, cursor }: InputLine, start: number, columns: number): Layout {
  const drawn: Drawn[] = []
  let row = 0
  let column = start
  let cursorPlace: Place | undefined
  for (const [index, cluster] of [...prompt, ...clusters].entries()) {
    const whole = drawingOf(cluster, column)
    const room = columns - column
    const { text, width } = cluster === '\t' && whole.width > room ? spaces(room) : whole
    if (width > room) {
      // Terminals disagree on what they do with a wide character at the margin, so it is not left to them.
      drawn.push({ row, column, ...spaces(room) })
      row++
      column = 0
    }
    if (index === prompt.length + cursor) cursorPlace = { row, column }
    drawn.push({ row, column, text, width })
    column += width
    if (column >= columns) {
      row++
      column = 0
    }
  }
  const end = { row, column }
  return { drawn, cursor: cursorPlace ?? end, end }
}

/** Those rows of a layout that a screen has room for. */
export function visibleRows({ drawn, cursor, end }: Layout, top: number, rows: number, columns: number): Layout {
  const last = top + rows - 1
  return {
    drawn: drawn.filter(({ row }) => row >= top && row <= last),
    cursor,
    end: end.row <= last ? end : { row: last, column: columns },
  }
}

/** First visible row of a line that had `top` for it: moves no further than the cursor takes it. */
export function topRow({ cursor, end }: Layout, top: number, rows: number): number {
  const lowest = Math.max(0, cursor.row - rows + 1)
  const highest = Math.max(0, Math.min(cursor.row, end.row - rows + 1))
  return Math.max(Math.min(top, highest), Math.min(lowest, highest))
}

/**
 * In one row, of which the last column stays free: what is drawn there may begin the next row.
 * @param left first cluster that is shown, if that is possible
 */
export function layoutRow(line: InputLine, start: number, columns: number, left: number): Layout & { left: number } {
  const all = [...line.prompt, ...line.clusters].map((cluster) => drawingOf(cluster, 0))
  const at = line.prompt.length + line.cursor
  const room = Math.max(1, columns - 1 - start)
  let first = Math.min(left, at)
  let used = 0
  for (let index = at; index > first; index--) {
    used += all[index - 1]?.width ?? 0
    if (used > room) first = index
  }
  const drawn: Drawn[] = []
  let column = start
  let cursor: Place | undefined
  for (const [index, { text, width }] of all.entries()) {
    if (index < first) continue
    if (index === at) cursor = { row: 0, column }
    if (column + width > start + room) break
    drawn.push({ row: 0, column, text, width })
    column += width
  }
  const end = { row: 0, column }
  return { drawn, cursor: cursor ?? end, end, left: first }
}

function spaces(width: number): { text: string; width: number } {
  return { text: ' '.repeat(width), width }
}
