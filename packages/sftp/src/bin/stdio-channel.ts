/** A ByteChannel over two pipes: standard input and output, seen from either end. */

import type { Readable, Writable } from 'node:stream'
import type { ByteChannel, ByteHandlers } from '@ssh/wire'

/** Bytes handed over and not released, after which the reading pipe is paused. */
const windowSize = 2 * 1024 * 1024

/** Bytes the writing pipe may hold before `write` asks to wait. */
const writeBufferSize = 1024 * 1024

export class StdioChannel implements ByteChannel {
  readonly #input: Readable
  readonly #output: Writable
  #handlers: ByteHandlers | undefined
  #unreleased = 0
  #wantsDrain = false
  #isOver = false
  #inputEnded = false
  #outputEnded = false

  constructor(input: Readable, output: Writable) {
    this.#input = input
    this.#output = output
  }

  attach(handlers: ByteHandlers): void {
    if (this.#handlers !== undefined) throw new Error('A consumer is attached to this channel already')
    this.#handlers = handlers
    this.#input.on('data', (chunk: Buffer) => this.#receive(chunk))
    this.#input.on('end', () => {
      if (!this.#isOver) handlers.onEnd?.()
      this.#inputEnded = true
      this.#closeWhenDone()
    })
    this.#output.on('drain', () => {
      if (!this.#wantsDrain || this.#isOver) return
      this.#wantsDrain = false
      handlers.onDrain?.()
    })
    this.#output.on('finish', () => {
      this.#outputEnded = true
      this.#closeWhenDone()
    })
    for (const pipe of [this.#input, this.#output]) {
      pipe.on('error', (error) => this.abort(error))
      pipe.on('close', () => {
        if (!this.#inputEnded || !this.#outputEnded) this.abort(new Error('The pipe closed'))
      })
    }
  }

  release(byteCount: number): void {
    this.#unreleased -= byteCount
    if (this.#unreleased < windowSize && this.#input.isPaused()) this.#input.resume()
  }

  write(chunk: Uint8Array): boolean {
    if (this.#isOver || this.#output.writableEnded) return false
    this.#output.write(chunk)
    if (this.#output.writableLength <= writeBufferSize) return true
    this.#wantsDrain = true
    return false
  }

  end(): void {
    if (!this.#output.writableEnded) this.#output.end()
  }

  close(): void {
    this.end()
    this.#input.resume()
  }

  abort(error?: Error): void {
    if (this.#isOver) return
    this.#input.destroy()
    this.#output.destroy()
    this.#finish(error)
  }

  #receive(chunk: Buffer): void {
    if (this.#isOver) return
    if (this.#handlers?.onData === undefined) return
    this.#unreleased += chunk.length
    if (this.#unreleased >= windowSize) this.#input.pause()
    this.#handlers.onData(chunk)
  }

  #closeWhenDone(): void {
    if (this.#inputEnded && this.#outputEnded) this.#finish(undefined)
  }

  #finish(error: Error | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#handlers?.onClose?.(error)
  }
}
