/** Watching an AbortSignal from many places with one listener, so that a signal shared by a thousand requests is fine. */

import { AbortError } from '@ssh/wire'

const watchers = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `callback` once when `signal` fires; the result stops watching. */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = watchers.get(signal)
  if (callbacks === undefined) {
    const fresh = new Set<() => void>()
    callbacks = fresh
    watchers.set(signal, fresh)
    signal.addEventListener('abort', () => fireAll(fresh), { once: true })
  }
  callbacks.add(callback)
  return () => callbacks.delete(callback)
}

/** @throws AbortError when `signal` has fired */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AbortError(signal.reason)
}

/** What `work` settles with, or an AbortError at once when `signal` fires; `work` is then left to end by itself. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) reject(new AbortError(signal.reason))
    const stopWatching = onAbort(signal, () => reject(new AbortError(signal.reason)))
    work.then(resolve, reject).finally(stopWatching)
  })
}

function fireAll(callbacks: Set<() => void>): void {
  for (const callback of [...callbacks]) callback()
  callbacks.clear()
}
