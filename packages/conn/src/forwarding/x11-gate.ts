/** The door of an X display: nothing passes before the first message has been looked at, and another sent in its place. */

import { type ByteChannel, type ByteHandlers, HeldChunks } from '@ssh/wire'
import { X11Error } from '../errors.js'
import { encodeX11Refusal, encodeX11Setup, type X11Setup, X11SetupReader } from './x11-setup.js'

export interface X11GateHandlers {
  /** The client's first message. Answer with `admit` or `refuse`, now or later. */
  onSetup(setup: X11Setup): void
  /** The client has gone before it was let in or refused, or what came from it is no setup. */
  onGone(): void
}

/**
 * A channel from an X client, from behind the door. Until it is let in by {@link X11Gate.admit} the client is held: what
 * it sends stays within its window. Then the gate is the channel, with another setup in front: give it to `pipe`.
 */
export class X11Gate implements ByteChannel {
  readonly #channel: ByteChannel
  readonly #handlers: X11GateHandlers
  readonly #reader = new X11SetupReader()
  readonly #held = new HeldChunks()
  #setup: X11Setup | undefined
  /** Bytes that we made and nobody is charged for. */
  #made = 0
  #consumer: ByteHandlers | undefined
  #state: 'reading' | 'deciding' | 'admitted' | 'refused' = 'reading'
  #hasEnded = false
  #closed: { readonly error: Error | undefined } | undefined

  constructor(channel: ByteChannel, handlers: X11GateHandlers) {
    this.#channel = channel
    this.#handlers = handlers
    channel.attach({
      onData: (chunk) => this.#onData(chunk),
      onEnd: () => this.#onEnd(),
      onDrain: () => this.#consumer?.onDrain?.(),
      onClose: (error) => this.#onClose(error),
    })
  }

  get copiesChunks(): boolean {
    return this.#channel.copiesChunks === true
  }

  /** Lets the client in, with these words in place of its own. */
  admit(authorization: Pick<X11Setup, 'authorizationProtocol' | 'authorizationData'>): void {
    if (this.#state !== 'deciding' || this.#setup === undefined) return
    this.#state = 'admitted'
    this.#setup = { ...this.#setup, ...authorization }
  }

  /** Tells the client why it is not let in, and closes. @param reason ASCII, for whoever started the client */
  refuse(reason: string): void {
    if (this.#state === 'refused' || this.#consumer !== undefined) return
    this.#state = 'refused'
    this.#channel.release(this.#held.byteLength)
    this.#held.clear()
    if (this.#setup !== undefined) this.#channel.write(encodeX11Refusal(this.#setup.byteOrder, `${reason}\n`))
    this.#channel.close()
  }

  attach(handlers: ByteHandlers): void {
    if (this.#state !== 'admitted' || this.#setup === undefined || this.#consumer !== undefined) {
      throw new Error('This X11 client was not let in, or has a consumer already')
    }
    const setup = encodeX11Setup(this.#setup)
    this.#setup = undefined
    this.#made = setup.length
    this.#consumer = handlers
    handlers.onData?.(setup)
    for (let chunk = this.#held.shift(); chunk !== undefined; chunk = this.#held.shift()) this.#pass(chunk)
    if (this.#hasEnded) handlers.onEnd?.()
    if (this.#closed !== undefined) handlers.onClose?.(this.#closed.error)
  }

  release(byteCount: number): void {
    const made = Math.min(byteCount, this.#made)
    this.#made -= made
    this.#channel.release(byteCount - made)
  }

  write(chunk: Uint8Array): boolean {
    return this.#channel.write(chunk)
  }

  end(): void {
    this.#channel.end()
  }

  close(): void {
    this.#channel.close()
  }

  abort(error?: Error): void {
    this.#channel.abort(error)
  }

  #onData(chunk: Uint8Array): void {
    switch (this.#state) {
      case 'reading':
        this.#read(chunk)
        break
      case 'deciding':
        this.#held.push(chunk)
        break
      case 'admitted':
        if (this.#consumer === undefined) this.#held.push(chunk)
        else this.#pass(chunk)
        break
      case 'refused':
        this.#channel.release(chunk.length)
    }
  }

  #pass(chunk: Uint8Array): void {
    const { onData } = this.#consumer ?? {}
    if (onData === undefined) this.#channel.release(chunk.length)
    else onData.call(this.#consumer, chunk)
  }

  #read(chunk: Uint8Array): void {
    let received: ReturnType<X11SetupReader['receive']>
    try {
      received = this.#reader.receive(chunk)
    } catch (error) {
      if (!(error instanceof X11Error)) throw error
      // Without a byte order there is no way to answer.
      this.#state = 'refused'
      this.#handlers.onGone()
      this.#channel.abort(error)
      return
    }
    this.#channel.release(chunk.length - (received?.rest.length ?? 0))
    if (received === undefined) return
    if (received.rest.length > 0) this.#held.push(received.rest)
    this.#setup = received.setup
    this.#state = 'deciding'
    this.#handlers.onSetup(received.setup)
  }

  #onEnd(): void {
    this.#hasEnded = true
    if (this.#consumer !== undefined) this.#consumer.onEnd?.()
    // A client that ends before it has said what it wants never will.
    else if (this.#state === 'reading') this.#channel.close()
  }

  #onClose(error: Error | undefined): void {
    this.#closed = { error }
    if (this.#state === 'reading' || this.#state === 'deciding') {
      this.#state = 'refused'
      this.#held.clear()
      this.#handlers.onGone()
    }
    this.#consumer?.onClose?.(error)
  }
}
