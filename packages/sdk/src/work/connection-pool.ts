/** Connections that many share: one for each destination, and more where the server allows few sessions on one. */

import { assertOptions, type Destination, parseDestination, parseOptions } from '@ssh/conn'
import type { SftpClient } from '@ssh/sftp'
import {
  type ClientOptions,
  divideClientOptions,
  type SftpClientOptions,
  sftpClientOptionsSchema,
} from '../client/client-options.js'
import { divideOptions, portHint } from '../client/divide-options.js'
import { longestTimerMs } from '../longest-timer.js'
import type { SshClientProcess } from '../process/client-process.js'
import { createProcess } from '../process/create-process.js'
import {
  type OutputEncoding,
  type OutputOf,
  type ProcessOptions,
  processOptionsSchema,
  type RunOptions,
  runOptionsSchema,
} from '../process/process-options.js'
import type { Command } from '../process/quote.js'
import type { CompletedProcess } from '../process/result.js'
import { runProcess } from '../process/run.js'
import { ConnectionLease } from './connection-lease.js'
import { HostPool, type HostPoolCounts, type PoolLedger } from './host-pool.js'
import { type LateSessions, lateSessions } from './late-sessions.js'
import { poolClosed } from './pool-errors.js'
import {
  checkPooledClientOptions,
  leaseOptionsSchema,
  type PoolCloseOptions,
  type PooledClientOptions,
  type PoolLimits,
  type PoolOptions,
  poolCloseOptionsSchema,
  poolLimits,
  poolOptionsSchema,
} from './pool-options.js'
import { sameOptions } from './same-options.js'

/** What a pool holds for one destination. Options are not told: they may be secret. */
export interface PoolHostStats extends HostPoolCounts {
  readonly host: string
  /** As it was given; undefined leaves it to the defaults. */
  readonly port: number | undefined
  readonly username: string | undefined
}

/** What a pool holds, over all destinations. */
export interface PoolStats extends HostPoolCounts {
  /** Connections that were made so far. */
  readonly connected: number
  readonly hosts: readonly PoolHostStats[]
}

/** Makes a pool of connections. It opens none before one is needed. @throws OptionsError */
export function createPool(options: PoolOptions = {}): ConnectionPool {
  return new ConnectionPool(options)
}

/** What connections are made for. */
interface Wanted {
  readonly destination: { readonly host: string; readonly port?: number; readonly username?: string }
  readonly options: PooledClientOptions
}

/** The connections to one destination with one set of options. */
interface PooledHost extends Wanted {
  readonly pool: HostPool
}

/**
 * Connections that many share. Made by {@link createPool}.
 *
 * Calls with the same destination and the same options use the same connection, as long as the server has room for
 * another session on it (MaxSessions in OpenSSH, 10 by default); then another one is opened, up to the limits, and
 * beyond them calls wait their turn. Options are the same when text, numbers, lists and plain objects are equal, and
 * keys, functions and streams the very same object.
 *
 * A connection that breaks fails what runs on it and nothing else: later calls get another one. No command is ever
 * started twice. A connection that cannot be made fails the calls that wait for it; the next call tries again.
 *
 * @example
 * await using pool = createPool({ idleTimeout: '30s' })
 * const results = await Promise.all(files.map((file) => pool.run('user@host', ['sha256sum', file])))
 */
export class ConnectionPool {
  readonly #limits: PoolLimits
  readonly #shared: PooledClientOptions
  readonly #hosts = new Set<PooledHost>()
  readonly #ledger: PoolLedger
  #connections = 0
  #connected = 0
  #tickets = 0
  #isTurnScheduled = false
  #isClosing = false
  /** Settles when every connection is closed; undefined while what is in use may still end by itself. */
  #ending: Promise<void> | undefined
  /** Called whenever something ends, while the pool waits for that. */
  readonly #onSettled = new Set<() => void>()
  readonly #closed: Promise<void>
  #resolveClosed: () => void = () => {}

  /** Made by {@link createPool}. */
  constructor(options: PoolOptions = {}) {
    assertOptions('createPool', options)
    this.#limits = poolLimits(parseOptions('createPool', poolOptionsSchema, options))
    this.#shared = options.connect ?? {}
    checkPooledClientOptions('createPool, connect', this.#shared)
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve
    })
    this.#ledger = {
      limits: this.#limits,
      admit: (host) => this.#admit(host),
      released: () => {
        this.#connections--
        this.#giveTurns()
      },
      settled: (host) => this.#settled(host),
      nextTicket: () => ++this.#tickets,
    }
  }

  /**
   * A connection for direct use, shared with others.
   *
   * @returns a lease that keeps it open until it is released
   * @throws as `connect`; PoolError `ERR_SSH_POOL_CLOSED`
   */
  async connect(destination: Destination, options: ClientOptions = {}): Promise<ConnectionLease> {
    assertOptions('connect', options, portHint)
    const { signal, ...rest } = options
    parseOptions('connect', leaseOptionsSchema, { signal })
    const { connection, release } = await this.#host(this.#wanted(destination, rest)).lease(signal)
    return new ConnectionLease(connection, release)
  }

  /**
   * Runs a command to its end on a connection that has room, which it waits for.
   *
   * @param options those of `connect` and of `run` together; `timeout` counts the wait as well
   * @throws as `connect` and `SshClientConnection.run`; PoolError `ERR_SSH_POOL_CLOSED`
   */
  async run<E extends OutputEncoding | undefined = undefined>(
    destination: Destination,
    command: Command,
    options: ClientOptions & RunOptions & { readonly encoding?: E } = {},
  ): Promise<CompletedProcess<OutputOf<E>>> {
    const { forConnection, forProcess } = divideOptions('run', options, runOptionsSchema)
    parseOptions('run', runOptionsSchema, forProcess)
    const { openSession, defaults } = this.#sessions(destination, forConnection)
    return runProcess<E>(openSession, command, forProcess, defaults)
  }

  /**
   * Starts a command, a login shell or a subsystem on a connection that has room, which it waits for.
   *
   * @param options those of `connect` and of `createProcess` together
   * @throws as `connect` and `SshClientConnection.createProcess`; PoolError `ERR_SSH_POOL_CLOSED`
   */
  async createProcess<E extends OutputEncoding | undefined = undefined>(
    destination: Destination,
    command?: Command,
    options: ClientOptions & ProcessOptions & { readonly encoding?: E } = {},
  ): Promise<SshClientProcess<OutputOf<E>>> {
    const { forConnection, forProcess } = divideOptions('createProcess', options, processOptionsSchema)
    parseOptions('createProcess', processOptionsSchema, forProcess)
    const { openSession, defaults } = this.#sessions(destination, forConnection)
    return createProcess<E>(openSession, command, forProcess, defaults)
  }

  /**
   * Starts an SFTP client on a connection that has room, which it waits for. Closing the client makes room for others.
   *
   * @param options those of `connect` and of `startSftpClient` together
   * @throws as `connect` and `SshClientConnection.startSftpClient`; PoolError `ERR_SSH_POOL_CLOSED`
   */
  async startSftpClient(
    destination: Destination,
    options: ClientOptions & SftpClientOptions = {},
  ): Promise<SftpClient> {
    const { forConnection, forProcess } = divideOptions<SftpClientOptions>(
      'startSftpClient',
      options,
      sftpClientOptionsSchema,
    )
    parseOptions('startSftpClient', sftpClientOptionsSchema, forProcess)
    const { signal, ...rest } = forConnection
    const host = this.#host(this.#wanted(destination, rest))
    return host.use((connection) => connection.startSftpClient(forProcess), signal)
  }

  /** What the pool holds right now. */
  get stats(): PoolStats {
    const hosts = [...this.#hosts].map(({ destination, pool }) => ({
      host: destination.host,
      port: destination.port,
      username: destination.username,
      ...pool.counts,
    }))
    const sum = (name: keyof HostPoolCounts) => hosts.reduce((total, host) => total + host[name], 0)
    return {
      connections: sum('connections'),
      connecting: sum('connecting'),
      idle: sum('idle'),
      sessions: sum('sessions'),
      leases: sum('leases'),
      waiting: sum('waiting'),
      connected: this.#connected,
      hosts,
    }
  }

  /** Resolves when the pool is closed and with it every connection. Never rejects. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /** Whether the pool takes nothing new any more. */
  get isClosed(): boolean {
    return this.#isClosing
  }

  /**
   * Closes every connection; whoever waits for one is told `ERR_SSH_POOL_CLOSED`. Another call may shorten `drain`.
   * @param options.drain how long sessions and leases are given to end by themselves; default 0
   * @throws OptionsError when `drain` is no duration, and for nothing else
   */
  async close(options: PoolCloseOptions = {}): Promise<void> {
    const { drain = 0 } = parseOptions('close', poolCloseOptionsSchema, options)
    this.#isClosing = true
    for (const { pool } of this.#hosts) pool.refuse()
    if (drain > 0) await this.#drained(drain)
    this.#ending ??= this.#end()
    await this.#ending
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    await Promise.all([...this.#hosts].map(({ pool }) => pool.close()))
    this.#hosts.clear()
    this.#resolveClosed()
    for (const settled of this.#onSettled) settled()
  }

  /** Resolves once nothing is in use, when the time is over, or when others would not wait. */
  #drained(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#onSettled.delete(settled)
        resolve()
      }
      const timer = setTimeout(done, Math.min(milliseconds, longestTimerMs))
      const settled = () => {
        if ([...this.#hosts].every(({ pool }) => pool.isIdle)) done()
      }
      this.#onSettled.add(settled)
      settled()
    })
  }

  #sessions(destination: Destination, { signal: _, ...options }: ClientOptions): LateSessions {
    const wanted = this.#wanted(destination, options)
    return lateSessions({
      ask: async (question, signal) => {
        const { connection, release } = await this.#host(wanted).lease(signal)
        try {
          return await question(connection)
        } finally {
          release()
        }
      },
      use: (open, signal) => this.#host(wanted).use(open, signal),
    })
  }

  /** @throws OptionsError; PoolError when the pool is closed */
  #wanted(destination: Destination, given: ClientOptions): Wanted {
    if (this.#isClosing) throw poolClosed()
    const all = { ...this.#shared, ...given }
    checkPooledClientOptions('a connection of a pool', all)
    const { port: givenPort, username: givenName, ...options } = all
    const { host, port = givenPort, username = givenName } = parseDestination(destination)
    return {
      destination: { host, ...(port !== undefined && { port }), ...(username !== undefined && { username }) },
      options,
    }
  }

  /** The connections that are wanted; there may be none yet. To be used at once, as it is forgotten when it is empty. */
  #host({ destination, options }: Wanted): HostPool {
    if (this.#isClosing) throw poolClosed()
    for (const known of this.#hosts) {
      if (sameOptions(known.destination, destination) && sameOptions(known.options, options)) return known.pool
    }
    const { protocol, defaults } = divideClientOptions('a connection of a pool', options)
    const pool = new HostPool(destination, protocol, defaults, this.#ledger)
    this.#hosts.add({ destination, options, pool })
    return pool
  }

  #admit(asking: HostPool): boolean {
    if (this.#isClosing) return false
    const free = this.#limits.maxConnections - this.#connections
    // Those who have waited longer, and have no connection to wait for, go first.
    const before = this.#starving.filter((pool) => pool !== asking && ticketOf(pool) < ticketOf(asking))
    if (free > before.length) {
      this.#connections++
      this.#connected++
      return true
    }
    this.#makeRoom(asking)
    return false
  }

  /** One of the others gives up a connection: one that is idle, else the least used of the host that has most. */
  #makeRoom(asking: HostPool): void {
    const others = [...this.#hosts].map(({ pool }) => pool).filter((pool) => pool !== asking)
    const retiring = others.reduce((total, pool) => total + pool.retiring, 0)
    if (retiring >= Math.max(1, this.#starving.length)) return
    const offers = others.flatMap((pool) => {
      const offer = pool.dispensable()
      return offer === undefined ? [] : [{ ...offer, pool, connections: pool.counts.connections }]
    })
    offers.sort(
      (one, other) =>
        Number(one.sessions > 0) - Number(other.sessions > 0) ||
        other.connections - one.connections ||
        one.sessions - other.sessions,
    )
    const [offer] = offers
    // A host that has connections waits for those; only one that has none may take another's while it is in use.
    if (offer === undefined || (offer.sessions > 0 && !this.#starving.includes(asking))) return
    offer.connection.retire()
    offer.pool.changed()
  }

  /** Those with somebody who waits, and no connection to wait for. */
  get #starving(): readonly HostPool[] {
    return [...this.#hosts].map(({ pool }) => pool).filter(({ isStarving }) => isStarving)
  }

  #settled(host: HostPool): void {
    for (const settled of this.#onSettled) settled()
    if (host.isEmpty) for (const known of this.#hosts) if (known.pool === host) this.#hosts.delete(known)
    // A connection that is idle here may be what another host waits for.
    if (host.oldestTicket === undefined && host.counts.idle > 0 && this.#connections >= this.#limits.maxConnections)
      this.#giveTurns()
  }

  /** Lets hosts try again for whom the pool was full, whoever waits longest first. */
  #giveTurns(): void {
    if (this.#isTurnScheduled || this.#isClosing) return
    this.#isTurnScheduled = true
    queueMicrotask(() => {
      this.#isTurnScheduled = false
      const waiting = [...this.#hosts].map(({ pool }) => pool).filter(({ oldestTicket }) => oldestTicket !== undefined)
      waiting.sort((one, other) => ticketOf(one) - ticketOf(other))
      for (const pool of waiting) pool.changed()
    })
  }
}

function ticketOf({ oldestTicket }: HostPool): number {
  return oldestTicket ?? Number.POSITIVE_INFINITY
}
