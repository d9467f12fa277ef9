/**
 * Set-up of every test file: `vi.waitFor` and `vi.waitUntil` wait as long as the test may take, less a quarter to say what
 * they saw last. Vitest's own second is a limit of time that a busy machine exceeds now and then.
 */

import { TestRunner, vi } from 'vitest'

const { waitFor, waitUntil } = vi

type Options = Exclude<Parameters<typeof waitFor>[1], number>

const patient = (options: Options | number = {}): Options => {
  const timeout = ((TestRunner.getCurrentTest()?.timeout ?? 20_000) * 3) / 4
  return { timeout, interval: 10, ...(typeof options === 'number' ? { timeout: options } : options) }
}

vi.waitFor = (callback, options) => waitFor(callback, patient(options))
vi.waitUntil = (callback, options) => waitUntil(callback, patient(options))
