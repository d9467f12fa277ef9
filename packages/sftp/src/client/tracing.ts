/**
 * Tracing channels of SFTP (`node:diagnostics_channel`), told in Node's order: `start` and `end`, later `asyncStart` and
 * `asyncEnd`, and `error` before those when it failed. They tell sizes and paths, and never what is in a file.
 */

import diagnostics, { type TracingChannel } from 'node:diagnostics_channel'

/** What every context gets. */
interface TraceOutcome {
  /** From `start` on, in milliseconds; set once it is over. */
  durationMs?: number
  /** What it failed with. */
  error?: unknown
}

/** `ssh:sftp-request`: one request, from the moment it is sent to its reply. */
export interface SftpRequestTrace extends TraceOutcome {
  /** For instance `open`, `read`, `rename`. */
  readonly operation: string
  readonly path: string | undefined
  /** Position in the file, of reads and writes. */
  readonly offset: number | undefined
  /** Bytes of the request; set once it is sent. */
  requestLength?: number
  /** Bytes of the reply. */
  replyLength?: number
}

/** `ssh:sftp-transfer`: a `get`, `put`, `copy` or one of their kind, with all its files. */
export interface SftpTransferTrace extends TraceOutcome {
  readonly operation: 'get' | 'put' | 'copy' | 'scp'
  /** Paths that were named. */
  readonly sources: number
  /** Files that were copied. */
  files?: number
  /** Bytes that were copied. */
  bytes?: number
}

type TraceChannel<C extends object> = TracingChannel<unknown, C> | undefined

export const requestChannel = traceChannel<SftpRequestTrace>('ssh:sftp-request')
export const transferChannel = traceChannel<SftpTransferTrace>('ssh:sftp-transfer')

/**
 * Does something that may be watched. What it starts runs within the stores that are bound to `start`.
 * @param describe called only if somebody watches
 * @param work gets what to add facts to; undefined when nobody watches
 */
export function traced<C extends TraceOutcome, T>(
  channel: TraceChannel<C>,
  describe: () => NoInfer<C>,
  work: (context: C | undefined) => Promise<T>,
): Promise<T> {
  if (!isTraced(channel)) return work(undefined)
  const { start, end, error: failed, asyncStart, asyncEnd } = channel
  const context = describe()
  const startedAt = performance.now()
  return start.runStores(context, async () => {
    const begun = work(context)
    end.publish(context)
    try {
      return await begun
    } catch (error) {
      context.error = error
      failed.publish(context)
      throw error
    } finally {
      context.durationMs = performance.now() - startedAt
      asyncStart.publish(context)
      asyncEnd.publish(context)
    }
  })
}

/** Whether anybody watches. */
export function isTraced<C extends object>(channel: TraceChannel<C>): channel is TracingChannel<unknown, C> {
  if (channel === undefined) return false
  const { start, end, asyncStart, asyncEnd, error } = channel
  return (
    start.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers
  )
}

function traceChannel<C extends object>(name: string): TraceChannel<C> {
  // Some runtimes have the module, but not this part of it.
  const { tracingChannel } = diagnostics as Partial<typeof diagnostics>
  return tracingChannel?.<unknown, C>(name)
}
