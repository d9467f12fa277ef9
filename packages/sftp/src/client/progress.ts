/** How far a transfer is, told at a pace that costs nothing. */

import type { SftpProgress } from './options.js'

/** Between two events of a file that is not done. */
const pauseMs = 100

export class Progress {
  readonly #report: ((event: SftpProgress) => void) | undefined
  readonly #files = { done: 0, total: 0 }
  readonly #bytes = { done: 0, total: 0 }
  #lastEventAt = Number.NEGATIVE_INFINITY

  constructor(report: ((event: SftpProgress) => void) | undefined) {
    this.#report = report
  }

  /** A file was found; its size is what the listing says. */
  found(size: number): void {
    this.#files.total++
    this.#bytes.total += size
  }

  /** Follows one file. */
  file(src: string, dst: string, size: number): FileProgress {
    return new FileProgress(src, dst, size, (event, isLast) => this.#tell(event, isLast))
  }

  /** What was copied so far. */
  get copied(): { readonly files: number; readonly bytes: number } {
    return { files: this.#files.done, bytes: this.#bytes.done }
  }

  /** Follows a transfer of one file. */
  only(src: string, dst: string, size: number): FileProgress {
    this.found(size)
    return this.file(src, dst, size)
  }

  #tell(event: FileEvent, isLast: boolean): void {
    this.#bytes.done += event.added
    this.#bytes.total += event.grown
    if (isLast) this.#files.done++
    if (this.#report === undefined) return
    const now = performance.now()
    if (!isLast && now - this.#lastEventAt < pauseMs) return
    this.#lastEventAt = now
    const { src, dst, transferred, total } = event
    this.#report({ src, dst, transferred, total, files: { ...this.#files }, bytes: { ...this.#bytes } })
  }
}

interface FileEvent {
  readonly src: string
  readonly dst: string
  readonly transferred: number
  readonly total: number
  /** Bytes that have come since the last event. */
  readonly added: number
  /** How much larger the file is than was believed at the last event. */
  readonly grown: number
}

/** One file's part. */
export class FileProgress {
  readonly #src: string
  readonly #dst: string
  readonly #tell: (event: FileEvent, isLast: boolean) => void
  #transferred = 0
  #total: number

  constructor(src: string, dst: string, size: number, tell: (event: FileEvent, isLast: boolean) => void) {
    this.#src = src
    this.#dst = dst
    this.#total = size
    this.#tell = tell
  }

  /** So many more bytes have come. */
  add(byteCount: number): void {
    this.#event(byteCount, Math.max(this.#total, this.#transferred + byteCount), false)
  }

  /** The file is whole: its size is what came. */
  finish(): void {
    this.#event(0, this.#transferred, true)
  }

  #event(added: number, total: number, isLast: boolean): void {
    const grown = total - this.#total
    this.#transferred += added
    this.#total = total
    this.#tell(
      { src: this.#src, dst: this.#dst, transferred: this.#transferred, total: this.#total, added, grown },
      isLast,
    )
  }
}
