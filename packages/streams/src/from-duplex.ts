/** Node streams → ByteChannel. */

import { type Duplex, finished, type Readable, type Writable } from 'node:stream'
import type { ByteChannel, ByteHandlers } from '@ssh/wire'
import { ignoreError } from './readable.js'

export interface FromStreamsOptions {
  /** Bytes handed out and not released at which the source is paused. Default 256 KiB. */
  readonly credit?: number
}

/**
 * A socket, or any other byte Duplex, as a channel. The stream is the channel's from now on.
 *
 * Half-close works as far as the stream allows it: create sockets with `allowHalfOpen: true`. `abort` resets a TCP
 * socket that has not ended yet: its other end would take a mere close for the end of all there is.
 */
export function fromDuplex(duplex: Duplex, options?: FromStreamsOptions): ByteChannel {
  return new StreamChannel(duplex, duplex, options)
}

/** A pair of streams as one channel, for instance `child.stdout` and `child.stdin`. See {@link fromDuplex}. */
export function fromStreams(readable: Readable, writable: Writable, options?: FromStreamsOptions): ByteChannel {
  return new StreamChannel(readable, writable, options)
}

const defaultCredit = 256 * 1024

/** Back-pressure is the streams' own: pause while credit is out, and their `drain`. */
class StreamChannel implements ByteChannel {
  readonly #readable: Readable
  readonly #writable: Writable
  readonly #credit: number
  /** Bytes handed out and not released. */
  #charged = 0
  #handlers: ByteHandlers | undefined
  /** What `attach` finds when the streams were over before it. */
  #hasEnded = false
  #closed: { readonly error: Error | undefined } | undefined
  #isAttached = false
  /** Set by our own `close` and `abort`: what the streams report afterwards is the normal end. */
  #isClosing = false
  #abortError: Error | undefined

  constructor(readable: Readable, writable: Writable, options: FromStreamsOptions = {}) {
    this.#readable = readable
    this.#writable = writable
    this.#credit = options.credit ?? defaultCredit
    this.#watch()
  }

  attach(handlers: ByteHandlers): void {
    if (this.#isAttached) throw new Error('A consumer is attached to this channel already')
    this.#isAttached = true
    if (this.#hasEnded) handlers.onEnd?.()
    if (this.#closed !== undefined) {
      handlers.onClose?.(this.#closed.error)
      return
    }
    this.#handlers = handlers
    this.#writable.on('drain', () => this.#handlers?.onDrain?.())
    this.#readable.on('data', (chunk: Uint8Array) => this.#onData(chunk))
  }

  release(byteCount: number): void {
    this.#charged -= byteCount
    if (this.#charged < this.#credit && this.#readable.isPaused()) this.#readable.resume()
  }

  write(chunk: Uint8Array): boolean {
    if (this.#closed !== undefined || !this.#writable.writable) return false
    return this.#writable.write(chunk)
  }

  end(): void {
    if (this.#writable.writable) this.#writable.end()
  }

  close(): void {
    if (this.#isClosing) return
    this.#isClosing = true
    if (this.#writable.writableFinished || this.#writable.destroyed) this.#destroy()
    else {
      this.#writable.once('finish', () => this.#destroy())
      this.end()
    }
  }

  abort(error?: Error): void {
    this.#isClosing = true
    this.#abortError ??= error
    reset(this.#writable)
    this.#destroy()
  }

  #onData(chunk: Uint8Array): void {
    const onData = this.#handlers?.onData
    if (onData === undefined) return
    this.#charged += chunk.length
    if (this.#charged >= this.#credit) this.#readable.pause()
    onData.call(this.#handlers, chunk)
  }

  #destroy(): void {
    this.#readable.destroy()
    this.#writable.destroy()
  }

  /** Waits until both directions are over; the first error ends both. */
  #watch(): void {
    let open = 2
    let failure: Error | undefined
    const onOver = (error?: Error | null) => {
      if (error) {
        if (!this.#isClosing) failure ??= error
        this.#destroy()
      }
      open -= 1
      if (open === 0) this.#onClose(this.#abortError ?? failure)
    }
    // An error after its direction was counted as over would otherwise be nobody's and end the process.
    this.#readable.on('error', ignoreError)
    this.#writable.on('error', ignoreError)
    finished(this.#readable, { writable: false }, (error) => {
      if (!error) {
        this.#hasEnded = true
        this.#handlers?.onEnd?.()
      }
      onOver(error)
    })
    // Nobody will read what we write, but nothing failed: a child process that exits has its standard input destroyed,
    // a socket is closed. What was sent last is still to be read, and tells whether that was a normal end.
    finished(this.#writable, { readable: false }, (error) => onOver(isPrematureClose(error) ? undefined : error))
  }

  #onClose(error: Error | undefined): void {
    this.#closed = { error }
    const handlers = this.#handlers
    this.#handlers = undefined
    handlers?.onClose?.(error)
  }
}

/** Only a TCP socket has addresses, and only that can be reset. */
function reset(stream: Writable): void {
  if (stream.destroyed || !('resetAndDestroy' in stream && 'remoteAddress' in stream)) return
  if (typeof stream.resetAndDestroy !== 'function' || typeof stream.remoteAddress !== 'string') return
  // Node leaks a socket that is reset while its end is being sent.
  if (!stream.writableEnded || stream.writableLength > 0) stream.resetAndDestroy()
}

function isPrematureClose(error: NodeJS.ErrnoException | null | undefined): boolean {
  return error?.code === 'ERR_STREAM_PREMATURE_CLOSE'
}
