/** How the receive window adapts to the link and to the consumer, on a simulated link. */

import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/connection/channel.js'
import type { ChannelOpenRequest } from '../../src/connection/channel-open.js'
import type { MuxLimits } from '../../src/connection/limits.js'
import { pump, SimulatedLink } from '../simulated-link.js'

const MiB = 1024 * 1024
const gigabit = 125_000

interface Download {
  readonly link: SimulatedLink
  readonly local: Channel
  readonly received: () => number
}

/** A server that sends without end on the first channel, and a client that reads it. */
function download(
  roundTripMs: number,
  bytesPerMs: number,
  options: { consumeBytesPerMs?: number; limits?: Partial<MuxLimits> } = {},
): Download {
  const accepted: Channel[] = []
  const link: SimulatedLink = new SimulatedLink({
    roundTripMs,
    bytesPerMs,
    ...(options.limits && { client: { limits: options.limits } }),
    server: { handlers: { onChannelOpen: (request: ChannelOpenRequest) => void accepted.push(request.accept()) } },
  })
  let local: Channel | undefined
  link.client.mux.openChannel(
    'session',
    new Uint8Array(0),
    {},
    {
      onOpen: (channel) => {
        local = channel
      },
      onFailure: (error) => expect.unreachable(error.message),
    },
  )
  link.run()
  if (local === undefined || accepted[0] === undefined) throw new Error('The channel was not opened')
  let received = 0
  let busyUntil = 0
  const channel = local
  channel.attach({
    onData: (chunk) => {
      received += chunk.length
      if (options.consumeBytesPerMs === undefined) return channel.release(chunk.length)
      busyUntil = Math.max(busyUntil, link.now) + chunk.length / options.consumeBytesPerMs
      link.at(busyUntil, () => channel.release(chunk.length))
    },
  })
  pump(accepted[0])
  return { link, local, received: () => received }
}

/** Megabytes per second between two moments. */
function rate({ link, received }: Download, fromMs: number, toMs: number): number {
  link.run(fromMs)
  const before = received()
  link.run(toMs)
  return (received() - before) / (toMs - fromMs) / 1000
}

describe('on a long link', () => {
  test('the window grows until it no longer limits a gigabit at 100 ms', () => {
    const transfer = download(100, gigabit)
    // One round trip passes with the window there was at first; from then on the link is full.
    expect(rate(transfer, 100, 300)).toBeLessThan(60)
    expect(rate(transfer, 320, 3000)).toBeGreaterThan(120)
    expect(transfer.local.receiveWindowSize).toBe(32 * MiB)
  })

  test('the window stops growing once the link is full', () => {
    const transfer = download(100, gigabit / 4)
    expect(rate(transfer, 1000, 3000)).toBeGreaterThan(30)
    const size = transfer.local.receiveWindowSize
    expect(size).toBe(8 * MiB)
    rate(transfer, 3000, 5000)
    expect(transfer.local.receiveWindowSize).toBe(size)
  })

  test('a consumer that is slower than the link keeps the window small', () => {
    const transfer = download(100, gigabit, { consumeBytesPerMs: 1000 })
    expect(rate(transfer, 2000, 10_000)).toBeCloseTo(1, 1)
    expect(transfer.local.receiveWindowSize).toBe(2 * MiB)
  })

  test('a consumer that stops gets no more than the window', () => {
    const transfer = download(100, gigabit, { consumeBytesPerMs: 1e-9 })
    transfer.link.run(10_000)
    expect(transfer.received()).toBe(2 * MiB)
  })

  test('windows grow no further than the connection\u2019s budget', () => {
    const transfer = download(100, gigabit, { limits: { windowBudget: 10 * MiB } })
    transfer.link.run(3000)
    expect(transfer.local.receiveWindowSize).toBe(10 * MiB)
  })
})

describe('a sender', () => {
  function upload(roundTripMs: number, bytesPerMs: number, limits: Partial<MuxLimits> = {}) {
    const link: SimulatedLink = new SimulatedLink({
      roundTripMs,
      bytesPerMs,
      server: {
        limits: { initialWindowSize: 2 * MiB, maximumWindowSize: 2 * MiB, ...limits },
        handlers: { onChannelOpen: (request) => request.accept().attach({}) },
      },
    })
    let local: Channel | undefined
    const onOpen = (channel: Channel): void => {
      local = channel
      pump(channel)
    }
    link.client.mux.openChannel('session', new Uint8Array(0), {}, { onOpen, onFailure: () => {} })
    link.run(3000)
    return local
  }

  test.each([
    ['knows that a window that never grows is what limits it', 100, gigabit, {}, true],
    ['knows that the link is what limits it', 5, gigabit, {}, false],
    ['has nothing to say of a window that grew', 100, gigabit, { maximumWindowSize: 32 * MiB }, false],
  ])('%s', (_, roundTripMs, bytesPerMs, limits, expected) => {
    expect(upload(roundTripMs, bytesPerMs, limits)?.isWindowLimited).toBe(expected)
  })
})

describe('on a short link', () => {
  test.each([
    ['loopback', 0.1, 2_000_000, 2 * MiB],
    ['a local network', 0.5, 10 * gigabit, 2 * MiB],
    ['a city', 5, gigabit, 4 * MiB],
  ])('the window stays small and does not limit: %s', (_, roundTripMs, bytesPerMs, largest) => {
    const transfer = download(roundTripMs, bytesPerMs)
    const expected = bytesPerMs / 1000
    expect(rate(transfer, 50, 150) / expected).toBeGreaterThan(0.98)
    expect(transfer.local.receiveWindowSize).toBeLessThanOrEqual(largest)
  })
})

test('a side that never asks for anything learns the round trip from the channels it confirms', () => {
  const accepted: Channel[] = []
  const link = new SimulatedLink({
    roundTripMs: 80,
    bytesPerMs: gigabit,
    server: {
      handlers: {
        onChannelOpen: (request) => {
          const channel = request.accept()
          channel.attach({})
          accepted.push(channel)
        },
      },
    },
  })
  link.client.mux.openChannel(
    'session',
    new Uint8Array(0),
    {},
    { onOpen: (channel) => void pump(channel), onFailure: () => {} },
  )
  link.run(2000)
  expect(link.server.mux.roundTripMs).toBeGreaterThanOrEqual(80)
  expect(link.server.mux.roundTripMs).toBeLessThan(85)
  expect(accepted[0]?.receiveWindowSize).toBe(32 * MiB)
})
