/** Finds what a test left open: sockets, servers, child processes, timers. */

import { beforeEach, expect } from 'vitest'

/** How long sockets may take to notice that both ends are closed: processor time, so longer where the machine is busy. */
const patienceMs = 3000

/** What is ours to close; what else is active belongs to the worker that runs the tests. */
const kinds = ['TCPSocketWrap', 'TCPServerWrap', 'TCPConnectWrap', 'PipeWrap', 'ProcessWrap', 'Timeout'] as const

/** Fails each test of the file that leaves more open than it found. Call it at the top of the file. */
export function expectNothingLeftOpen(): void {
  beforeEach(({ onTestFinished }) => {
    const before = countOpen()
    const isMore = () => kinds.some((kind) => (countOpen().get(kind) ?? 0) > (before.get(kind) ?? 0))
    // Given first, so it runs last: after what the test itself gave.
    onTestFinished(async () => {
      const start = process.cpuUsage()
      const spentMs = () => Object.values(process.cpuUsage(start)).reduce((sum, each) => sum + each, 0) / 1000
      while (isMore() && spentMs() < patienceMs) await new Promise((resolve) => setImmediate(resolve))
      if (isMore()) expect(countOpen(), 'left open').toEqual(before)
    })
  })
}

function countOpen(): ReadonlyMap<string, number> {
  const names = process.getActiveResourcesInfo()
  return new Map(kinds.map((kind) => [kind, names.filter((name) => name === kind).length]))
}
