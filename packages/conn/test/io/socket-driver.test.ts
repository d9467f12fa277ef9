import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { Duplex } from 'node:stream'
import { concatBytes } from '@ssh/wire'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Driven, SocketDriver } from '../../src/io/socket-driver.js'

/** A peer that does as it is told. */
class Puppet implements Driven {
  output: Uint8Array[] = []
  isPaused = false
  hasEnded = false
  deadline: number | undefined
  readonly received: Uint8Array[] = []
  readonly ends: (Error | undefined)[] = []
  readonly ticks: number[] = []
  readonly givenBack: Uint8Array[] = []

  receive(bytes: Uint8Array): void {
    this.received.push(bytes)
  }

  connectionEnded(error?: Error): void {
    this.ends.push(error)
  }

  takeOutput(): readonly Uint8Array[] {
    return this.output.splice(0)
  }

  giveBack(chunk: Uint8Array): void {
    this.givenBack.push(chunk)
  }

  nextDeadline(): number | undefined {
    return this.deadline
  }

  tick(now: number): void {
    this.ticks.push(now)
    this.deadline = undefined
  }
}

/** A socket whose writes the test finishes by hand. */
class Socket extends Duplex {
  readonly writes: Uint8Array[] = []
  finishWrite: () => void = () => {}
  #isManual: boolean

  constructor(isManual = false) {
    super({ highWaterMark: 1024 })
    this.#isManual = isManual
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#wrote(chunk, done)
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    this.#wrote(concatBytes(chunks.map(({ chunk }) => chunk)), done)
  }

  #wrote(bytes: Uint8Array, done: () => void): void {
    this.writes.push(bytes)
    if (this.#isManual) this.finishWrite = done
    else done()
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const clock = () => Date.now()

function drive<S extends Duplex = Socket>(socket: S = new Socket() as Duplex as S) {
  const peer = new Puppet()
  const driver = new SocketDriver(socket, peer, clock)
  driver.start()
  return { socket, peer, driver }
}

describe('writing', () => {
  test('takes everything of one turn of the event loop in one write, small packets joined', async () => {
    const { socket, peer, driver } = drive()
    for (let packet = 1; packet <= 20; packet++) {
      peer.output.push(new Uint8Array(100).fill(packet))
      driver.wake()
    }
    await turn()
    await turn()
    expect(socket.writes.map(({ length }) => length)).toEqual([2000])
    socket.destroy()
  })

  test('hands large packets over uncopied, still in one write', async () => {
    const { socket, peer, driver } = drive()
    peer.output.push(new Uint8Array(40_000).fill(1), new Uint8Array(40_000).fill(2))
    driver.wake()
    await turn()
    await turn()
    expect(socket.writes.map(({ length }) => length)).toEqual([80_000])
    socket.destroy()
  })

  test('asks for no more until the socket has drained', async () => {
    const { socket, peer, driver } = drive(new Socket(true))
    peer.output.push(new Uint8Array(2000))
    driver.wake()
    await turn()
    await turn()
    peer.output.push(new Uint8Array(3000))
    driver.wake()
    await turn()
    expect(peer.output).toHaveLength(1)
    socket.finishWrite()
    await turn()
    expect(peer.output).toHaveLength(0)
    expect(socket.writes.map(({ length }) => length)).toEqual([2000, 3000])
    socket.destroy()
  })
})

describe('the memory of what was written', () => {
  test('is given back once the kernel has it', async () => {
    const listener = createServer((socket) => socket.resume()).listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const socket = connect((listener.address() as AddressInfo).port, '127.0.0.1')
    const { peer, driver } = drive(socket)
    const chunk = Buffer.from('written')
    peer.output.push(chunk)
    peer.hasEnded = true
    await driver.finished
    expect(peer.givenBack).toEqual([chunk])
    listener.close()
  })

  test('is not, when a stream in memory may still hand it on', async () => {
    const { socket, peer, driver } = drive()
    peer.output.push(Buffer.from('written'))
    driver.wake()
    await turn()
    await turn()
    expect(socket.writes).toHaveLength(1)
    expect(peer.givenBack).toEqual([])
    socket.destroy()
  })
})

describe('reading', () => {
  test('stops while the peer is paused, and goes on afterwards', async () => {
    const { socket, peer, driver } = drive()
    await turn()
    peer.isPaused = true
    driver.wake()
    await turn()
    socket.push(Buffer.from('a'))
    await turn()
    expect(peer.received).toHaveLength(0)
    peer.isPaused = false
    driver.wake()
    await turn()
    await turn()
    expect(peer.received.map(String)).toEqual(['a'])
    socket.destroy()
  })
})

describe('the end', () => {
  test('that the peer wants comes after its last words', async () => {
    const { socket, peer, driver } = drive()
    peer.output.push(Buffer.from('goodbye'))
    peer.hasEnded = true
    driver.wake()
    await turn()
    await turn()
    expect(socket.writes.map(String)).toEqual([String(Buffer.from('goodbye'))])
    expect(socket.writableEnded).toBe(true)
    socket.push(null)
    await driver.finished
    expect(socket.destroyed).toBe(true)
  })

  test('of the other side is told once, and closes the socket', async () => {
    const { socket, peer, driver } = drive()
    socket.push(null)
    await driver.finished
    expect(peer.ends).toEqual([undefined])
    // Ended first, as some streams tell the other side of an end only.
    expect([socket.writableFinished, socket.destroyed]).toEqual([true, true])
  })

  test('by an error is told once, with the error', async () => {
    const { socket, peer, driver } = drive()
    const error = new Error('read ECONNRESET')
    socket.destroy(error)
    await driver.finished
    expect(peer.ends).toEqual([error])
  })

  test('by somebody else who destroys the socket is noticed', async () => {
    const { socket, peer, driver } = drive()
    socket.destroy()
    await driver.finished
    expect(peer.ends).toEqual([undefined])
  })

  test('that came before anybody listened is noticed', async () => {
    const socket = new Socket()
    socket.on('error', () => {})
    socket.destroy(new Error('too early'))
    await turn()
    const { peer, driver } = drive(socket)
    await driver.finished
    expect(peer.ends).toHaveLength(1)
  })

  test('destroy says what can be said at once, and waits for nobody', async () => {
    const { socket, peer, driver } = drive()
    peer.output.push(Buffer.from('goodbye'))
    driver.destroy()
    expect(socket.destroyed).toBe(true)
    expect(socket.writes).toHaveLength(1)
    await driver.finished
  })
})

describe('time', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(() => void vi.useRealTimers())

  test('is told to the peer when its deadline has come', async () => {
    const { socket, peer, driver } = drive()
    peer.deadline = Date.now() + 500
    driver.wake()
    await turn()
    vi.advanceTimersByTime(499)
    expect(peer.ticks).toHaveLength(0)
    vi.advanceTimersByTime(1)
    expect(peer.ticks).toHaveLength(1)
    socket.destroy()
    await driver.finished
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each(['blocked', 'silent'])('runs out for a %s other side that does not close', async (kind) => {
    const { socket, peer, driver } = drive(new Socket(kind === 'blocked'))
    peer.output.push(new Uint8Array(5000))
    driver.wake()
    await turn()
    peer.hasEnded = true
    peer.output.push(new Uint8Array(10))
    driver.wake()
    await turn()
    expect(socket.destroyed).toBe(false)
    vi.advanceTimersByTime(2000)
    expect(socket.destroyed).toBe(true)
    await driver.finished
    expect(vi.getTimerCount()).toBe(0)
  })
})
