/** The frame of a worker process: takes its job from the command line, measures, prints the measurement. */

import type { Job, Measurement } from './job.js'

/** Runs `work` and measures it alone: not the start of Node, nor what `work` does before it calls `start`. */
export async function measure(work: (job: Job, start: () => void) => Promise<number>): Promise<void> {
  const job: Job = JSON.parse(process.argv[2] ?? '{}')
  let startedAt = performance.now()
  let cpu = process.cpuUsage()
  const amount = await work(job, () => {
    startedAt = performance.now()
    cpu = process.cpuUsage()
  })
  const stoppedAt = performance.now()
  const { user, system } = process.cpuUsage(cpu)
  const measurement: Measurement = {
    amount,
    seconds: (stoppedAt - startedAt) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakMemory: process.resourceUsage().maxRSS * 1024,
  }
  process.stdout.write(`${JSON.stringify(measurement)}\n`)
  // Closing is not measured, and a peer that holds the process open must not hold up the benchmark.
  process.exit(0)
}

/** Runs `task` for 0 to `count`-1, `concurrency` at a time. */
export async function inParallel(
  count: number,
  concurrency: number,
  task: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) await task(next++)
  }
  await Promise.all(Array.from({ length: concurrency }, lane))
}

/** @throws Error unless exactly that many bytes arrived */
export function mustBe(found: number, expected: number): number {
  if (found !== expected) throw new Error(`Expected ${expected}, found ${found}`)
  return found
}
