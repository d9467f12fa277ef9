/** Programs of the system that tests need. */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Runs a program that must succeed. */
export async function mustRun(program: string, args: readonly string[]): Promise<void> {
  await run(program, args)
}
