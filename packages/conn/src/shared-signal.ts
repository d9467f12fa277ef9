/** Signals that many wait for at once. */

import { EventEmitter } from 'node:events'

/**
 * Lets any number of requests wait for one signal, as an application wants that has one for all it does: above ten, Node
 * warns of a leak.
 */
export function shareable(signal: AbortSignal): AbortSignal {
  // Not every runtime has it.
  const { setMaxListeners } = EventEmitter as Partial<typeof EventEmitter>
  setMaxListeners?.(0, signal)
  return signal
}
