import { Duplex } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { LingeringSockets } from '../../src/io/lingering-sockets.js'

const MiB = 1024 * 1024

/** The end of a tunnel that leads to a program which reads nothing, with bytes left to write. */
function stalled(sockets: LingeringSockets, bytes: number) {
  const socket = new Duplex({ read() {}, write() {}, highWaterMark: 64 * 1024 })
  const channel = sockets.channelOf(socket)
  channel.write(Buffer.alloc(bytes))
  return { socket, channel }
}

describe('what sockets have left to write when their tunnels close (D15)', () => {
  test('is written, however long it takes, while it is little', () => {
    const sockets = new LingeringSockets()
    const few = Array.from({ length: 16 }, () => stalled(sockets, 2 * MiB))
    for (const { channel } of few) channel.close()
    expect(few.filter(({ socket }) => socket.destroyed)).toEqual([])
  })

  test('is bounded: those that wait longest are reset', () => {
    const sockets = new LingeringSockets()
    const many = Array.from({ length: 40 }, () => stalled(sockets, 2 * MiB))
    for (const { channel } of many) channel.close()
    expect(many.map(({ socket }) => socket.destroyed)).toEqual(many.map((_, index) => index < 24))
  })

  test('is no matter while the tunnel is open, nor once it is written', async () => {
    const sockets = new LingeringSockets()
    const open = Array.from({ length: 40 }, () => stalled(sockets, 2 * MiB))
    for (const { channel } of open) channel.end()
    expect(open.some(({ socket }) => socket.destroyed)).toBe(false)
    const flowing = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    const channel = sockets.channelOf(flowing)
    channel.end()
    await vi.waitFor(() => expect(flowing.writableFinished).toBe(true))
    channel.close()
    expect(flowing.destroyed).toBe(true)
  })

  test('is given a moment when the whole connection is over', () => {
    vi.useFakeTimers()
    const sockets = new LingeringSockets()
    const { socket, channel } = stalled(sockets, MiB)
    channel.close()
    sockets.end()
    vi.advanceTimersByTime(4000)
    expect(socket.destroyed).toBe(false)
    vi.advanceTimersByTime(2000)
    expect(socket.destroyed).toBe(true)
    vi.useRealTimers()
  })
})
