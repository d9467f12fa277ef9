/** Waiting for work that cannot be stopped no longer than somebody is interested in it. */

import { AbortError } from '@ssh/wire'

/**
 * The outcome of `work`, unless one of the signals aborts first. What comes of the work then goes nowhere.
 * @throws AbortError with the reason of that signal
 */
export function unlessAborted<T>(work: Promise<T>, ...signals: readonly (AbortSignal | undefined)[]): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const release = () => {
      for (const signal of signals) signal?.removeEventListener('abort', onAbort)
    }
    const onAbort = () => {
      release()
      reject(new AbortError(signals.find((signal) => signal?.aborted)?.reason))
    }
    work.finally(release).then(resolve, reject)
    for (const signal of signals) signal?.addEventListener('abort', onAbort, { once: true })
    if (signals.some((signal) => signal?.aborted)) onAbort()
  })
}
