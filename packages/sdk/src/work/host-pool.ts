/** The connections of a pool to one destination made with the same options, and who waits for room on them. */

import { ChannelOpenError, type ClientLink, type Destination, establishClient } from '@ssh/conn'
import { AbortError } from '@ssh/wire'
import type { ClientOptions } from '../client/client-options.js'
import { withConfigured } from '../client/configured-sessions.js'
import { longestTimerMs } from '../longest-timer.js'
import type { SessionDefaults } from '../process/create-process.js'
import { isConnectionFault } from './connection-fault.js'
import { poolClosed } from './pool-errors.js'
import type { PoolLimits } from './pool-options.js'
import { PooledConnection, type PooledConnectionOwner } from './pooled-connection.js'

/** After a connection could not be added to others that work, how long until it is tried again: twice as long each time. */
const shortestPauseMs = 500
const longestPauseMs = 30_000

/** What a host may ask of the pool that it is of. */
export interface PoolLedger {
  readonly limits: PoolLimits
  /** Takes one of the pool's connections; false: there is none, and the host is told once there is. */
  admit(host: HostPool): boolean
  /** A connection that was admitted is closed, or was never made. */
  released(): void
  /** The host has changed: others may have a turn, and one that has nothing left is forgotten. */
  settled(host: HostPool): void
  /** Serial numbers of those who wait, over all hosts. */
  nextTicket(): number
}

/** One who waits for a connection. */
interface Waiter {
  readonly ticket: number
  /** A session needs room on the connection; a lease does not. */
  readonly needsRoom: boolean
  /** Must put its session on the connection before it returns. */
  start(connection: PooledConnection): void
  fail(error: unknown): void
}

/** Numbers of one destination. */
export interface HostPoolCounts {
  readonly connections: number
  readonly connecting: number
  readonly idle: number
  readonly sessions: number
  readonly leases: number
  readonly waiting: number
}

export class HostPool implements PooledConnectionOwner {
  readonly #destination: Destination
  readonly #options: ClientOptions
  readonly #defaults: SessionDefaults
  readonly #ledger: PoolLedger
  /** In the order of their making; the first that has room is taken, so that the last become idle. */
  readonly #connections = new Set<PooledConnection>()
  /** Closes connections that nobody uses. */
  readonly #idleTimers = new Map<PooledConnection, NodeJS.Timeout | undefined>()
  readonly #waiting: Waiter[] = []
  /** Those who try a connection, and may have to wait again for another one. */
  #trying = 0
  #connecting: AbortController | undefined
  /** Settles when the attempt to connect is over. */
  #attempt: Promise<void> = Promise.resolve()
  #pauseMs = shortestPauseMs
  /** While it runs, no connection is added to those that there are. */
  #pause: NodeJS.Timeout | undefined
  /** Most sessions seen on one connection. */
  #mostSessions = 1
  /** Whether the server has ever refused one for their number. */
  #hasLearned = false
  #isClosed = false

  /** @param options without those of sessions, which are `defaults` */
  constructor(destination: Destination, options: ClientOptions, defaults: SessionDefaults, ledger: PoolLedger) {
    this.#destination = destination
    this.#options = options
    this.#defaults = defaults
    this.#ledger = ledger
  }

  get counts(): HostPoolCounts {
    const connections = [...this.#connections]
    const sum = (count: (connection: PooledConnection) => number) =>
      connections.reduce((total, connection) => total + count(connection), 0)
    return {
      connections: connections.length,
      connecting: this.#connecting === undefined ? 0 : 1,
      idle: this.#idleTimers.size,
      sessions: sum(({ sessions }) => sessions),
      leases: sum(({ leases }) => leases),
      waiting: this.#waiting.length,
    }
  }

  /** Whether there is nothing here at all. */
  get isEmpty(): boolean {
    const isWanted = this.#waiting.length > 0 || this.#trying > 0
    return this.#connections.size === 0 && !isWanted && this.#connecting === undefined
  }

  /** Whether nothing runs, is leased or is about to. */
  get isIdle(): boolean {
    return this.#waiting.length === 0 && this.#trying === 0 && [...this.#connections].every(({ isIdle }) => isIdle)
  }

  /** Whether somebody waits, and there is no connection to wait for. */
  get isStarving(): boolean {
    return this.#waiting.length > 0 && this.#connections.size === 0 && this.#connecting === undefined
  }

  /** Of the one who waits longest; undefined: nobody waits. */
  get oldestTicket(): number | undefined {
    return this.#waiting[0]?.ticket
  }

  get sessionLimit(): number {
    const { maxSessionsPerConnection } = this.#ledger.limits
    return this.#hasLearned ? Math.min(maxSessionsPerConnection, this.#mostSessions) : maxSessionsPerConnection
  }

  opened(sessions: number): void {
    this.#mostSessions = Math.max(this.#mostSessions, sessions)
  }

  /**
   * Opens a session on a connection that has room, as soon as there is one.
   * @param open asks for one session on the connection before its first wait; called again elsewhere when the server
   *   has no room for it, or when the connection turns out to be dead
   * @throws Error what connecting or opening failed with; AbortError; PoolError
   */
  use<T>(open: (connection: PooledConnection) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return this.#wait<T>({ needsRoom: true, signal }, (connection, resolve, reject, again) => {
      const { hasServed: hadServed, ended } = connection
      this.#trying++
      const trying = open(connection)
      trying.then(resolve, (error: unknown) => {
        if (isForWantOfRoom(error)) {
          // What was in the way when the server refused may be over by now.
          if (this.#hasNoRoom(connection, error, connection.ended > ended)) again()
          else reject(error)
        } else if (connection.isClosed && hadServed && isConnectionFault(error)) {
          // It had died while nobody looked. Nothing was started on it, so another one may be tried.
          again()
        } else {
          reject(error)
        }
      })
      const tried = () => {
        this.#trying--
        this.#ledger.settled(this)
      }
      trying.then(tried, tried)
    })
  }

  /** A connection with little on it, which stays open until the lease is given back. */
  lease(signal: AbortSignal | undefined): Promise<{ connection: PooledConnection; release: () => void }> {
    return this.#wait({ needsRoom: false, signal }, (connection, resolve) => {
      resolve({ connection, release: connection.lease() })
    })
  }

  /** Serves whoever can be served, and makes another connection if that is what is missing. */
  changed(): void {
    if (this.#isClosed) return
    for (const connection of [...this.#connections]) {
      if (connection.isRetiring && connection.isIdle) void connection.close()
    }
    while (this.#serveNext());
    if (this.#waiting.length > 0) this.#grow()
    for (const connection of this.#connections) this.#watchIdleness(connection)
    this.#ledger.settled(this)
  }

  /** The connection of this host that can best be done without; undefined: all are held. */
  dispensable(): { connection: PooledConnection; sessions: number } | undefined {
    const free = [...this.#connections].filter(({ isUsable, leases }) => isUsable && leases === 0)
    free.sort((one, other) => one.sessions - other.sessions)
    const [connection] = free
    return connection && { connection, sessions: connection.sessions }
  }

  /** Connections that are about to go. */
  get retiring(): number {
    return [...this.#connections].filter(({ isRetiring }) => isRetiring).length
  }

  /** Whoever waits is told that nothing comes any more. */
  refuse(): void {
    const error = poolClosed()
    for (const waiter of this.#take(() => true)) waiter.fail(error)
    this.#connecting?.abort()
  }

  /** Ends everything; resolves when the last socket is closed. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.refuse()
    clearTimeout(this.#pause)
    for (const timer of this.#idleTimers.values()) clearTimeout(timer)
    this.#idleTimers.clear()
    await Promise.all([this.#attempt, ...[...this.#connections].map((connection) => connection.close())])
  }

  /**
   * The server refused a session on this connection for their number.
   * @param hasRoomAgain whether sessions have ended since it was asked
   * @returns whether there is anything to wait for: a session, here or elsewhere, that will end and make room
   */
  #hasNoRoom(connection: PooledConnection, error: unknown, hasRoomAgain: boolean): boolean {
    this.#hasLearned = true
    if (hasRoomAgain) return true
    connection.refused()
    if (connection.sessions > 0) return true
    // Not one: another connection would fare no better now.
    connection.retire()
    this.#rest()
    if ([...this.#connections].some(({ isUsable, sessions }) => isUsable && sessions > 0)) return true
    for (const waiter of this.#take(({ needsRoom }) => needsRoom)) waiter.fail(error)
    return false
  }

  /** Those who wait that are meant, who wait no more. */
  #take(isMeant: (waiter: Waiter) => boolean): readonly Waiter[] {
    const taken = this.#waiting.filter(isMeant)
    for (const waiter of taken) this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
    return taken
  }

  #wait<T>(
    { needsRoom, signal }: { readonly needsRoom: boolean; readonly signal: AbortSignal | undefined },
    start: (
      connection: PooledConnection,
      resolve: (value: T) => void,
      reject: (error: unknown) => void,
      again: () => void,
    ) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw new AbortError(signal.reason)
      if (this.#isClosed) throw poolClosed()
      const onAbort = () => {
        this.#leave(waiter)
        reject(new AbortError(signal?.reason))
      }
      const settled = () => signal?.removeEventListener('abort', onAbort)
      const waiter: Waiter = {
        ticket: this.#ledger.nextTicket(),
        needsRoom,
        start: (connection) => {
          // From here on whoever opens the session minds the signal.
          settled()
          start(connection, resolve, reject, () => {
            if (this.#isClosed) return reject(poolClosed())
            if (signal?.aborted) return reject(new AbortError(signal.reason))
            enter()
            this.changed()
          })
        },
        fail: (error) => {
          settled()
          reject(error)
        },
      }
      const enter = () => {
        signal?.addEventListener('abort', onAbort, { once: true })
        this.#enter(waiter)
      }
      enter()
      this.changed()
    })
  }

  /** First come, first served, also for those who come back because there was no room after all. */
  #enter(waiter: Waiter): void {
    const behind = this.#waiting.findIndex(({ ticket }) => ticket > waiter.ticket)
    this.#waiting.splice(behind === -1 ? this.#waiting.length : behind, 0, waiter)
  }

  #leave(waiter: Waiter): void {
    const index = this.#waiting.indexOf(waiter)
    if (index !== -1) this.#waiting.splice(index, 1)
    // Nobody wants the connection that is being made any more.
    if (this.#waiting.length === 0) this.#connecting?.abort()
    this.#ledger.settled(this)
  }

  /** A lease need not wait behind sessions for which there is no room. */
  #serveNext(): boolean {
    return this.#serve(true, this.#firstWithRoom()) || this.#serve(false, this.#leastUsed())
  }

  #serve(needsRoom: boolean, connection: PooledConnection | undefined): boolean {
    const waiter = connection && this.#waiting.find((one) => one.needsRoom === needsRoom)
    if (connection === undefined || waiter === undefined) return false
    this.#take((one) => one === waiter)
    this.#stopWatching(connection)
    connection.ref()
    waiter.start(connection)
    return true
  }

  #firstWithRoom(): PooledConnection | undefined {
    for (const connection of this.#connections) if (connection.hasRoom) return connection
    return undefined
  }

  #leastUsed(): PooledConnection | undefined {
    let best: PooledConnection | undefined
    for (const connection of this.#connections) {
      if (connection.isUsable && (best === undefined || connection.sessions < best.sessions)) best = connection
    }
    return best
  }

  /** Makes a connection, one at a time: servers drop logins that come in crowds (MaxStartups of OpenSSH). */
  #grow(): void {
    if (this.#connecting !== undefined) return
    const usable = [...this.#connections].filter(({ isUsable }) => isUsable)
    // Whatever is not exhausted will have room once the server has answered what it was asked.
    if (usable.some(({ isExhausted }) => !isExhausted)) return
    if (this.#connections.size >= this.#ledger.limits.maxConnectionsPerHost) return
    if (usable.length > 0 && this.#pause !== undefined) return
    if (!this.#ledger.admit(this)) return
    const attempt = new AbortController()
    this.#connecting = attempt
    this.#attempt = establishClient(this.#destination, { ...this.#options, signal: attempt.signal }).then(
      (link) => this.#connected(link),
      (error: unknown) => this.#failed(error, attempt),
    )
  }

  async #connected(link: ClientLink): Promise<void> {
    this.#connecting = undefined
    this.#pauseMs = shortestPauseMs
    const connection = new PooledConnection(link, withConfigured(this.#defaults, link.configured?.sessions), this)
    this.#connections.add(connection)
    const ended = () => {
      this.#connections.delete(connection)
      this.#stopWatching(connection)
      this.#ledger.released()
      this.changed()
    }
    connection.closed.then(ended, ended)
    if (this.#isClosed) await connection.close()
    else this.changed()
  }

  #failed(error: unknown, attempt: AbortController): void {
    this.#connecting = undefined
    this.#ledger.released()
    const hasOthers = [...this.#connections].some(({ isUsable }) => isUsable)
    // Those who wait are served by the connections that there are; without any, this was the one they waited for.
    if (hasOthers) this.#rest()
    else if (!attempt.signal.aborted) for (const waiter of this.#take(() => true)) waiter.fail(error)
    this.changed()
  }

  /** Adds no connection for a while. */
  #rest(): void {
    if (this.#isClosed || this.#pause !== undefined) return
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.changed()
    }, this.#pauseMs).unref()
    this.#pauseMs = Math.min(2 * this.#pauseMs, longestPauseMs)
  }

  /** A connection that nobody uses lets the process end, and is closed after a while. */
  #watchIdleness(connection: PooledConnection): void {
    if (!connection.isIdle || connection.isClosed) return this.#stopWatching(connection)
    if (this.#idleTimers.has(connection)) return
    connection.unref()
    const { idleTimeoutMs } = this.#ledger.limits
    const close = () => void connection.close()
    const timer = idleTimeoutMs === 0 ? undefined : setTimeout(close, Math.min(idleTimeoutMs, longestTimerMs)).unref()
    this.#idleTimers.set(connection, timer)
  }

  #stopWatching(connection: PooledConnection): void {
    clearTimeout(this.#idleTimers.get(connection))
    this.#idleTimers.delete(connection)
  }
}

/** The server, or this side's own limit, allows no more sessions on that connection. */
function isForWantOfRoom(error: unknown): boolean {
  return error instanceof ChannelOpenError && error.details.mayRetryLater === true
}
