/** A vitest reporter whose one line is the very last of a run: `12 passed, 0 failed`, and `, 3 skipped` if any. */

import type { Reporter, TestModule } from 'vitest/node'

/** What a run came to. */
export interface Totals {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** The line that is printed. */
export function summaryLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/**
 * Counts tests. What fails outside a test (a file that does not load, a hook, an unhandled rejection) counts as one
 * failure, so a run that vitest calls failed never reads as `0 failed`.
 */
export function totalsOf(modules: readonly TestModule[], unhandledErrorCount: number, runFailed: boolean): Totals {
  let passed = 0
  let failed = unhandledErrorCount
  let skipped = 0
  for (const module of modules) {
    let failedInside = 0
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') passed++
      else if (state === 'failed') failedInside++
      else skipped++
    }
    failed += failedInside === 0 && module.state() === 'failed' ? 1 : failedInside
  }
  return { passed, failed: failed === 0 && runFailed ? 1 : failed, skipped }
}

let atExit: string | undefined

/** Put it last in `test.reporters`. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    unhandledErrors: readonly unknown[],
    reason: 'passed' | 'interrupted' | 'failed',
  ): void {
    // Printed at exit, after whatever vitest and its other reporters still have to say.
    if (atExit === undefined) process.once('exit', () => process.stdout.write(`${atExit}\n`))
    atExit = summaryLine(totalsOf(modules, unhandledErrors.length, reason === 'failed'))
  }
}
