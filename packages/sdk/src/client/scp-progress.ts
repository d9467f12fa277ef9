/** How far `scp` is when it takes several programs, of which each counts for itself. */

import type { SftpProgress } from '@ssh/sftp'

const nothing = { files: { done: 0, total: 0 }, bytes: { done: 0, total: 0 } }

export class ProgressSum {
  /** What programs before this one have copied. */
  #before: Pick<SftpProgress, 'files' | 'bytes'> = nothing
  #last: Pick<SftpProgress, 'files' | 'bytes'> = nothing
  /** Takes the events of one program. */
  readonly report: (event: SftpProgress) => void

  constructor(report: (event: SftpProgress) => void) {
    this.report = (event) => {
      const sum = { files: add(this.#before.files, event.files), bytes: add(this.#before.bytes, event.bytes) }
      this.#last = sum
      report({ ...event, ...sum })
    }
  }

  /** Another program begins. */
  next(): void {
    this.#before = this.#last
  }
}

interface Count {
  readonly done: number
  readonly total: number
}

function add(one: Count, other: Count): Count {
  return { done: one.done + other.done, total: one.total + other.total }
}
