/**
 * A session's channel behind a terminal: lines in place of bytes, and output as terminals want it.
 *
 * Keys are taken only while somebody wants the next line, so a line is edited as it should be by then: unseen where a
 * password was asked for, raw where a program took over. What is typed ahead waits, in bytes that the client's window
 * bounds, and an interrupt among it drops what is before it, as a terminal driver does.
 */

import { Readable, type Writable } from 'node:stream'
import type { Pty, SessionServer } from '@ssh/conn'
import { ByteWritable, ignoreError } from '@ssh/streams'
import { AbortError, asBuffer, type ByteSink, HeldChunks, toUtf8 } from '@ssh/wire'
import { LineEditor } from './line-editor.js'

export interface TerminalSettings {
  /** Whether what is typed is shown. */
  readonly echo: boolean
  /** Lines that can be called back. */
  readonly history: number
  /** Characters in a line. */
  readonly maxLineLength: number
}

export interface TerminalEvents {
  onBreak(): void
  /** Ctrl-D on an empty line. @returns whether somebody took it; otherwise input ends */
  onEof(): boolean
  /** What a key's handler threw. */
  onError(error: unknown): void
  /** The channel broke. */
  onBroken(error: Error): void
}

interface Waiting {
  readonly prompt: string
  readonly echo: boolean | undefined
  resolve(line: string | undefined): void
  reject(error: Error): void
}

/** Ctrl-C. */
const interrupt = 0x03

export class TerminalStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  /** The same terminal as `stdout`, in the order of writing. */
  readonly stderr: Writable
  readonly editor: LineEditor
  readonly #session: SessionServer
  readonly #events: TerminalEvents
  readonly #outputs: readonly ByteWritable[]
  readonly #decoder = new TextDecoder()
  /** What came and nobody has looked at. */
  readonly #held = new HeldChunks()
  /** What is left of a chunk of which keys were taken. */
  #rest: { readonly text: string; readonly byteCount: number } | undefined
  readonly #waiting: Waiting[] = []
  #echo: boolean
  #isLineMode = true
  #isWanted = false
  #isPumping = false
  #hasRoom = true
  /** A size that came while there was no room to draw anything. */
  #latestSize: { readonly columns: number; readonly rows: number } | undefined
  /** The channel is closed: what is written goes nowhere, and takes no room. */
  #isGone = false
  #hasEnded = false
  #isOver = false
  #openOutputs = 2

  /** @param session with its program decided, and nobody reading it */
  constructor(session: SessionServer, pty: Pty, settings: TerminalSettings, events: TerminalEvents) {
    const { echo, history, maxLineLength } = settings
    this.#session = session
    this.#events = events
    this.#echo = echo
    this.editor = new LineEditor(
      { term: pty.term, columns: pty.columns, rows: pty.rows, echo, history, maxLineLength },
      {
        send: (bytes) => this.#send(bytes),
        onLine: (line) => this.#deliver(line, `${line}\n`),
        onEof: () => this.#softEnd(),
        onBreak: () => events.onBreak(),
        onError: (error) => events.onError(error),
      },
    )
    // One line at a time: the reader's next request is what says that the line before was taken.
    this.stdin = new Readable({
      highWaterMark: 1,
      read: () => this.#want(),
      destroy: (error, callback) => {
        this.#end()
        callback(error)
      },
    })
    this.stdin.on('error', ignoreError)
    const outputs = [new ByteWritable(this.#sink()), new ByteWritable(this.#sink())] as const
    ;[this.stdout, this.stderr] = outputs
    this.#outputs = outputs
    this.#attach()
  }

  get isLineMode(): boolean {
    return this.#isLineMode
  }

  /** Raw: bytes as they come, and output as it is. What is typed so far goes first. */
  setLineMode(isLineMode: boolean): void {
    if (isLineMode === this.#isLineMode) return
    this.#isLineMode = isLineMode
    // A key's handler may ask for it; the keys behind that one are then raw.
    if (!isLineMode && !this.#isPumping) this.#goRaw()
    this.#later()
  }

  setEcho(echo: boolean): void {
    this.#echo = echo
    this.editor.echo = this.#waiting[0]?.echo ?? echo
  }

  /** Takes a line before `stdin` does; undefined at the end of input, or on Ctrl-D. */
  readLine(prompt: string, echo: boolean | undefined, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (signal?.aborted) return Promise.reject(new AbortError(signal.reason))
    // A stream reads one line ahead.
    if (this.stdin.readableFlowing !== true && this.stdin.readableLength > 0) {
      return Promise.resolve(String(this.stdin.read()).replace(/\n$/, ''))
    }
    if (this.#isOver || (this.#hasEnded && this.#isDrained)) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        prompt,
        echo,
        resolve: (line) => {
          signal?.removeEventListener('abort', giveUp)
          resolve(line)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', giveUp)
          reject(error)
        },
      }
      const giveUp = () => {
        this.#forget(waiting)
        reject(new AbortError(signal?.reason))
      }
      signal?.addEventListener('abort', giveUp, { once: true })
      this.#waiting.push(waiting)
      if (this.#waiting.length === 1) this.#turnTo(waiting)
      this.#later()
    })
  }

  /** A client that reads nothing can send any number of sizes, and each has the line drawn: only the last one counts. */
  resize(columns: number, rows: number): void {
    if (this.#hasRoom) this.editor.resize(columns, rows)
    else this.#latestSize = { columns, rows }
  }

  #attach(): void {
    const { channel } = this.#session
    channel.attach({
      onData: (chunk) => this.#receive(chunk),
      onEnd: () => {
        this.#hasEnded = true
        this.#pump()
      },
      onDrain: () => {
        this.#hasRoom = true
        this.#resizeLate()
        for (const output of this.#outputs) output.handlers.onDrain()
        this.#pump()
      },
      onClose: (error) => {
        this.#isGone = true
        this.#hasRoom = true
        this.editor.unseen()
        for (const output of this.#outputs) output.handlers.onClose(error)
        if (error === undefined) {
          this.#hasEnded = true
          this.#pump()
          // What nobody reads is not waited for.
          this.#settleWaiting()
        } else {
          this.#settleWaiting(error)
          this.stdin.destroy(error)
          this.#events.onBroken(error)
        }
      },
    })
  }

  #resizeLate(): void {
    const size = this.#latestSize
    this.#latestSize = undefined
    if (size !== undefined) this.editor.resize(size.columns, size.rows)
  }

  #receive(chunk: Uint8Array): void {
    if (this.#isOver) {
      this.#session.channel.release(chunk.length)
      if (this.#isLineMode && chunk.includes(interrupt)) this.#events.onBreak()
      return
    }
    const interrupted = this.#isLineMode && !this.editor.isActive ? chunk.lastIndexOf(interrupt) : -1
    if (interrupted === -1) {
      this.#held.push(chunk)
    } else {
      this.#dropHeld()
      this.#session.channel.release(interrupted + 1)
      if (interrupted + 1 < chunk.length) this.#held.push(chunk.subarray(interrupted + 1))
      this.#events.onBreak()
    }
    this.#pump()
  }

  /** The reader of `stdin` wants more. */
  #want(): void {
    this.#isWanted = true
    if (this.#isLineMode) this.#later()
    else this.#pump()
  }

  /** Lets whoever got a line say first how the next is to be edited. */
  #later(): void {
    setImmediate(() => this.#pump())
  }

  #pump(): void {
    if (this.#isPumping || this.#isOver) return
    this.#isPumping = true
    try {
      while (this.#isLineMode ? this.#pumpLine() : this.#pumpRaw());
      if (this.#hasEnded && this.#isDrained) this.#inputEnded()
    } finally {
      this.#isPumping = false
    }
  }

  /** @returns whether there may be more to do, here and below */
  #pumpLine(): boolean {
    const isWanted = this.#waiting.length > 0 || this.#isWanted
    if (!isWanted || !this.#hasRoom || this.#isOver) return false
    if (!this.editor.isActive) this.editor.begin(this.#waiting[0]?.prompt)
    const next = this.#nextText()
    if (next === undefined) return false
    this.#rest = next
    const taken = this.editor.receive(next.text, () => this.#hasRoom && this.#isLineMode && !this.#isOver)
    if (this.#isOver) return false
    if (taken === next.text.length) {
      this.#rest = undefined
      this.#session.channel.release(next.byteCount)
    } else {
      this.#rest = { text: next.text.slice(taken), byteCount: next.byteCount }
    }
    if (!this.#isLineMode) this.#goRaw()
    return true
  }

  #nextText(): { readonly text: string; readonly byteCount: number } | undefined {
    if (this.#rest !== undefined) return this.#rest
    const chunk = this.#held.shift()
    return chunk && { text: this.#decoder.decode(chunk, { stream: true }), byteCount: chunk.length }
  }

  #pumpRaw(): boolean {
    if (!this.#isWanted || this.#isOver) return false
    if (this.#rest !== undefined) {
      const { text, byteCount } = this.#rest
      this.#rest = undefined
      this.#session.channel.release(byteCount)
      if (text !== '') this.#push(toUtf8(text))
      return true
    }
    const chunk = this.#held.shift()
    if (chunk === undefined) return false
    this.#push(chunk)
    this.#session.channel.release(chunk.length)
    return true
  }

  get #isDrained(): boolean {
    return this.#held.byteLength === 0 && this.#rest === undefined
  }

  /** A line goes to whoever waits for one, and otherwise to `stdin`. */
  #deliver(line: string, asRead: string): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) return this.#push(toUtf8(asRead))
    this.#turnTo(this.#waiting[0])
    waiting.resolve(line)
  }

  #push(bytes: Uint8Array): void {
    this.#isWanted = false
    try {
      this.stdin.push(asBuffer(bytes))
    } catch (error) {
      // What a listener throws is the program's own, as with a socket, and no fault of the connection.
      process.nextTick(() => {
        throw error
      })
    }
  }

  #turnTo(waiting: Waiting | undefined): void {
    this.editor.echo = waiting?.echo ?? this.#echo
    if (waiting !== undefined && this.editor.isActive) this.editor.begin(waiting.prompt)
  }

  #forget(waiting: Waiting): void {
    const index = this.#waiting.indexOf(waiting)
    if (index === -1) return
    this.#waiting.splice(index, 1)
    if (index > 0) return
    this.editor.pause()
    this.#turnTo(this.#waiting[0])
    this.#later()
  }

  /** Ctrl-D on an empty line. */
  #softEnd(): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) {
      this.editor.finish()
      this.#turnTo(this.#waiting[0])
      waiting.resolve(undefined)
    } else if (!this.#events.onEof()) {
      this.editor.finish()
      this.stdin.push(null)
      this.#end()
    }
  }

  /** The client sends no more, and everything it sent was taken. */
  #inputEnded(): void {
    const text = this.editor.finish()
    if (text !== '') this.#deliver(text, text)
    this.stdin.push(null)
    this.#settleWaiting()
    this.#end()
  }

  #settleWaiting(error?: Error): void {
    for (const waiting of this.#waiting.splice(0)) {
      if (error === undefined) waiting.resolve(undefined)
      else waiting.reject(error)
    }
  }

  /** Nobody reads any more. Credit goes back, so that an interrupt can still be heard. */
  #end(): void {
    this.#isOver = true
    this.#dropHeld()
  }

  #dropHeld(): void {
    const byteCount = this.#held.byteLength + (this.#rest?.byteCount ?? 0)
    this.#held.clear()
    this.#rest = undefined
    if (byteCount > 0) this.#session.channel.release(byteCount)
  }

  #goRaw(): void {
    const typed = this.editor.takeInput()
    this.editor.pause()
    this.editor.end()
    const undecoded = this.#decoder.decode()
    const text = typed + (this.#rest?.text ?? '') + undecoded
    if (text !== '') this.#rest = { text, byteCount: this.#rest?.byteCount ?? 0 }
  }

  #sink(): ByteSink {
    let isOpen = true
    return {
      write: (chunk) => {
        if (this.#isLineMode) this.editor.print(chunk)
        else this.#send(chunk)
        return this.#hasRoom
      },
      end: () => {
        if (!isOpen) return
        isOpen = false
        this.#openOutputs -= 1
        if (this.#openOutputs > 0) return
        this.editor.end()
        this.#session.channel.end()
      },
    }
  }

  #send(bytes: Uint8Array): void {
    if (!this.#session.channel.write(bytes)) this.#hasRoom = this.#isGone
  }
}
