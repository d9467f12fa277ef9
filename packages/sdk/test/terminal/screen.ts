/**
 * A terminal's screen, as far as a line editor can tell: characters of one, two or no cells, a margin that is left only
 * with the next character, and the sequences of ECMA-48 that move and erase. Whatever else comes is a test's failure.
 */

const wide = /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uff00-\uff60]|^\p{Emoji_Presentation}/u
const mark = /^(?:\p{Mn}|\p{Me}|\u200d|\ufe0f)$/u

interface Cell {
  readonly text: string
  readonly width: number
}

interface Row {
  cells: Cell[]
  /** Goes on in the next row because it was full. */
  isWrapped: boolean
}

export class Screen {
  columns: number
  rows: number
  bells = 0
  takesPastes = false
  /** Of sequences and characters, to see how little was sent. */
  received = ''
  #rows: Row[] = [emptyRow()]
  /** Row that is the first on the screen. */
  #top = 0
  #row = 0
  #column = 0
  #isPending = false
  readonly #decoder = new TextDecoder()

  constructor(columns: number, rows = 24) {
    this.columns = columns
    this.rows = rows
  }

  /** Each row's text, those scrolled away included, blanks at ends and empty rows at the end left out. */
  get lines(): string[] {
    const lines = this.#rows.map(({ cells }) =>
      cells
        .map(({ text }) => text)
        .join('')
        .trimEnd(),
    )
    while (lines.at(-1) === '') lines.pop()
    return lines
  }

  /** Text of the rows that are on the screen. */
  get visible(): string[] {
    return Array.from({ length: this.rows }, (_, index) => textOf(this.#rows[this.#top + index]?.cells ?? []).trimEnd())
  }

  /** Row, those scrolled away counted, and column. */
  get cursor(): [row: number, column: number] {
    return [this.#row, this.#column]
  }

  /** All in one: what the screen shows with `|` where the cursor is. */
  get shown(): string {
    const rows = this.#rows.map(({ cells }, index) => {
      if (index !== this.#row) return textOf(cells).trimEnd()
      const before = cells.slice(0, this.#column)
      const padding = ' '.repeat(Math.max(0, this.#column - before.length))
      return `${textOf(before)}${padding}|${textOf(cells.slice(this.#column)).trimEnd()}`
    })
    while (rows.at(-1) === '') rows.pop()
    return rows.join('\n')
  }

  write(bytes: Uint8Array | string): void {
    const text = typeof bytes === 'string' ? bytes : this.#decoder.decode(bytes, { stream: true })
    this.received += text
    const tokens = text.matchAll(/\x1b\[([\d;?]*)([@-~])|[^\x1b]/gu)
    let length = 0
    for (const [token, parameters, final] of tokens) {
      length += token.length
      if (final !== undefined) this.#sequence(parameters ?? '', final)
      else if (token < ' ' || token === '\x7f') this.#control(token)
      else this.#put(token)
    }
    if (length !== text.length) throw new Error(`A terminal does not know this: ${JSON.stringify(text)}`)
  }

  /** A new width, with text moved to other rows as most terminals do. */
  resize(columns: number, rows = this.rows): void {
    const lines: Row[][] = []
    for (const [index, row] of this.#rows.entries()) {
      if (index > 0 && this.#rows[index - 1]?.isWrapped === true) lines.at(-1)?.push(row)
      else lines.push([row])
    }
    const moved: Row[] = []
    let cursor: [number, number] = [0, 0]
    let index = 0
    for (const line of lines) {
      const cells: Cell[] = []
      let cursorAt: number | undefined
      for (const row of line) {
        if (index++ === this.#row) cursorAt = cells.length + this.#column + (this.#isPending ? 1 : 0)
        cells.push(...row.cells)
      }
      while (cells.at(-1)?.text === ' ' && cells.length > (cursorAt ?? 0)) cells.pop()
      const first = moved.length
      do moved.push({ cells: cells.splice(0, columns), isWrapped: cells.length > 0 })
      while (cells.length > 0)
      if (cursorAt !== undefined) cursor = [first + Math.floor(cursorAt / columns), cursorAt % columns]
    }
    while (moved.length <= cursor[0]) moved.push(emptyRow())
    this.#rows = moved
    ;[this.#row, this.#column] = cursor
    this.#isPending = false
    this.columns = columns
    this.rows = rows
    this.#scroll()
  }

  #put(character: string): void {
    const row = this.#current
    if (mark.test(character)) {
      const at = this.#isPending ? this.#column : this.#column - 1
      const base = row.cells[at]?.text === '' ? at - 1 : at
      const cell = row.cells[base]
      if (cell !== undefined) row.cells[base] = { ...cell, text: cell.text + character }
      return
    }
    // A person joined to another by U+200D is one picture.
    const before = row.cells[this.#column - 2]
    if (before?.text.endsWith('\u200d') && wide.test(character)) {
      row.cells[this.#column - 2] = { ...before, text: before.text + character }
      return
    }
    const width = wide.test(character) ? 2 : 1
    if (this.#isPending || this.#column + width > this.columns) this.#wrap()
    const { cells } = this.#current
    while (cells.length < this.#column) cells.push({ text: ' ', width: 1 })
    cells[this.#column] = { text: character, width }
    if (width === 2) cells[this.#column + 1] = { text: '', width: 0 }
    this.#column += width
    if (this.#column < this.columns) return
    this.#column = this.columns - 1
    this.#isPending = true
  }

  get #current(): Row {
    const row = this.#rows[this.#row]
    if (row === undefined) throw new Error('no such row')
    return row
  }

  #wrap(): void {
    this.#current.isWrapped = true
    this.#control('\n')
    this.#column = 0
  }

  #control(control: string): void {
    if (control === '\x07') {
      this.bells += 1
      return
    }
    this.#isPending = false
    if (control === '\r') this.#column = 0
    else if (control === '\b') this.#column = Math.max(0, this.#column - 1)
    else if (control === '\n') {
      this.#row += 1
      if (this.#row === this.#rows.length) this.#rows.push(emptyRow())
      this.#scroll()
    } else throw new Error(`A terminal does not know ${JSON.stringify(control)}`)
  }

  #scroll(): void {
    this.#top = Math.max(this.#top, this.#row - this.rows + 1)
  }

  #sequence(parameters: string, final: string): void {
    const count = Math.max(1, Number(parameters) || 0)
    if (`${parameters}${final}` === '?2004h' || `${parameters}${final}` === '?2004l') this.takesPastes = final === 'h'
    else if (final === 'm') return
    else if (final === 'A') this.#row = Math.max(this.#top, this.#row - count)
    else if (final === 'B') this.#down(count)
    else if (final === 'C') this.#column = Math.min(this.columns - 1, this.#column + count)
    else if (final === 'D') this.#column = Math.max(0, this.#column - count)
    else if (final === 'H' && parameters === '') [this.#row, this.#column] = [this.#top, 0]
    else if (final === 'J' && (parameters === '' || parameters === '2')) this.#erase(parameters === '2')
    else throw new Error(`A terminal does not know CSI ${parameters}${final}`)
    if (!'mhlJ'.includes(final)) this.#isPending = false
  }

  #down(count: number): void {
    this.#row = Math.min(this.#top + this.rows - 1, this.#row + count)
    while (this.#rows.length <= this.#row) this.#rows.push(emptyRow())
  }

  #erase(isAll: boolean): void {
    if (isAll) {
      for (let index = this.#top; index < this.#rows.length; index++) this.#rows[index] = emptyRow()
      return
    }
    this.#current.cells.length = Math.min(this.#current.cells.length, this.#column)
    this.#current.isWrapped = false
    this.#rows.length = this.#row + 1
  }
}

function emptyRow(): Row {
  return { cells: [], isWrapped: false }
}

function textOf(cells: readonly Cell[]): string {
  return cells.map(({ text }) => text).join('')
}
