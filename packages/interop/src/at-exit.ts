/** Cleaning up when a run is cut short: what a test did not get to undo is undone as the process leaves. */

const pending = new Set<() => void>()
let isWatching = false

/** Calls `undo` at exit. @returns a function that forgets it, for when it has been undone in the ordinary way */
export function atExit(undo: () => void): () => void {
  if (!isWatching) {
    isWatching = true
    process.once('exit', () => {
      // The latest first: programs stop before their users and folders go.
      for (const one of [...pending].reverse()) one()
    })
    // Vitest handles these itself in its workers; a benchmark or a script is simply ended by them otherwise.
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  }
  pending.add(undo)
  return () => void pending.delete(undo)
}
