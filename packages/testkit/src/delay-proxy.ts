/**
 * A TCP proxy in user space that makes loopback behave like a long, thin or broken link: latency, a rate limit, and
 * faults at an exact byte. Its buffers are deep, so that it never is what limits a fast link with a long way.
 */

import { createServer, connect as dial, type Server, type Socket } from 'node:net'

/** `up` is from the client that dialled the proxy to the target, `down` the way back. */
export type ProxyDirection = 'up' | 'down'

/** One thing that goes wrong, once per connection, after `atByte` bytes have passed in `direction`. */
export interface ProxyFault {
  readonly direction: ProxyDirection
  readonly atByte: number
  /**
   * - `cut`: both sockets end, both ways (FIN)
   * - `reset`: both sockets are reset (RST)
   * - `halfClose`: this direction ends, the other goes on
   * - `stall`: this direction falls silent, and stays open
   * - `flip`: the byte at `atByte` is inverted, the rest passes
   */
  readonly action: 'cut' | 'reset' | 'halfClose' | 'stall' | 'flip'
}

export interface DelayProxyOptions {
  /** Where connections are taken to. */
  readonly target: { readonly host?: string; readonly port: number }
  /** Added to every round trip, half of it each way. Default 0. */
  readonly roundTripMs?: number
  /** Of each direction of each connection. Default: no limit. */
  readonly bytesPerSecond?: number
  /** Bytes that may queue before the rate limit until the sender is stopped, like a router's buffer. Default 4 MiB. */
  readonly queueBytes?: number
  /** What goes wrong on the n-th connection, counted from 0. */
  readonly fault?: ProxyFault | ((connectionIndex: number) => ProxyFault | undefined)
}

export interface DelayProxy {
  readonly host: '127.0.0.1'
  readonly port: number
  /** Bytes passed on so far, of all connections. */
  readonly passed: Readonly<Record<ProxyDirection, number>>
  /** Connections accepted so far. */
  readonly connectionCount: number
  /** Does to every open connection what a fault does, now. */
  disturb(action: 'cut' | 'reset' | 'stall'): void
  /** Closes the port and every connection. */
  close(): Promise<void>
}

/** Bytes one direction may hold when there is no rate limit: 4 Gbit/s with half a second of way. */
const deepBuffer = 256 * 1024 * 1024

/** Starts a proxy on a free port of 127.0.0.1. */
export async function delayProxy(options: DelayProxyOptions): Promise<DelayProxy> {
  const passed = { up: 0, down: 0 }
  const connections = new Set<Connection>()
  let connectionCount = 0
  const faultOf = (index: number): ProxyFault | undefined =>
    typeof options.fault === 'function' ? options.fault(index) : options.fault

  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const { host = '127.0.0.1', port } = options.target
    const target = dial({ host, port, allowHalfOpen: true, noDelay: true })
    const connection = new Connection(client, target, options, faultOf(connectionCount++), passed)
    connections.add(connection)
    connection.onClose = () => void connections.delete(connection)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The proxy has no port')

  return {
    host: '127.0.0.1',
    port: address.port,
    passed,
    get connectionCount() {
      return connectionCount
    },
    disturb(action) {
      for (const connection of connections) connection.disturb(action)
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const connection of connections) connection.disturb('reset')
      await closed
    },
  }
}

class Connection {
  onClose: () => void = () => {}
  readonly #sockets: readonly [Socket, Socket]
  readonly #lanes: readonly Lane[]
  #openSockets = 2

  constructor(
    client: Socket,
    target: Socket,
    options: DelayProxyOptions,
    fault: ProxyFault | undefined,
    passed: Record<ProxyDirection, number>,
  ) {
    this.#sockets = [client, target]
    const lane = (direction: ProxyDirection, from: Socket, to: Socket): Lane =>
      new Lane(from, to, options, fault?.direction === direction ? fault : undefined, {
        passed: (byteCount) => {
          passed[direction] += byteCount
        },
        disturb: (action) => this.disturb(action),
      })
    this.#lanes = [lane('up', client, target), lane('down', target, client)]
    for (const socket of this.#sockets) {
      // What breaks one side breaks the other in the same way.
      socket.on('error', () => this.disturb('reset'))
      socket.on('close', () => {
        if (--this.#openSockets === 0) this.onClose()
      })
    }
  }

  disturb(action: 'cut' | 'reset' | 'stall'): void {
    for (const lane of this.#lanes) lane.stop()
    if (action === 'stall') return
    for (const socket of this.#sockets) {
      if (action === 'reset') socket.resetAndDestroy()
      else socket.destroySoon()
    }
  }
}

interface LaneEvents {
  passed(byteCount: number): void
  disturb(action: 'cut' | 'reset'): void
}

/** What comes out of a lane: bytes, or what happens after them. */
type Content = Uint8Array | 'end' | 'cut' | 'reset'

/** One direction: a queue of contents, each with the time at which it comes out. */
class Lane {
  readonly #from: Socket
  readonly #to: Socket
  readonly #events: LaneEvents
  readonly #delayMs: number
  readonly #bytesPerMs: number
  readonly #queueBytes: number
  #fault: ProxyFault | undefined
  #queue: { readonly dueAt: number; readonly content: Content }[] = []
  #queuedBytes = 0
  #received = 0
  /** When the rate limit lets the next byte start. */
  #linkFreeAt = 0
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #isBlocked = false

  constructor(from: Socket, to: Socket, options: DelayProxyOptions, fault: ProxyFault | undefined, events: LaneEvents) {
    this.#from = from
    this.#to = to
    this.#events = events
    this.#fault = fault
    this.#delayMs = (options.roundTripMs ?? 0) / 2
    this.#bytesPerMs = (options.bytesPerSecond ?? Number.POSITIVE_INFINITY) / 1000
    this.#queueBytes = options.queueBytes ?? 4 * 1024 * 1024
    from.on('data', (chunk: Buffer) => this.#receive(chunk))
    from.on('end', () => this.#enqueue('end'))
    to.on('drain', () => {
      this.#isBlocked = false
      this.#deliver()
    })
  }

  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#timer)
    this.#queue = []
    this.#from.pause()
  }

  #receive(chunk: Buffer): void {
    const fault = this.#fault
    const position = (fault?.atByte ?? 0) - this.#received
    this.#received += chunk.length
    if (fault === undefined || position >= chunk.length) {
      this.#enqueue(chunk)
    } else if (fault.action === 'flip') {
      this.#fault = undefined
      chunk[position] = (chunk[position] ?? 0) ^ 0xff
      this.#enqueue(chunk)
    } else {
      if (position > 0) this.#enqueue(chunk.subarray(0, position))
      if (fault.action !== 'stall') this.#enqueue(fault.action === 'halfClose' ? 'end' : fault.action)
      // Everything further is read and dropped, so the sender notices nothing by itself.
      this.#from.removeAllListeners('data').removeAllListeners('end').resume()
    }
  }

  #enqueue(content: Content): void {
    if (this.#isStopped) return
    const now = performance.now()
    const size = typeof content === 'string' ? 0 : content.length
    this.#linkFreeAt = Math.max(now, this.#linkFreeAt) + size / this.#bytesPerMs
    this.#queue.push({ dueAt: this.#linkFreeAt + this.#delayMs, content })
    this.#queuedBytes += size
    if (this.#isFull(now)) this.#from.pause()
    if (this.#timer === undefined) this.#deliver()
  }

  #isFull(now: number): boolean {
    if (this.#queuedBytes > deepBuffer) return true
    return Number.isFinite(this.#bytesPerMs) && (this.#linkFreeAt - now) * this.#bytesPerMs > this.#queueBytes
  }

  /** Passes on what is due, in one write to the kernel, and sleeps until the next is. */
  #deliver(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#isStopped || this.#isBlocked) return
    const now = performance.now()
    let taken = 0
    this.#to.cork()
    for (const { dueAt, content } of this.#queue) {
      if (dueAt > now || this.#isBlocked || this.#isStopped) break
      taken++
      this.#pass(content)
    }
    this.#to.uncork()
    this.#queue.splice(0, taken)
    if (this.#isStopped) return
    if (this.#from.isPaused() && !this.#isFull(now)) this.#from.resume()
    const [next] = this.#queue
    if (next !== undefined && !this.#isBlocked) {
      this.#timer = setTimeout(() => this.#deliver(), Math.max(1, next.dueAt - now))
    }
  }

  #pass(content: Content): void {
    if (content === 'end') this.#to.end()
    else if (typeof content === 'string') this.#events.disturb(content)
    else {
      this.#queuedBytes -= content.length
      this.#events.passed(content.length)
      this.#isBlocked = !this.#to.write(content)
    }
  }
}
