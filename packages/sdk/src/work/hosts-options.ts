/** Options of `runOnHosts`: a strict schema, checked at the edge. Types are inferred from it. */

import {
  assertKnownOptions,
  assertOptions,
  callback,
  type Destination,
  OptionsError,
  objectWith,
  parseOptions,
} from '@ssh/conn'
import { z } from 'zod'
import type { ClientOptions } from '../client/client-options.js'
import { divideOptions } from '../client/divide-options.js'
import { type RunOptions, runOptionsSchema } from '../process/process-options.js'
import type { ConnectionPool } from './connection-pool.js'
import { checkPooledClientOptions, pooledClientOptionsSchema } from './pool-options.js'

/** How far the work on all hosts is. */
export interface HostsProgress {
  /** The host that this is about. */
  readonly destination: Destination
  readonly index: number
  readonly state: 'started' | 'succeeded' | 'failed'
  /** Hosts that are through, however that went. */
  readonly done: number
  readonly failed: number
  readonly running: number
  /** All hosts; undefined where they are not known before they come. */
  readonly total: number | undefined
}

/** Options of one host, which go before those of all. */
export type OneHostOptions = ClientOptions & Omit<RunOptions, 'signal'>

/** Options by host: a function, or a map from destinations as they are given. */
export type PerHostOptions =
  | ((destination: Destination, index: number) => OneHostOptions | undefined)
  | ReadonlyMap<Destination, OneHostOptions>

export const hostsOptionsSchema = z.strictObject({
  /** Hosts that are worked on at once. Default 16. */
  concurrency: z.int().min(1).optional(),
  /** Begins no host any more after one has failed, and ends those that are under way. Default false. */
  stopOnError: z.boolean().optional(),
  /** Options by host, which go before those of all: a function, or a map from destinations as they are given. */
  perHost: z
    .union([
      callback<Extract<PerHostOptions, (...args: never) => unknown>>(),
      objectWith<Exclude<PerHostOptions, (...args: never) => unknown>>('a Map', 'get', 'has'),
    ])
    .optional(),
  /** Told of each host that begins and ends. What it throws ends the work. */
  progress: callback<(event: HostsProgress) => void>().optional(),
  /** Connections to use, and to leave open. Default: one for each host, closed afterwards. */
  pool: objectWith<ConnectionPool>('a connection pool', 'run', 'stats').optional(),
})

/** Options of {@link runOnHosts}: these, and those of `connect` and `run` for all hosts. */
export type HostsOptions = Omit<ClientOptions, 'sock'> & RunOptions & z.input<typeof hostsOptionsSchema>

/** Options of all hosts, taken apart. */
export interface DividedHostsOptions {
  readonly own: z.output<typeof hostsOptionsSchema>
  /** Of connections and of commands. */
  readonly shared: OneHostOptions
  readonly signal: AbortSignal | undefined
}

/** @throws OptionsError */
export function divideHostsOptions(options: HostsOptions): DividedHostsOptions {
  assertOptions('runOnHosts', options)
  assertKnownOptions('runOnHosts', options, hostsOptionsSchema, pooledClientOptionsSchema, runOptionsSchema)
  const { signal, ...rest } = options
  const isOwn = (name: string) => name in hostsOptionsSchema.shape
  const pick = (wanted: (name: string) => boolean) =>
    Object.fromEntries(Object.entries(rest).filter(([name]) => wanted(name)))
  const own = parseOptions('runOnHosts', hostsOptionsSchema, pick(isOwn))
  const shared: OneHostOptions = pick((name) => !isOwn(name))
  const { forConnection, forProcess } = divideOptions<RunOptions>('runOnHosts', shared, runOptionsSchema)
  checkPooledClientOptions('runOnHosts', forConnection)
  parseOptions('runOnHosts', runOptionsSchema, { ...forProcess, signal })
  for (const name of ['input', 'stdin', 'stdout', 'stderr'] as const) {
    if (!isShareable(shared[name])) {
      throw new OptionsError(`${name} can be used up by one host only; give each host its own by perHost`)
    }
  }
  return { own, shared, signal }
}

/** Text, bytes and plain words can be had by many; a stream or a file cannot. */
function isShareable(value: unknown): boolean {
  return value === undefined || typeof value === 'string' || value instanceof Uint8Array
}
