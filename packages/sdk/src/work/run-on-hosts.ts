/** One command on many hosts. */

import { type Destination, OptionsError } from '@ssh/conn'
import { AbortError, SshError } from '@ssh/wire'
import { run } from '../connect.js'
import type { OutputEncoding, OutputOf } from '../process/process-options.js'
import type { Command } from '../process/quote.js'
import type { CompletedProcess, Output } from '../process/result.js'
import { assertCommand } from '../process/run.js'
import { divideHostsOptions, type HostsOptions, type HostsProgress, type OneHostOptions } from './hosts-options.js'

/** What became of the command on one host: it ended, or there was an error. */
export type HostResult<O extends Output = string> = {
  readonly destination: Destination
  /** Place among the destinations. */
  readonly index: number
  /** From the beginning of the connection to the end, in milliseconds. */
  readonly durationMs: number
} & (
  | { readonly result: CompletedProcess<O>; readonly error?: undefined }
  | { readonly result?: undefined; readonly error: unknown }
)

/** Results in the order in which they come; as a promise, all of them in the order of the destinations. */
export interface HostRuns<O extends Output = string>
  extends AsyncIterable<HostResult<O>>,
    PromiseLike<HostResult<O>[]> {}

/**
 * Runs a command on many hosts, a few at once. Nothing begins before the results are asked for, by `for await` or
 * `await`, which can be done once.
 *
 * An error of one host is its result and concerns no other; a status that is not 0 is an error with `check`. Leaving the
 * loop early ends what is under way, and nothing is left open then. No more is begun than the loop has taken results of,
 * so that output does not pile up.
 *
 * With `stopOnError`, hosts that were under way when one failed get an AbortError with that failure as its cause, and
 * those that had not begun get no result.
 *
 * @param destinations as of `connect`; may come one after another
 * @param command as of `run`, or a function that makes it for each host
 * @param options those of `connect` and `run` for all hosts, and how to go about it
 * @throws OptionsError at once, also when `destinations` is one destination and no list
 * @throws AbortError from the loop, once all is ended, when `signal` fires
 * @example
 * for await (const { destination, result, error } of runOnHosts(hosts, 'uptime', { check: true })) {
 *   console.log(destination, result?.stdout ?? error)
 * }
 */
export function runOnHosts<E extends OutputEncoding | undefined = undefined>(
  destinations: Iterable<Destination> | AsyncIterable<Destination>,
  command: Command | ((destination: Destination, index: number) => Command),
  options: HostsOptions & { readonly encoding?: E } = {},
): HostRuns<OutputOf<E>> {
  const work = new HostsWork<OutputOf<E>>(destinations, command, options)
  let all: Promise<HostResult<OutputOf<E>>[]> | undefined
  return {
    [Symbol.asyncIterator]: () => work.results(),
    // biome-ignore lint/suspicious/noThenProperty: awaiting it for all results is what it is for
    then: (onFulfilled, onRejected) => {
      all ??= collect(work)
      return all.then(onFulfilled, onRejected)
    },
  }
}

async function collect<O extends Output>(work: HostsWork<O>): Promise<HostResult<O>[]> {
  const all: HostResult<O>[] = []
  for await (const result of work.results()) all.push(result)
  return all.sort((one, other) => one.index - other.index)
}

/** A host that is under way. */
interface Running {
  readonly controller: AbortController
  readonly done: Promise<void>
}

class HostsWork<O extends Output> {
  readonly #destinations: Iterable<Destination> | AsyncIterable<Destination>
  readonly #command: Command | ((destination: Destination, index: number) => Command)
  readonly #options: ReturnType<typeof divideHostsOptions>
  readonly #running = new Set<Running>()
  /** Results that nobody has taken. */
  readonly #ready: HostResult<O>[] = []
  readonly #total: number | undefined
  #hasBegun = false
  /** Destinations that have come. */
  #begun = 0
  #done = 0
  #failed = 0
  /** Nothing more begins. */
  #isStopped = false
  #wake: () => void = () => {}

  constructor(
    destinations: Iterable<Destination> | AsyncIterable<Destination>,
    command: Command | ((destination: Destination, index: number) => Command),
    options: HostsOptions,
  ) {
    if (!isList(destinations)) {
      throw new OptionsError(
        'runOnHosts takes a list of destinations, or what gives one after the other; for one host, [host]',
      )
    }
    this.#destinations = destinations
    this.#command = command
    this.#options = divideHostsOptions(options)
    if (typeof command !== 'function') assertCommand(command, this.#options.shared)
    this.#total = Array.isArray(destinations) ? destinations.length : undefined
  }

  /** @throws SshError `ERR_SSH_HOSTS_TAKEN` the second time: no command may run twice because somebody looks twice */
  results(): AsyncGenerator<HostResult<O>> {
    if (this.#hasBegun) {
      throw new SshError(
        'ERR_SSH_HOSTS_TAKEN',
        'The results of runOnHosts can be had once; call it again to run it again',
      )
    }
    this.#hasBegun = true
    return this.#work()
  }

  async *#work(): AsyncGenerator<HostResult<O>> {
    const { signal } = this.#options
    const onAbort = () => this.#end(signal?.reason)
    if (signal?.aborted) throw new AbortError(signal.reason)
    const source = new Upcoming(this.#destinations, () => this.#wake())
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#beginNext(source)
        const result = this.#ready.shift()
        if (result !== undefined) {
          this.#tell(result, result.error === undefined ? 'succeeded' : 'failed')
          yield result
        } else if (this.#running.size === 0 && (this.#isStopped || source.isOver)) {
          break
        } else {
          await woken
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#end(undefined)
      await Promise.all([...this.#running].map(({ done }) => done))
      source.close()
    }
    if (signal?.aborted) throw new AbortError(signal.reason)
  }

  /** Begins as many hosts as may run: those that do, and those whose results nobody has taken, are bounded together. */
  #beginNext(source: Upcoming<Destination>): void {
    const { concurrency = 16 } = this.#options.own
    while (!this.#isStopped && this.#running.size + this.#ready.length < concurrency) {
      const next = source.take()
      if (next === undefined) return
      this.#begin(next.value)
    }
  }

  #begin(destination: Destination): void {
    const index = this.#begun++
    const controller = new AbortController()
    const startedAt = performance.now()
    const settle = (outcome: { result: CompletedProcess<O> } | { error: unknown }) => {
      this.#running.delete(running)
      this.#done++
      if ('error' in outcome) this.#failed++
      const durationMs = performance.now() - startedAt
      this.#ready.push({ destination, index, durationMs, ...outcome })
      if ('error' in outcome && this.#options.own.stopOnError) this.#end(outcome.error)
      this.#wake()
    }
    const running: Running = {
      controller,
      done: this.#run(destination, index, controller.signal).then(
        (result) => settle({ result }),
        (error: unknown) => settle({ error }),
      ),
    }
    this.#running.add(running)
    this.#tell({ destination, index }, 'started')
  }

  async #run(destination: Destination, index: number, signal: AbortSignal): Promise<CompletedProcess<O>> {
    const { own, shared } = this.#options
    const { perHost, pool } = own
    const mine: OneHostOptions | undefined =
      typeof perHost === 'function' ? perHost(destination, index) : perHost?.get(destination)
    const command = typeof this.#command === 'function' ? this.#command(destination, index) : this.#command
    const options = { ...shared, ...mine, signal }
    const completed = pool === undefined ? run(destination, command, options) : pool.run(destination, command, options)
    // Which kind of output there is was said by the type of `encoding`.
    return (await completed) as CompletedProcess<O>
  }

  /** Begins nothing more, and ends what is under way. @param reason for the AbortErrors of those */
  #end(reason: unknown): void {
    this.#isStopped = true
    for (const { controller } of this.#running) controller.abort(reason)
    this.#wake()
  }

  #tell(
    { destination, index }: { readonly destination: Destination; readonly index: number },
    state: HostsProgress['state'],
  ) {
    const event = { destination, index, state, done: this.#done, failed: this.#failed, running: this.#running.size }
    this.#options.own.progress?.({ ...event, total: this.#total })
  }
}

/** Text can be iterated as well, letter by letter. */
function isList(value: unknown): boolean {
  return typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value)
}

/** What is yet to come of something that is iterated, asked for one at a time while other things go on. */
class Upcoming<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>
  readonly #onCome: () => void
  #isAsking = false
  #come: { readonly value: T } | undefined
  #failure: { readonly error: unknown } | undefined
  #isOver = false

  constructor(source: Iterable<T> | AsyncIterable<T>, onCome: () => void) {
    this.#iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    this.#onCome = onCome
  }

  /** Whether nothing more comes, and nobody has to be told why. */
  get isOver(): boolean {
    return this.#isOver && this.#failure === undefined
  }

  /** The next, if it has come; else it is asked for. @throws unknown what iterating threw */
  take(): { readonly value: T } | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    const come = this.#come
    this.#come = undefined
    if (come === undefined && !this.#isAsking && !this.#isOver) this.#ask()
    return come
  }

  /** Nothing more is wanted. A source that is slow to hear of it is not waited for. */
  close(): void {
    if (this.#isOver) return
    Promise.resolve(this.#iterator.return?.()).catch(() => {})
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    try {
      const next = await this.#iterator.next()
      if (next.done) this.#isOver = true
      else this.#come = { value: next.value }
    } catch (error) {
      this.#isOver = true
      this.#failure = { error }
    }
    this.#isAsking = false
    this.#onCome()
  }
}
