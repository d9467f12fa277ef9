/**
 * Tracing channels (`node:diagnostics_channel`): what tools subscribe to that want to know how long what took.
 *
 * Each is told in Node's order: `start` and `end` when something begins, `asyncStart` and `asyncEnd` when it is over,
 * and `error` before those two when it failed. One object goes through all of them; what is known only at the end is
 * added to it. None ever holds a password, a key, an answer to a prompt, or what a program wrote or read.
 *
 * Nothing is made or measured for a channel that nobody subscribed to.
 */

import diagnostics, { type TracingChannel } from 'node:diagnostics_channel'
import type { NegotiatedAlgorithms } from './transport/negotiate.js'
import type { Role } from './transport/role.js'
import type { AuthAttempt } from './userauth/auth-report.js'

/** What every context gets. */
export interface TraceOutcome {
  /** From `start` on, in milliseconds; set once it is over. */
  durationMs?: number
  /** What it failed with. */
  error?: unknown
}

/** One end of a connection. */
export interface TracedConnection {
  readonly role: Role
  /** Client: name or address of the server. Server: address of the client. */
  readonly host: string
  readonly port: number
  /** Empty on a server, as long as nobody has said who it is. */
  readonly username: string
}

/** `ssh:connect`: from dialling to the login, of a client. */
export interface ConnectTrace extends TraceOutcome {
  /** As the caller wrote it, until ssh_config has been asked. */
  host: string
  port: number | undefined
  username: string | undefined
  clientVersion?: string
  serverVersion?: string
  algorithms?: NegotiatedAlgorithms
}

/** `ssh:kex`: one key exchange. */
export interface KexTrace extends TraceOutcome, TracedConnection {
  /** Whether the connection had no keys before. */
  readonly isFirst: boolean
  algorithms?: NegotiatedAlgorithms
}

/** `ssh:auth`: one credential, from the request to the answer. That it was refused is a result and no error. */
export interface AuthTrace extends TraceOutcome, TracedConnection {
  readonly method: string
  result?: AuthAttempt['result']
  /** Of the key, for `publickey`. */
  keyFingerprint?: string
  /** Signature algorithm, for `publickey`. */
  algorithm?: string
}

/** `ssh:channel-open`: a channel that this side asks for. */
export interface ChannelOpenTrace extends TraceOutcome, TracedConnection {
  readonly channelType: string
}

/** `ssh:exec`: a command, shell or subsystem, from the request to its end. A status that is not 0 is no error. */
export interface ExecTrace extends TraceOutcome, TracedConnection {
  /** First word of the command; never the rest, where people put passwords. Undefined for a shell. */
  readonly program: string | undefined
  readonly subsystem: string | undefined
  readonly hasPty: boolean
  exitStatus?: number | null
  /** Name without `SIG`. */
  exitSignal?: string | null
}

/** A channel of this SDK; undefined where the runtime has none. */
export type TraceChannel<C extends object> = TracingChannel<unknown, C> | undefined

export const connectChannel = traceChannel<ConnectTrace>('ssh:connect')
export const kexChannel = traceChannel<KexTrace>('ssh:kex')
export const authChannel = traceChannel<AuthTrace>('ssh:auth')
export const channelOpenChannel = traceChannel<ChannelOpenTrace>('ssh:channel-open')
export const execChannel = traceChannel<ExecTrace>('ssh:exec')

/** Something that has begun, and that somebody watches. */
export interface Trace<C extends object> {
  /** It is over. @param facts what is known now */
  succeed(facts?: Partial<C>): void
  /** It failed. */
  fail(error: unknown, facts?: Partial<C>): void
}

/**
 * Tells that something begins.
 * @param describe called only if somebody watches
 * @returns undefined when nobody does
 */
export function beginTrace<C extends TraceOutcome>(
  channel: TraceChannel<C>,
  describe: () => NoInfer<C>,
): Trace<C> | undefined {
  if (channel === undefined || !isWatched(channel)) return undefined
  const context = describe()
  const startedAt = performance.now()
  channel.start.publish(context)
  channel.end.publish(context)
  return makeTrace(channel, context, startedAt)
}

/**
 * Does something that may be watched. What it starts runs within the stores that are bound to `start`.
 * @param work gets what to add facts to; undefined when nobody watches
 */
export function traced<C extends TraceOutcome, T>(
  channel: TraceChannel<C>,
  describe: () => NoInfer<C>,
  work: (context: C | undefined) => Promise<T>,
): Promise<T> {
  if (channel === undefined || !isWatched(channel)) return work(undefined)
  const context = describe()
  const startedAt = performance.now()
  const trace = makeTrace(channel, context, startedAt)
  return channel.start.runStores(context, async () => {
    const begun = work(context)
    channel.end.publish(context)
    try {
      const value = await begun
      trace.succeed()
      return value
    } catch (error) {
      trace.fail(error)
      throw error
    }
  })
}

function makeTrace<C extends TraceOutcome>(
  channel: TracingChannel<unknown, C>,
  context: C,
  startedAt: number,
): Trace<C> {
  const finish = (facts: Partial<C> | undefined) => {
    Object.assign(context, facts, { durationMs: performance.now() - startedAt })
  }
  return {
    succeed: (facts) => {
      finish(facts)
      channel.asyncStart.publish(context)
      channel.asyncEnd.publish(context)
    },
    fail: (error, facts) => {
      finish(facts)
      context.error = error
      channel.error.publish(context)
      channel.asyncStart.publish(context)
      channel.asyncEnd.publish(context)
    },
  }
}

function traceChannel<C extends object>(name: string): TraceChannel<C> {
  // Some runtimes have the module, but not this part of it.
  const { tracingChannel } = diagnostics as Partial<typeof diagnostics>
  return tracingChannel?.<unknown, C>(name)
}

/** Whether anybody watches. */
export function isTraced<C extends object>(channel: TraceChannel<C>): boolean {
  return channel !== undefined && isWatched(channel)
}

function isWatched<C extends object>(channel: TracingChannel<unknown, C>): boolean {
  const { start, end, asyncStart, asyncEnd, error } = channel
  return (
    start.hasSubscribers ||
    asyncEnd.hasSubscribers ||
    error.hasSubscribers ||
    end.hasSubscribers ||
    asyncStart.hasSubscribers
  )
}
