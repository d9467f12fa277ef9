/** Tells what runs away from what is slow because the machine is busy: a clock cannot. */

/**
 * Milliseconds of processor time, of all threads of this process, until `work` is done. What other processes take, and the
 * time this one waits for its turn, do not count.
 */
export async function processorTimeMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
