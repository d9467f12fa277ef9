/**
 * The SFTP sessions of one client: the one it was started on, and others beside it on channels of their own.
 *
 * Servers grant each channel a window, often a fixed one (OpenSSH's 2 MiB), which on a long way is all that a channel
 * carries per round trip. Several channels of the same connection carry several times as much. So others are opened
 * only when somebody finds that the window is the limit, and closed again when nobody has used them for a while: servers
 * have few sessions for each connection. A server that refuses is done without.
 */

import type { ByteChannel } from '@ssh/wire'
import type { SftpClientOptions } from '../options.js'
import { ClientSession } from '../session.js'

/** Sessions of one client unless told: six windows of 2 MiB fill a gigabit at 100 ms, and leave four sessions of ten. */
export const defaultMaximumChannels = 6

/** Bytes in flight for each: OpenSSH's window, and enough behind it that it never waits. */
const bytesPerSession = 2.5 * 1024 * 1024

/** How long sessions that nobody uses are kept for the next transfer. */
const idleMs = 5000

/** Bytes of a file still to write that are worth the three round trips until another session can take some. */
export const worthWidening = 8 * 1024 * 1024

/** Told of each session that can be used, those that are there already included. */
export type OnSession = (session: ClientSession) => void

export class SessionGroup {
  readonly main: ClientSession
  readonly #openChannel: (() => Promise<ByteChannel>) | undefined
  readonly #sessionOptions: SftpClientOptions
  readonly #others = new Set<ClientSession>()
  readonly #users = new Set<OnSession>()
  #maximum: number
  #opening = 0
  #isClosed = false
  /** Ends what is being opened. */
  readonly #stop = new AbortController()
  #idle: NodeJS.Timeout | undefined

  constructor(main: ClientSession, options: SftpClientOptions = {}) {
    const { openChannel, maximumChannels = defaultMaximumChannels, signal: _ofStarting, ...sessionOptions } = options
    this.main = main
    this.#openChannel = openChannel
    this.#maximum = openChannel === undefined ? 1 : maximumChannels
    this.#sessionOptions = sessionOptions
    main.closed.then(() => {
      main.budget.dispose()
      void this.close()
    })
  }

  /** Whether there are others, or could be. */
  get mayWiden(): boolean {
    return this.#maximum > 1
  }

  /** Sessions that work, the main one included. */
  get size(): number {
    return 1 + this.#others.size
  }

  /** The session that a file of `size` bytes goes to: whichever has the least to do, if it is not worth several. */
  sessionFor(size: number | undefined): ClientSession {
    if (size === undefined || size >= worthWidening) return this.main
    let least = this.main
    for (const session of this.#others) if (session.inFlight < least.inFlight) least = session
    return least
  }

  /** Does something with whichever session is chosen meanwhile; that none is closed before it is done. */
  async using<T>(work: () => Promise<T>): Promise<T> {
    if (!this.mayWiden) return work()
    const leave = this.join(() => {})
    try {
      return await work()
    } finally {
      leave()
    }
  }

  /** Keeps the others while they are used; what it returns lets them go. */
  join(onSession: OnSession): () => void {
    clearTimeout(this.#idle)
    this.#users.add(onSession)
    for (const session of this.#others) onSession(session)
    return () => {
      if (!this.#users.delete(onSession) || this.#users.size > 0) return
      this.#idle = setTimeout(() => this.#closeOthers(), idleMs)
      this.#idle.unref()
    }
  }

  /** One window is the limit: opens the others, as far as they are not there, and tells those who joined. */
  widen(): void {
    while (!this.#isClosed && this.size + this.#opening < this.#maximum) void this.#openOne()
  }

  /** Ends the others. Never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stop.abort()
    clearTimeout(this.#idle)
    await this.#closeOthers()
  }

  async #openOne(): Promise<void> {
    this.#opening++
    let session: ClientSession | undefined
    try {
      session = await this.#start()
    } catch {
      // Refused, most likely because the server has no more sessions for us: it need not be asked again.
      this.#maximum = Math.min(this.#maximum, this.size)
    } finally {
      this.#opening--
    }
    if (session === undefined) return
    if (this.#isClosed || this.#users.size === 0) {
      await session.close()
      return
    }
    const opened = session
    this.#others.add(opened)
    this.main.budget.raiseTo(this.size * bytesPerSession)
    opened.closed.then(() => this.#others.delete(opened))
    for (const onSession of [...this.#users]) onSession(opened)
  }

  async #start(): Promise<ClientSession | undefined> {
    const channel = await this.#openChannel?.()
    const options = { ...this.#sessionOptions, signal: this.#stop.signal }
    return channel && (await ClientSession.start(channel, options, this.main.budget))
  }

  async #closeOthers(): Promise<void> {
    const others = [...this.#others]
    this.#others.clear()
    await Promise.all(others.map((session) => session.close()))
  }
}
