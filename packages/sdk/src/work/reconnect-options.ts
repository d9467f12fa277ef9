/** Options of a connection that comes back: a strict schema, checked at the edge. Types are inferred from it. */

import {
  abortSignal,
  ConfigParseError,
  callback,
  duration,
  HostKeyNotVerifiable,
  OptionsError,
  objectWith,
  PermissionDenied,
} from '@ssh/conn'
import { KeyEncryptionError, KeyImportError, randomFraction } from '@ssh/crypto'
import { SshError } from '@ssh/wire'
import { z } from 'zod'
import { longestTimerMs } from '../longest-timer.js'
import type { PooledClientOptions } from './pool-options.js'

/** Time, for tests. */
export interface ReconnectClock {
  /** Milliseconds that only grow. */
  now(): number
  /** Calls once, so many milliseconds from now. @returns cancels */
  schedule(callback: () => void, delayMs: number): () => void
}

export const reconnectOptionsSchema = z.strictObject({
  /** Pause before the first new attempt. Default 1 s; 0 is none, and 0.2 s before the second. */
  minDelay: duration.optional(),
  /** Longest pause between two attempts. Default 60 s. */
  maxDelay: duration.optional(),
  /** By how much each pause is longer than the one before. Default 2. */
  factor: z.number().min(1).optional(),
  /** Part of each pause that is left to chance, so that many clients do not come back together. 0 to 1, default 0.5. */
  jitter: z.number().min(0).max(1).optional(),
  /** Attempts that may fail one after another; then it gives up. Default: it never does. */
  maxAttempts: z.int().min(1).optional(),
  /**
   * Whether it is worth trying again after an error. Default: yes, unless the login or the host key was refused, the
   * options or files are wrong, a key cannot be used, or there is no common algorithm.
   */
  retryable: callback<(error: unknown) => boolean>().optional(),
  /** How long calls, and connections to forwarded ports, wait for the link. Default 30 s; 0: as long as it takes. */
  waitTimeout: duration.optional(),
  /** Gives up for good, as `close`. */
  signal: abortSignal.optional(),
  /** Numbers from 0 to 1. Default: the system's randomness. */
  random: callback<() => number>().optional(),
  /** Default: the system's time. */
  clock: objectWith<ReconnectClock>('a clock', 'now', 'schedule').optional(),
})

/** Options of {@link createReconnecting}: these, and those of `connect`. */
export type ReconnectOptions = PooledClientOptions & z.input<typeof reconnectOptionsSchema>

/** The options with their defaults. */
export interface ReconnectPolicy {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly factor: number
  readonly jitter: number
  readonly maxAttempts: number
  /** 0: no limit. */
  readonly waitTimeoutMs: number
  readonly retryable: (error: unknown) => boolean
  readonly random: () => number
  readonly clock: ReconnectClock
}

/** @param options checked */
export function reconnectPolicy(options: z.output<typeof reconnectOptionsSchema>): ReconnectPolicy {
  const minDelayMs = options.minDelay ?? 1000
  return {
    minDelayMs,
    maxDelayMs: Math.max(minDelayMs, options.maxDelay ?? 60_000),
    factor: options.factor ?? 2,
    jitter: options.jitter ?? 0.5,
    maxAttempts: options.maxAttempts ?? Number.POSITIVE_INFINITY,
    waitTimeoutMs: options.waitTimeout ?? 30_000,
    retryable: options.retryable ?? isWorthRetrying,
    random: options.random ?? randomFraction,
    clock: options.clock ?? systemClock,
  }
}

const systemClock: ReconnectClock = {
  now: () => performance.now(),
  schedule: (callback, delayMs) => {
    const timer = setTimeout(callback, Math.min(delayMs, longestTimerMs))
    return () => clearTimeout(timer)
  },
}

/** What will not be different next time. */
const final = [
  PermissionDenied,
  HostKeyNotVerifiable,
  OptionsError,
  ConfigParseError,
  KeyImportError,
  KeyEncryptionError,
] as const

function isWorthRetrying(error: unknown): boolean {
  if (final.some((kind) => error instanceof kind)) return false
  return !(SshError.isSshError(error) && error.code === 'ERR_SSH_KEX_NO_COMMON_ALGORITHM')
}

/** What pauses grow from when the first is none. */
const leastBaseMs = 100

/** The pause before the attempt of this number; the first is 1. */
export function pauseBefore(attempt: number, policy: ReconnectPolicy): number {
  const { minDelayMs, maxDelayMs, factor, jitter, random } = policy
  // What begins with nothing would never grow.
  const base = attempt > 1 && minDelayMs === 0 ? leastBaseMs : minDelayMs
  const longest = attempt > 1 ? Math.min(maxDelayMs, base * factor ** (attempt - 1)) : minDelayMs
  return longest * (1 - jitter * random())
}
