/**
 * A line editor for a terminal at the other end: keys come in, lines go out, and what the terminal must show is sent.
 * RFC 4254 knows no line mode, so a server's end of the connection does what a terminal driver does elsewhere.
 *
 * Speaks in calls and callbacks. What is typed is drawn behind what the program wrote last; when the program writes
 * more, the line is taken away and drawn again behind it.
 */

import { toUtf8 } from '@ssh/wire'
import { type Key, KeyDecoder } from './key-decoder.js'
import { LineBuffer, letterOrDigit } from './line-buffer.js'
import { LineDisplay } from './line-display.js'
import { LineHistory } from './line-history.js'
import type { InputLine } from './line-layout.js'
import { OutputText } from './output-text.js'
import { drawable, promptClusters } from './text-width.js'

export interface LineEditorOptions {
  /** Type of the terminal; those that know no escape sequences get none. */
  readonly term: string
  readonly columns: number
  readonly rows: number
  readonly echo: boolean
  /** Lines of history. */
  readonly history: number
  /** Characters of Unicode in a line. */
  readonly maxLineLength: number
}

export interface LineEditorHandlers {
  /** For the terminal. */
  send(bytes: Uint8Array): void
  /** A line was entered. */
  onLine(line: string): void
  /** Ctrl-D on an empty line. */
  onEof(): void
  /** Ctrl-C; what was typed is dropped. */
  onBreak(): void
  /** What a {@link KeyHandler} threw. */
  onError(error: unknown): void
}

/**
 * What a key did: a new line and the place in it (UTF-16 units; default the end), `'default'` for what the key does
 * otherwise, `'bell'` for a beep. Undefined leaves the line as it is.
 */
export type KeyResult = { readonly line: string; readonly cursor?: number } | 'default' | 'bell' | undefined

/** Called with the line and the place of the cursor in it, in UTF-16 units. */
export type KeyHandler = (line: string, cursor: number) => KeyResult

const bell = '\x07'
/** Bracketed paste: the terminal says what was pasted, so that it is not taken for keys. */
const paste = { on: '\x1b[?2004h', off: '\x1b[?2004l' } as const
const clearScreen = '\x1b[H\x1b[2J'
/** Types of terminals that do not move their cursor on demand. */
const plainTerminals: ReadonlySet<string> = new Set(['', 'dumb', 'network', 'unknown', 'vt52'])

export class LineEditor {
  readonly #handlers: LineEditorHandlers
  readonly #canMove: boolean
  readonly #maxLineLength: number
  readonly #keys = new KeyDecoder()
  readonly #line = new LineBuffer()
  readonly #history: LineHistory
  readonly #output = new OutputText()
  readonly #display: LineDisplay
  readonly #registered = new Map<string, KeyHandler>()
  /** Keys that may be the beginning of a registered sequence. */
  #pending: Key[] = []
  #prompt: readonly string[] = []
  #echo: boolean
  #isActive = false
  #isAskingForPastes = false
  #wasReturn = false
  #hasRung = false
  #isSeen = true

  constructor(options: LineEditorOptions, handlers: LineEditorHandlers) {
    this.#handlers = handlers
    this.#canMove = !plainTerminals.has(options.term)
    this.#maxLineLength = options.maxLineLength
    this.#echo = options.echo
    this.#history = new LineHistory(options.history)
    this.#display = new LineDisplay(options.columns, options.rows, this.#canMove, (text) => this.#send(text))
  }

  /** Whether the line, with its prompt, is on the screen and keys are taken. */
  get isActive(): boolean {
    return this.#isActive
  }

  get history(): readonly string[] {
    return this.#history.lines
  }

  set history(lines: readonly string[]) {
    this.#history.lines = lines
  }

  get echo(): boolean {
    return this.#echo
  }

  set echo(echo: boolean) {
    this.#echo = echo
    this.#draw()
  }

  /** Begins a line. @param prompt drawn before it; it may have colours */
  begin(prompt = ''): void {
    this.#isActive = true
    this.#prompt = promptClusters(prompt)
    if (this.#canMove && !this.#isAskingForPastes) {
      this.#isAskingForPastes = true
      this.#send(paste.on)
    }
    this.#draw()
  }

  /** Stops taking keys. What is typed so far stays for the next {@link begin}, and leaves the screen. */
  pause(): void {
    this.#hide()
    this.#isActive = false
    this.#prompt = []
  }

  /** Stops taking keys. What is typed so far is done with, and stays on the screen. @returns what that was */
  finish(): string {
    const { text } = this.#line
    if (this.#isActive && (this.#prompt.length > 0 || (this.#echo && text !== ''))) this.#leave()
    this.#isActive = false
    this.#prompt = []
    this.#line.clear()
    return text
  }

  /** Ends for good, or until the next {@link begin}: the terminal gets its ways back. */
  end(): void {
    this.#hide()
    const held = this.#output.flush()
    if (held.length > 0 && this.#isSeen) this.#handlers.send(held)
    this.#draw()
    this.finish()
    if (this.#isAskingForPastes) this.#send(paste.off)
    this.#isAskingForPastes = false
  }

  /** Nobody sees it any more: keys are taken as before, and nothing is drawn. */
  unseen(): void {
    this.#isSeen = false
  }

  /** Takes what is typed so far away from the line, with keys that are half received or may begin a registered one. */
  takeInput(): string {
    const keys = [...this.#pending.map(({ text }) => text), this.#keys.takeRest()]
    const { text } = this.#line
    this.#pending = []
    this.setInput('')
    return text + keys.join('')
  }

  /** Replaces what is typed so far. Line ends and what the length forbids are left out. */
  setInput(text: string, cursor?: number): void {
    const allowed = [...drawable(text)].slice(0, this.#maxLineLength).join('')
    this.#line.replace(allowed, cursor)
    this.#draw()
  }

  /**
   * @param sequence what the terminal sends for the key, or for several one after the other
   * @throws RangeError when that is no whole key: ESC alone begins others
   */
  register(sequence: string, handler: KeyHandler): void {
    const decoder = new KeyDecoder()
    for (const character of sequence) decoder.take(character)
    if (sequence === '' || !decoder.isIdle) {
      throw new RangeError('A key is what the terminal sends for it in full, for instance "\\t" or "\\x1b[15~"')
    }
    this.#registered.set(sequence, handler)
  }

  unregister(sequence: string): void {
    this.#registered.delete(sequence)
  }

  /**
   * Takes keys.
   * @param mayGoOn asked after each; what is left when it says no must be given again
   * @returns how much of `text` was taken
   */
  receive(text: string, mayGoOn: () => boolean): number {
    let taken = 0
    this.#hasRung = false
    for (const character of text) {
      if (!this.#isActive || !mayGoOn()) break
      taken += character.length
      const key = this.#keys.take(character)
      if (key !== undefined) this.#key(key)
    }
    this.#draw()
    return taken
  }

  /** Writes what the program says. */
  print(bytes: Uint8Array): void {
    if (bytes.length === 0 || !this.#isSeen) return
    this.#hide()
    const sent = this.#output.take(bytes, this.#display.columns)
    if (sent.length > 0) this.#handlers.send(sent)
    this.#draw()
  }

  resize(columns: number, rows: number): void {
    if (!this.#isSeen) return
    const column = this.#display.resize(columns, rows, this.#shownLine, this.#output.column)
    this.#output.movedTo(column)
  }

  #key(key: Key): void {
    const keys = [...this.#pending, key]
    const text = keys.map((each) => each.text).join('')
    this.#pending = []
    const handler = key.isPasted ? undefined : this.#registered.get(text)
    if (handler !== undefined) return this.#call(handler, () => this.#actAll(keys))
    if (!key.isPasted && [...this.#registered.keys()].some((known) => known.startsWith(text))) this.#pending = keys
    else if (keys.length === 1) this.#act(key)
    else {
      // Not that sequence, but its last key may begin another.
      this.#actAll(keys.slice(0, -1))
      if (this.#isActive) this.#key(key)
    }
  }

  #call(handler: KeyHandler, otherwise: () => void): void {
    this.#draw()
    try {
      const result = handler(this.#line.text, this.#line.offset)
      if (result === 'default') otherwise()
      else if (result === 'bell') this.#ring()
      else if (typeof result === 'object') this.setInput(String(result.line), result.cursor)
    } catch (error) {
      this.#handlers.onError(error)
    }
  }

  #actAll(keys: readonly Key[]): void {
    for (const key of keys) if (this.#isActive) this.#act(key)
  }

  #act({ text, isPasted }: Key): void {
    const wasReturn = this.#wasReturn
    this.#wasReturn = text === '\r'
    if (text === '\n' && wasReturn) return
    const action = actions.get(text)
    if (isPasted && action !== 'enter' && action !== 'break') return this.#insertPasted(text)
    if (action === undefined) return text.length > 1 && text < ' ' ? this.#unknown(text) : this.#insert(text)
    if (!this.#do(action)) this.#ring()
  }

  /** @returns whether there was anything to do */
  #do(action: Action): boolean {
    const line = this.#line
    switch (action) {
      case 'enter':
        this.#enter()
        return true
      case 'break':
        this.#break()
        return true
      case 'eof-or-delete':
        if (!line.isEmpty) return line.deleteRight()
        this.#handlers.onEof()
        return true
      case 'left':
        return line.move(-1)
      case 'right':
        return line.move(1)
      case 'home':
        line.moveTo(0)
        return true
      case 'end':
        line.moveTo(line.clusters.length)
        return true
      case 'word-left':
        return line.moveTo(line.wordStart(letterOrDigit))
      case 'word-right':
        return line.moveTo(line.wordEnd(letterOrDigit))
      case 'delete-left':
        return line.deleteLeft()
      case 'delete-right':
        return line.deleteRight()
      case 'cut-line':
        return line.cut(0, line.clusters.length)
      case 'cut-right':
        return line.cut(line.cursor, line.clusters.length)
      case 'cut-word-left':
        return line.cut(line.wordStart(), line.cursor)
      case 'cut-part-left':
        return line.cut(line.wordStart(letterOrDigit), line.cursor)
      case 'cut-part-right':
        return line.cut(line.cursor, line.wordEnd(letterOrDigit))
      case 'paste':
        return line.lastCut !== '' && this.#insertText(line.lastCut)
      case 'transpose':
        return line.transpose()
      case 'older':
        return this.#recall(-1)
      case 'newer':
        return this.#recall(1)
      case 'redraw':
        this.#hide()
        return true
      case 'clear-screen':
        this.#clearScreen()
        return true
      case 'nothing':
        return true
    }
  }

  #enter(): void {
    const { text } = this.#line
    this.#leave()
    this.#line.clear()
    if (this.#echo) this.#history.add(text)
    else this.#history.rewind()
    this.#isActive = false
    this.#prompt = []
    this.#handlers.onLine(text)
  }

  #break(): void {
    this.#leave('^C')
    this.#line.clear()
    this.#history.rewind()
    this.#pending = []
    this.#handlers.onBreak()
  }

  #leave(ending = ''): void {
    if (!this.#isSeen) return
    this.#display.leave(this.#shownLine, this.#output.column, ending)
    this.#output.movedTo(0)
  }

  #clearScreen(): void {
    if (!this.#canMove) return this.#hide()
    this.#hide()
    this.#send(clearScreen)
    this.#output.movedTo(0)
  }

  #recall(steps: number): boolean {
    // What others enter unseen is not to be walked to, and neither is what they see kept from them.
    if (!this.#echo) return false
    const text = this.#history.walk(steps, this.#line.text)
    if (text !== undefined) this.#line.replace(text)
    return text !== undefined
  }

  #insert(character: string): void {
    if (drawable(character) === '' || !this.#insertText(character)) this.#ring()
  }

  #insertPasted(text: string): void {
    if (drawable(text) === text) this.#insert(text)
  }

  #insertText(text: string): boolean {
    const characters = [...text]
    const room = Math.max(0, this.#maxLineLength - this.#line.length)
    if (room > 0) this.#line.insert(characters.slice(0, room).join(''))
    return characters.length <= room
  }

  /** Keys that nobody registered; what the terminal says by itself is no key. */
  #unknown(sequence: string): void {
    if (!/^\x1b\[(?:[IO]|[?>=].*|[\d;]*[Rtcn])$/.test(sequence)) this.#ring()
  }

  /** Once for all that came at a time. */
  #ring(): void {
    if (this.#hasRung) return
    this.#hasRung = true
    this.#send(bell)
  }

  get #shownLine(): InputLine {
    const { clusters, cursor } = this.#line
    return this.#echo ? { prompt: this.#prompt, clusters, cursor } : { prompt: this.#prompt, clusters: [], cursor: 0 }
  }

  #draw(): void {
    if (this.#isActive && this.#isSeen) this.#display.show(this.#shownLine, this.#output.column)
  }

  #hide(): void {
    if (!this.#isSeen) return
    this.#output.movedTo(this.#display.hide(this.#output.column))
  }

  #send(text: string): void {
    if (this.#isSeen) this.#handlers.send(toUtf8(text))
  }
}

type Action =
  | 'enter'
  | 'break'
  | 'eof-or-delete'
  | 'left'
  | 'right'
  | 'home'
  | 'end'
  | 'word-left'
  | 'word-right'
  | 'delete-left'
  | 'delete-right'
  | 'cut-line'
  | 'cut-right'
  | 'cut-word-left'
  | 'cut-part-left'
  | 'cut-part-right'
  | 'paste'
  | 'transpose'
  | 'older'
  | 'newer'
  | 'redraw'
  | 'clear-screen'
  | 'nothing'

const keysOf: Readonly<Record<Action, readonly string[]>> = {
  enter: ['\r', '\n', '\x1bOM'],
  break: ['\x03', '\x1b[33~'],
  'eof-or-delete': ['\x04'],
  left: ['\x02', '\x1b[D', '\x1bOD'],
  right: ['\x06', '\x1b[C', '\x1bOC'],
  home: ['\x01', '\x1b[H', '\x1bOH', '\x1b[1~', '\x1b[7~'],
  end: ['\x05', '\x1b[F', '\x1bOF', '\x1b[4~', '\x1b[8~'],
  'word-left': ['\x1bb', '\x1b[1;5D', '\x1b[1;3D', '\x1b[5D', '\x1bOd'],
  'word-right': ['\x1bf', '\x1b[1;5C', '\x1b[1;3C', '\x1b[5C', '\x1bOc'],
  'delete-left': ['\x08', '\x7f'],
  'delete-right': ['\x1b[3~'],
  'cut-line': ['\x15'],
  'cut-right': ['\x0b'],
  'cut-word-left': ['\x17'],
  'cut-part-left': ['\x1b\x7f', '\x1b\x08'],
  'cut-part-right': ['\x1bd'],
  paste: ['\x19'],
  transpose: ['\x14'],
  older: ['\x10', '\x1b[A', '\x1bOA'],
  newer: ['\x0e', '\x1b[B', '\x1bOB'],
  redraw: ['\x12'],
  'clear-screen': ['\x0c'],
  // Insert, and XON and XOFF of terminals that do flow control where nobody asked for it.
  nothing: ['\x1b[2~', '\x11', '\x13'],
}

const actions: ReadonlyMap<string, Action> = new Map(
  (Object.entries(keysOf) as [Action, readonly string[]][]).flatMap(([action, keys]) =>
    keys.map((key) => [key, action] as const),
  ),
)
