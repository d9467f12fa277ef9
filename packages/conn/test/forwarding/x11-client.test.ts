/** X11 channels of a client, from a server that may be hostile: two muxes in memory, and a display in memory. */

import { memoryChannelPair } from '@ssh/testkit'
import { type ByteChannel, channelTypes } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/connection/channel.js'
import { Incoming } from '../../src/connection/incoming.js'
import { X11Client, type X11Grant, type X11Target } from '../../src/forwarding/x11-client.js'
import { encodeX11Setup } from '../../src/forwarding/x11-setup.js'
import { Collector, muxPair } from '../mux-pair.js'

const realCookie = Buffer.from('the real cookie!')
const originator = channelTypes.encode('x11', { originatorAddress: '127.0.0.1', originatorPort: 40000 })

/** A client with its display; `server` is whoever opens channels. */
function scene(target: Partial<X11Target> = {}) {
  const displays: Collector[] = []
  const ends: ByteChannel[] = []
  const refusals: string[] = []
  const incoming = new Incoming({ reasonCode: 1, description: 'not asked for' })
  const client = new X11Client(incoming, (why) => void refusals.push(why))
  const pair = muxPair({ handlers: { onChannelOpen: (request) => incoming.channelRequested(request) } })
  const display: X11Target = {
    cookie: realCookie,
    screen: 0,
    connect: async () => {
      const [ours, theirs] = memoryChannelPair()
      displays.push(new Collector(theirs))
      ends.push(theirs)
      return ours
    },
    ...target,
  }
  /** Carries messages until promises that are due have settled. */
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) {
      pair.flow()
      await Promise.resolve()
    }
  }
  const open = (): { channel?: Channel; error?: Error } => {
    const result: { channel?: Channel; error?: Error } = {}
    pair.server.mux.openChannel(
      'x11',
      originator,
      {},
      {
        onOpen: (channel) => {
          result.channel = channel
        },
        onFailure: (error) => {
          result.error = error
        },
      },
    )
    pair.flow()
    return result
  }
  const connect = async (bytes: Uint8Array): Promise<Collector & { readonly channel: Channel }> => {
    const { channel } = open()
    if (channel === undefined) throw new Error('The channel was refused')
    const collector = Object.assign(new Collector(channel), { channel })
    channel.write(bytes)
    await settle()
    return collector
  }
  return { client, pair, target: display, displays, ends, refusals, open, connect, settle }
}

const setupWith = (cookie: Uint8Array, protocol = 'MIT-MAGIC-COOKIE-1', byteOrder: 'big' | 'little' = 'little') =>
  encodeX11Setup({
    byteOrder,
    majorVersion: 11,
    minorVersion: 0,
    authorizationProtocol: protocol,
    authorizationData: cookie,
  })

const cookieOf = (grant: X11Grant) => Buffer.from(grant.request.authenticationCookie, 'hex')

describe('X11 channels of a server', () => {
  test('are refused unless a session asked for X11, and once it is over (D12)', async () => {
    const { client, target, open } = scene()
    expect(open().error).toMatchObject({ reasonCode: 1 })
    const grant = client.grant(target, { singleConnection: false })
    const other = client.grant(target, { singleConnection: false })
    grant.revoke()
    expect(open().channel).toBeDefined()
    other.revoke()
    other.revoke()
    expect(open().error).toMatchObject({ reasonCode: 1 })
    const again = client.grant(target, { singleConnection: false })
    expect(open().channel).toBeDefined()
    again.revoke()
  })

  test.for(['big', 'little'] as const)(
    'reach the display with its cookie in place of the invented one, %s-endian',
    async (byteOrder) => {
      const { client, target, displays, ends, connect, settle } = scene()
      const grant = client.grant(target, { singleConnection: false })
      expect(grant.request.authenticationCookie).toMatch(/^[\da-f]{32}$/)
      expect(grant.request).toMatchObject({ authenticationProtocol: 'MIT-MAGIC-COOKIE-1', screenNumber: 0 })
      const setup = setupWith(cookieOf(grant), undefined, byteOrder)
      const program = await connect(Buffer.concat([setup, Buffer.from('first request')]))
      const expected = setupWith(realCookie, undefined, byteOrder)
      expect(displays[0]?.bytes).toEqual(Buffer.concat([expected, Buffer.from('first request')]))
      ends[0]?.write(Buffer.from('reply'))
      await settle()
      expect(program.bytes).toEqual(Buffer.from('reply'))
      // A session that is over lets nobody new in, but does not take a window from whoever has one.
      grant.revoke()
      program.channel.write(Buffer.from('more'))
      await settle()
      expect(displays[0]?.bytes.subarray(-4)).toEqual(Buffer.from('more'))
      program.channel.end()
      ends[0]?.end()
      await settle()
      expect(program.events.at(-1)).toBe('close')
      expect(displays[0]?.events.at(-1)).toBe('close')
    },
  )

  test('byte by byte, with a display that is slow to answer, nothing is lost', async () => {
    const connected: ((channel: ByteChannel) => void)[] = []
    const { client, target, open, settle } = scene({ connect: () => new Promise((resolve) => connected.push(resolve)) })
    const grant = client.grant(target, { singleConnection: false })
    const { channel } = open()
    for (const byte of Buffer.concat([setupWith(cookieOf(grant)), Buffer.from('hello display')])) {
      channel?.write(Buffer.of(byte))
      await settle()
    }
    channel?.end()
    await settle()
    const [ours, theirs] = memoryChannelPair()
    const display = new Collector(theirs)
    connected[0]?.(ours)
    await settle()
    expect(display.bytes).toEqual(Buffer.concat([setupWith(realCookie), Buffer.from('hello display')]))
    expect(display.events.at(-1)).toBe('end')
  })

  test('ask a display without a cookie on file without any', async () => {
    const { client, target, displays, connect } = scene({ cookie: undefined })
    const grant = client.grant(target, { singleConnection: false })
    await connect(setupWith(cookieOf(grant)))
    expect(displays[0]?.bytes).toEqual(setupWith(Buffer.alloc(0), ''))
  })

  test.for([
    ['a wrong cookie', () => setupWith(Buffer.alloc(16))],
    ['no cookie', () => setupWith(Buffer.alloc(0), '')],
    ['a cookie that is too short', (cookie: Buffer) => setupWith(cookie.subarray(0, 15))],
    ['a cookie that is too long', (cookie: Buffer) => setupWith(Buffer.concat([cookie, cookie]))],
    ['another protocol', (cookie: Buffer) => setupWith(cookie, 'XDM-AUTHORIZATION-1')],
    ['the real cookie', () => setupWith(realCookie)],
  ] as const)('with %s are told so, and the display never hears of them (A13)', async ([, bytesFor]) => {
    const { client, target, displays, refusals, connect } = scene()
    const grant = client.grant(target, { singleConnection: false })
    const program = await connect(bytesFor(cookieOf(grant)))
    expect(program.bytes[0]).toBe(0)
    expect(Buffer.from(program.bytes).toString('latin1', 8)).toContain('authorization is wrong')
    expect(program.events.at(-1)).toBe('close')
    expect(displays).toEqual([])
    expect(refusals).toHaveLength(1)
  })

  test('that bring no setup are closed', async () => {
    const { client, target, displays, refusals, connect, settle } = scene()
    client.grant(target, { singleConnection: false })
    const program = await connect(Buffer.from('GET / HTTP/1.0'))
    expect(program.events).toEqual(['end', 'close'])
    const silent = await connect(new Uint8Array(0))
    silent.channel.end()
    await settle()
    expect(silent.events).toEqual(['end', 'close'])
    expect(displays).toEqual([])
    expect(refusals).toHaveLength(2)
  })

  test('the first connection is the only one where a single one was granted', async () => {
    const { client, target, displays, connect, open } = scene()
    const grant = client.grant(target, { singleConnection: true })
    const other = client.grant(target, { singleConnection: false })
    expect(grant.request.singleConnection).toBe(true)
    await connect(setupWith(Buffer.alloc(16)))
    expect(displays).toHaveLength(0)
    await connect(setupWith(cookieOf(grant)))
    expect(displays).toHaveLength(1)
    const second = await connect(setupWith(cookieOf(grant)))
    expect(second.bytes[0]).toBe(0)
    expect(displays).toHaveLength(1)
    other.revoke()
    expect(open().error).toMatchObject({ reasonCode: 1 })
  })

  test('that never say who they are are bounded', async () => {
    const { client, target, open, settle } = scene()
    const grant = client.grant(target, { singleConnection: false })
    const channels = Array.from({ length: 64 }, () => open().channel)
    expect(open().error).toMatchObject({ reasonCode: 4 })
    channels[0]?.write(setupWith(cookieOf(grant)))
    await settle()
    expect(open().channel).toBeDefined()
    channels[1]?.abort()
    await settle()
    expect(open().channel).toBeDefined()
    expect(open().error).toMatchObject({ reasonCode: 4 })
  })

  test('are told when the display cannot be reached', async () => {
    const { client, target, refusals, connect } = scene({ connect: () => Promise.reject(new Error('nobody there')) })
    const grant = client.grant(target, { singleConnection: false })
    const program = await connect(setupWith(cookieOf(grant)))
    expect(Buffer.from(program.bytes).toString('latin1', 8)).toContain('cannot be reached')
    expect(program.events.at(-1)).toBe('close')
    expect(refusals).toEqual(['nobody there'])
  })

  test('that go while the display is connected to leave nothing open', async () => {
    const asked: AbortSignal[] = []
    const connected: ((channel: ByteChannel) => void)[] = []
    const { client, target, connect, settle } = scene({
      connect: (signal) => {
        asked.push(signal)
        return new Promise((resolve) => connected.push(resolve))
      },
    })
    const grant = client.grant(target, { singleConnection: false })
    const program = await connect(setupWith(cookieOf(grant)))
    program.channel.abort()
    await settle()
    expect(asked[0]?.aborted).toBe(true)
    const [ours, theirs] = memoryChannelPair()
    const display = new Collector(theirs)
    connected[0]?.(ours)
    await settle()
    expect(display.events.at(-1)).toBe('close')
  })

  test('what a program sends before it is let in stays within its window', async () => {
    const { client, target, connect, settle } = scene({ connect: () => new Promise(() => {}) })
    const grant = client.grant(target, { singleConnection: false })
    const program = await connect(setupWith(cookieOf(grant)))
    const chunk = Buffer.alloc(1024 * 1024)
    for (let count = 0; count < 8; count++) program.channel.write(chunk)
    await settle()
    // 2 MiB of window, and the rest waits at the other side.
    expect(program.channel.bufferedBytes).toBeGreaterThan(5 * 1024 * 1024)
  })
})
