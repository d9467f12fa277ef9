/** Options of a connection pool: strict schemas, checked at the edge. Types are inferred from them. */

import { abortSignal, clientOptionsSchema, duration, parseOptions } from '@ssh/conn'
import { z } from 'zod'
import { type ClientOptions, sessionDefaultsSchema } from '../client/client-options.js'

/** Options of the connections of a pool: all of `connect` but a stream and a signal, which serve one only. */
export type PooledClientOptions = Omit<ClientOptions, 'sock' | 'signal'>

export const poolOptionsSchema = z.strictObject({
  /** Options of every connection, as of `connect`; those of a call go before these. */
  connect: z
    .custom<PooledClientOptions>((value) => typeof value === 'object' && value !== null, {
      message: 'expected options of connect',
    })
    .optional(),
  /** Connections to one destination. Default 10. */
  maxConnectionsPerHost: z.int().min(1).optional(),
  /** Connections of the whole pool. Default 100. */
  maxConnections: z.int().min(1).optional(),
  /** Sessions on one connection. Default: what the server allows, which its refusals tell. */
  maxSessionsPerConnection: z.int().min(1).optional(),
  /** How long a connection that nobody uses stays open. Default 60 s; 0 keeps it until the pool is closed. */
  idleTimeout: duration.optional(),
})

/** What `connect` of a pool takes beside options of connections. */
export const leaseOptionsSchema = z.strictObject({
  /** Gives up waiting; concerns nobody else who waits for the same connection. */
  signal: abortSignal.optional(),
})

export const poolCloseOptionsSchema = z.strictObject({
  /** How long what is in use is given to end by itself; nothing is added meanwhile. Default 0. */
  drain: duration.optional(),
})

/** Options of {@link createPool}. */
export type PoolOptions = z.input<typeof poolOptionsSchema>
/** Options of `close` of a pool. */
export type PoolCloseOptions = z.input<typeof poolCloseOptionsSchema>

export const pooledClientOptionsSchema = clientOptionsSchema
  .omit({ sock: true, signal: true })
  .extend(sessionDefaultsSchema.shape)

/**
 * Checks options of connections before any is made.
 * @param what whose they are, for the error
 * @throws OptionsError
 */
export function checkPooledClientOptions(what: string, options: PooledClientOptions): void {
  parseOptions(what, pooledClientOptionsSchema, options)
}

/** The options with their defaults. */
export interface PoolLimits {
  readonly maxConnectionsPerHost: number
  readonly maxConnections: number
  readonly maxSessionsPerConnection: number
  readonly idleTimeoutMs: number
}

const minuteMs = 60_000

/** @param options checked */
export function poolLimits(options: z.output<typeof poolOptionsSchema>): PoolLimits {
  return {
    maxConnectionsPerHost: options.maxConnectionsPerHost ?? 10,
    maxConnections: options.maxConnections ?? 100,
    maxSessionsPerConnection: options.maxSessionsPerConnection ?? Number.POSITIVE_INFINITY,
    idleTimeoutMs: options.idleTimeout ?? minuteMs,
  }
}
