/** Whether a program that was started has its pipes. */

import type { ChildProcess, ChildProcessWithoutNullStreams } from 'node:child_process'

/**
 * Out of descriptors there are none, whatever the types say, and the error is about to come: whoever does not listen for
 * it by then loses the process.
 */
export function hasPipes(child: ChildProcess): child is ChildProcessWithoutNullStreams {
  return Boolean(child.stdin && child.stdout && child.stderr)
}
