/** The root of a jail, open between calls: opened when it is first needed, closed when nobody uses it any more. */

import { closePlace, openDirectoryAt } from './descriptors.js'
import type { LocalPath } from './local-tree.js'

/** Closes what was forgotten: a server that lives without anyone saying that it ended. */
const forgotten = new FinalizationRegistry<number>(closePlace)

export class RootDescriptor {
  readonly #path: LocalPath
  #opening: Promise<number> | undefined
  #users = 0
  #isWanted = true

  constructor(path: LocalPath) {
    this.#path = path
  }

  /** Runs `task` with the open root, which stays open for as long. @throws Error of `fs` when it is not there */
  async use<R>(task: (fd: number) => Promise<R>): Promise<R> {
    this.#users++
    try {
      this.#opening ??= this.#open()
      return await task(await this.#opening)
    } finally {
      this.#users--
      this.#closeWhenIdle()
    }
  }

  /** Closes it after what is using it; a later use opens it again. */
  end(): void {
    this.#isWanted = false
    this.#closeWhenIdle()
  }

  async #open(): Promise<number> {
    this.#isWanted = true
    try {
      const fd = await openDirectoryAt(this.#path)
      forgotten.register(this, fd, this)
      return fd
    } catch (error) {
      this.#opening = undefined
      throw error
    }
  }

  #closeWhenIdle(): void {
    const opening = this.#opening
    if (this.#isWanted || this.#users > 0 || opening === undefined) return
    this.#opening = undefined
    forgotten.unregister(this)
    // Nobody uses it, so it has been opened: the first user waited for that.
    void opening.then(closePlace)
  }
}
