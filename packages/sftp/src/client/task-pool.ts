/** Runs tasks side by side, a fixed number at a time. For one caller that adds them one after another. */

export class TaskPool {
  readonly #limit: number
  readonly #running = new Set<Promise<void>>()
  #wake: (() => void) | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Starts `task` when a place is free, and resolves then, not when it is done. What it rejects with is ignored. */
  async add(task: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const running: Promise<void> = task()
      .catch(() => {})
      .then(() => {
        this.#running.delete(running)
        this.#wake?.()
      })
    this.#running.add(running)
  }

  /** Waits until nothing runs. */
  async drain(): Promise<void> {
    await Promise.all(this.#running)
  }
}
