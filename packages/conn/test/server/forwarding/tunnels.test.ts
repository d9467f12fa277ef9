import { Duplex } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { Tunnels } from '../../../src/server/forwarding/tunnels.js'

const MiB = 1024 * 1024

/** A socket whose program reads nothing, with bytes left to write, and the close of the channel that it was joined with. */
function stalled(tunnels: Tunnels, bytes: number) {
  const socket = new Duplex({ read() {}, write() {}, highWaterMark: 64 * 1024 })
  socket.on('error', () => {})
  let close = () => {}
  tunnels.watch({ handle: ({ onClose }) => void (close = () => onClose?.()) }, socket)
  socket.write(Buffer.alloc(bytes))
  return {
    socket,
    closeChannel: () => {
      socket.end()
      close()
    },
  }
}

describe('what sockets have left to write after their channels closed (D15)', () => {
  test('is written, however long it takes, while it is little', () => {
    const tunnels = new Tunnels(100)
    const few = Array.from({ length: 16 }, () => stalled(tunnels, 2 * MiB))
    for (const { closeChannel } of few) closeChannel()
    expect(few.filter(({ socket }) => socket.destroyed)).toEqual([])
  })

  test('is bounded: those that wait longest are reset', () => {
    const tunnels = new Tunnels(100)
    const many = Array.from({ length: 40 }, () => stalled(tunnels, 2 * MiB))
    for (const { closeChannel } of many) closeChannel()
    expect(many.map(({ socket }) => socket.destroyed)).toEqual(many.map((_, index) => index < 24))
  })

  test('is no matter while the channel is open, nor once it is written', async () => {
    const tunnels = new Tunnels(100)
    const open = Array.from({ length: 40 }, () => stalled(tunnels, 2 * MiB))
    expect(open.some(({ socket }) => socket.destroyed)).toBe(false)
    const flowing = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
    tunnels.watch({ handle: ({ onClose }) => void flowing.end(() => onClose?.()) }, flowing)
    await vi.waitFor(() => expect(flowing.writableFinished).toBe(true))
    expect(flowing.destroyed).toBe(false)
  })

  test('is given a moment when the whole connection is over', () => {
    vi.useFakeTimers()
    const tunnels = new Tunnels(100)
    const { socket, closeChannel } = stalled(tunnels, MiB)
    closeChannel()
    tunnels.end()
    vi.advanceTimersByTime(4000)
    expect(socket.destroyed).toBe(false)
    vi.advanceTimersByTime(2000)
    expect(socket.destroyed).toBe(true)
    vi.useRealTimers()
  })
})

test('tunnels are counted until their work settles, however it does', async () => {
  const tunnels = new Tunnels(2)
  let end = () => {}
  const first = tunnels.occupy(() => new Promise((resolve) => (end = resolve)))
  const second = tunnels.occupy(() => Promise.reject(new Error('failed')))
  expect(tunnels.isFull).toBe(true)
  await expect(second).rejects.toThrow('failed')
  expect(tunnels.isFull).toBe(false)
  end()
  await first
  expect(new Tunnels(0).isFull).toBe(true)
})
