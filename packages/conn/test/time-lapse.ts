/** Time limits on real sockets, without waiting for them and without being late for them. */

import { performance } from 'node:perf_hooks'
import { onTestFinished, vi } from 'vitest'

/**
 * From here to the end of the test, timers ring only when it says that time has passed. So what must happen before a limit
 * happens before it, however slow the machine is.
 * @returns lets so many milliseconds pass at once
 */
export function timeLapse(): (milliseconds: number) => void {
  const now = performance.now.bind(performance)
  let passed = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + passed)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
    clock.mockRestore()
  })
  return (milliseconds) => {
    passed += milliseconds
    vi.advanceTimersByTime(milliseconds)
  }
}

/** The event loop turns until something is so. Unlike `vi.waitFor` it lets no time pass. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}
