/**
 * One remote file written through several sessions, each with a handle of its own.
 *
 * Blocks wait here, in order, for a session with room: one that is held up then keeps few of them, and the first blocks
 * of the file are never behind later ones. As long as there is one session only, this costs a queue and nothing else.
 */

import { SftpError } from '../../errors.js'
import { openFlags } from '../../protocol/open-flags.js'
import { closeHandle, type OpenHandle, openFile, statHandle, writePacket } from '../operations.js'
import type { ClientSession } from '../session.js'
import type { SftpStats } from '../stats.js'
import { type SessionGroup, worthWidening } from './session-group.js'

interface Lane {
  readonly file: OpenHandle
  /** Bytes sent and not answered. */
  inFlight: number
  stopListening(): void
}

interface Waiting {
  readonly packet: Buffer
  readonly position: number
  resolve(): void
  reject(error: unknown): void
}

export class WriteLanes {
  readonly #group: SessionGroup
  readonly #main: OpenHandle
  readonly #size: number
  /** Whether other sessions may share in the file: not in one that is written before they could. */
  readonly #isShared: boolean
  readonly #lanes: Lane[] = []
  readonly #waiting: Waiting[] = []
  #leave: (() => void) | undefined
  #failure: { readonly error: unknown } | undefined
  #isOver = false

  /** @param size of the file that `main` has just made, as far as it is known */
  constructor(group: SessionGroup, main: OpenHandle, size = 0) {
    this.#group = group
    this.#main = main
    this.#size = size
    this.#isShared = group.mayWiden && size >= worthWidening
    if (!group.mayWiden) return
    if (this.#isShared) this.#add(main)
    // Many small files want the other sessions too, though each of them stays with one.
    this.#leave = group.join((session) => void this.#open(session))
    if (main.session.isWindowLimited) group.widen()
  }

  /** Writes a packet whose headroom is free. The first failure fails all that wait for their turn. */
  write(packet: Buffer, position: number): Promise<void> {
    if (!this.#isShared) return writePacket(this.#main, packet, position, undefined)
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ packet, position, resolve, reject })
      this.#pump()
    })
  }

  /** What was not sent yet is not sent any more. */
  drop(error: unknown): void {
    this.#failure ??= { error }
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure.error)
  }

  /**
   * All is written: closes every handle but the main one.
   * @throws SftpError what a server answers; `ERR_SFTP_FILE_CHANGED` when not all handles were of one file, because
   *   another took its place while they were opened
   */
  async finish(): Promise<void> {
    const others = this.#leaveAll()
    if (others.length === 0) return
    // Sent together: the answers take one round trip. A server that has no size to tell is believed.
    const sizes = [this.#main, ...others].map((file) => statHandle(file, undefined).catch(() => undefined))
    await Promise.all(others.map(({ session, handle, path }) => closeHandle(session, handle, path, undefined)))
    assertOneFile(await Promise.all(sizes), this.#main.path)
  }

  /** The transfer failed: lets go of every handle but the main one. */
  discard(): void {
    for (const { session, handle } of this.#leaveAll()) session.closeQuietly(handle)
  }

  #leaveAll(): OpenHandle[] {
    this.#isOver = true
    this.#leave?.()
    this.#leave = undefined
    for (const lane of this.#lanes) lane.stopListening()
    return this.#lanes.splice(0).flatMap(({ file }) => (file === this.#main ? [] : [file]))
  }

  #add(file: OpenHandle): void {
    this.#lanes.push({ file, inFlight: 0, stopListening: file.session.onRoom(() => this.#pump()) })
    this.#pump()
  }

  /** A session that cannot open the file is done without: some systems let one handle only write to a file. */
  async #open(session: ClientSession): Promise<void> {
    if (!this.#isShared) return
    const { path, handle } = this.#main
    const opened = await openFile(session, path, openFlags.write, {}, undefined).catch(() => undefined)
    if (opened === undefined) return
    const { file, limits } = opened
    // The packets are laid out for handles and limits of the main session.
    const fits =
      file.handle.length === handle.length && limits.maxWriteLength >= (await this.#main.session.limits).maxWriteLength
    if (fits && !this.#isOver && this.#failure === undefined) this.#add(file)
    else session.closeQuietly(file.handle)
  }

  #pump(): void {
    for (let lane = this.#freeLane(); lane !== undefined; lane = this.#freeLane()) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      void this.#send(lane, next)
    }
  }

  #freeLane(): Lane | undefined {
    let free: Lane | undefined
    for (const lane of this.#lanes) {
      if (lane.file.session.hasRoom && (free === undefined || lane.inFlight < free.inFlight)) free = lane
    }
    return free
  }

  async #send(lane: Lane, { packet, position, resolve, reject }: Waiting): Promise<void> {
    lane.inFlight += packet.length
    try {
      await writePacket(lane.file, packet, position, undefined)
      resolve()
      if (this.#size - position > worthWidening && this.#main.session.isWindowLimited) this.#group.widen()
    } catch (error) {
      reject(error)
      this.drop(error)
    } finally {
      lane.inFlight -= packet.length
      this.#pump()
    }
  }
}

function assertOneFile(stats: readonly (SftpStats | undefined)[], path: string): void {
  const sizes = new Set(stats.flatMap((stat) => (stat?.size === undefined ? [] : [stat.size])))
  if (sizes.size <= 1) return
  throw new SftpError(
    'ERR_SFTP_FILE_CHANGED',
    'Another file took the place of this one while it was written through several channels',
    { path, details: { sizes: [...sizes] } },
  )
}
