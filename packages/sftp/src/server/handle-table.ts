/** Open files and listings of one channel, under names nobody can guess. */

import { asBuffer } from '@ssh/wire'
import { SftpError } from '../errors.js'

/** Bytes of a handle; the protocol allows up to 256. */
const handleLength = 16

/** What a handle stands for. Requests on it are answered one after another, in order of arrival. */
export class OpenHandle<T> {
  readonly value: T
  #tail: Promise<unknown> = Promise.resolve()
  #running = 0

  constructor(value: T) {
    this.value = value
  }

  /** Settles when what was asked of it so far is done, and never rejects; undefined when nothing is under way. */
  get idle(): Promise<unknown> | undefined {
    return this.#running === 0 ? undefined : this.#tail
  }

  /** Runs `task` when everything asked before it is done. */
  run<R>(task: () => R | PromiseLike<R>): Promise<R> {
    const result = this.#tail.then(task)
    const done = (): void => void this.#running--
    this.#running++
    this.#tail = result.then(done, done)
    return result
  }
}

/** Runs `task` when everything asked before of both is done. They must be two. */
export async function runOnBoth<T, R>(first: OpenHandle<T>, second: OpenHandle<T>, task: () => Promise<R>): Promise<R> {
  let release: () => void = () => {}
  const isDone = new Promise<void>((resolve) => {
    release = resolve
  })
  // Both places are taken at once: two tasks on the same two can never wait for each other.
  const turns = [first, second].map(
    (handle) =>
      new Promise<void>((resolve) => {
        void handle.run(() => {
          resolve()
          return isDone
        })
      }),
  )
  try {
    await Promise.all(turns)
    return await task()
  } finally {
    release()
  }
}

export class HandleTable<T> {
  readonly #limit: number
  /** By name, as latin1 text; undefined while the file is being opened. */
  readonly #handles = new Map<string, OpenHandle<T> | undefined>()
  /** What is being opened; never rejects. */
  readonly #opening = new Set<Promise<unknown>>()
  #isClosed = false

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Nothing is being opened any more, and what came too late has been let go. Never rejects. */
  async settled(): Promise<void> {
    await Promise.all(this.#opening)
  }

  /**
   * Takes a place, opens, and names what was opened. What comes too late, after the table was closed, is let go again.
   * @throws SftpError `EMFILE` when every place is taken, before anything is opened
   */
  add(open: () => T | PromiseLike<T>, letGo: (value: T) => unknown): Promise<Uint8Array> {
    const added = this.#add(open, letGo)
    const forget = (): void => void this.#opening.delete(noted)
    const noted: Promise<void> = added.then(forget, forget)
    this.#opening.add(noted)
    return added
  }

  async #add(open: () => T | PromiseLike<T>, letGo: (value: T) => unknown): Promise<Uint8Array> {
    if (this.#handles.size >= this.#limit) throw new SftpError('EMFILE', `More than ${this.#limit} open handles`)
    const bytes = crypto.getRandomValues(new Uint8Array(handleLength))
    const name = nameOf(bytes)
    this.#handles.set(name, undefined)
    try {
      const value = await open()
      if (this.#isClosed) {
        await letGo(value)
        throw new SftpError('ERR_SFTP_CLOSED', 'The channel closed while a file was being opened')
      }
      this.#handles.set(name, new OpenHandle(value))
      return bytes
    } catch (error) {
      this.#handles.delete(name)
      throw error
    }
  }

  /** @throws SftpError `EBADF` for a handle that is not open */
  get(bytes: Uint8Array): OpenHandle<T> {
    const handle = bytes.length === handleLength ? this.#handles.get(nameOf(bytes)) : undefined
    if (handle === undefined) throw new SftpError('EBADF', 'No such handle is open')
    return handle
  }

  /** What is open. */
  *open(): Generator<OpenHandle<T>> {
    for (const handle of this.#handles.values()) if (handle !== undefined) yield handle
  }

  /** Takes a handle out: requests that come later do not find it. */
  take(bytes: Uint8Array): OpenHandle<T> {
    const handle = this.get(bytes)
    this.#handles.delete(nameOf(bytes))
    return handle
  }

  /** Takes all out, for good. */
  takeAll(): OpenHandle<T>[] {
    this.#isClosed = true
    const handles = [...this.#handles.values()].filter((handle) => handle !== undefined)
    this.#handles.clear()
    return handles
  }
}

function nameOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1')
}
