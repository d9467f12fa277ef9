/** Packets over a channel: their borders, windows, and what a hostile peer sends. */

import type { Duplex } from 'node:stream'
import { channelWindowAdjust } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { TunMode } from '../../src/forwarding/tun-packet.js'
import { type TunDropReason, TunStream } from '../../src/tun-stream.js'
import { Collector, channelPair, type MuxEndOptions } from '../mux-pair.js'

/** A packet that looks like IPv4. */
const ip = (text: string) => Buffer.from(`E${text}`)
const family = Buffer.from('00000002', 'hex')

function scene(mode: TunMode = 'tun', client: MuxEndOptions = {}, server: MuxEndOptions = {}) {
  const pair = channelPair(client, server, 'tun@openssh.com')
  const stream = new TunStream(pair.local, mode)
  const drops: [string, TunDropReason][] = []
  stream.on('drop', (packet: Uint8Array, reason: TunDropReason) => drops.push([Buffer.from(packet).toString(), reason]))
  return { ...pair, stream, drops }
}

/** Turns of the event loop, with messages carried in between. */
async function settle(pair: { flow(): void }): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    pair.flow()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Unlike `once`, an error is no failure of the wait. */
const closed = (stream: Duplex) => new Promise<void>((resolve) => stream.once('close', resolve))

const sizes = (pair: ReturnType<typeof scene>) => pair.client.logged('channelData').map(({ data }) => data.length)

describe('a stream of packets', () => {
  test('sends each as one message, however many wait', async () => {
    const pair = scene()
    const remote = new Collector(pair.remote)
    pair.stream.cork()
    for (const text of ['a', 'bb', 'ccc']) pair.stream.write(ip(text))
    pair.stream.uncork()
    await settle(pair)
    expect(sizes(pair)).toEqual([6, 7, 8])
    expect(remote.bytes).toEqual(Buffer.concat(['a', 'bb', 'ccc'].flatMap((text) => [family, ip(text)])))
  })

  test('reads each message as one packet, also those that came before anybody read', async () => {
    const pair = scene()
    for (const text of ['a', 'bb', 'ccc']) pair.remote.writePacket(Buffer.concat([family, ip(text)]))
    await settle(pair)
    pair.remote.writePacket(Buffer.concat([family, ip('dddd')]))
    pair.remote.end()
    await settle(pair)
    const packets: string[] = []
    for await (const packet of pair.stream) packets.push(Buffer.from(packet).toString())
    expect(packets).toEqual(['Ea', 'Ebb', 'Eccc', 'Edddd'])
  })

  test('never splits a packet: one that the window has no room for waits until it has', async () => {
    const pair = scene('tap', {}, { limits: { initialWindowSize: 1000 } })
    const chunks: Uint8Array[] = []
    const window = pair.remote.receiveWindowSize
    pair.remote.attach({ onData: (chunk) => void chunks.push(chunk) })
    const packet = Buffer.alloc(Math.floor(window * 0.4), 1)
    for (let count = 0; count < 4; count++) pair.stream.write(packet)
    await settle(pair)
    expect(chunks.map(({ length }) => length)).toEqual([packet.length, packet.length])
    pair.remote.release(packet.length * 2)
    await settle(pair)
    expect(chunks.map(({ length }) => length)).toEqual(Array.from({ length: 4 }, () => packet.length))
  })

  test('gives a packet’s window back once it was read, so that a reader that stops stops its sender', async () => {
    const pair = scene('tap')
    const packet = Buffer.alloc(1000)
    for (let count = 0; count < 5000; count++) pair.remote.writePacket(packet)
    await settle(pair)
    expect(pair.remote.bufferedBytes).toBeGreaterThan(2_000_000)
    let count = 0
    pair.stream.on('data', () => void count++)
    for (let turn = 0; turn < 100 && count < 5000; turn++) await settle(pair)
    expect([count, pair.stream.droppedPackets]).toEqual([5000, 0])
  })

  test('tells a writer to wait for the peer', async () => {
    const pair = scene('tap')
    pair.remote.attach({ onData: () => {} })
    let written = 0
    while (pair.stream.write(Buffer.alloc(30_000), () => void written++) && written < 200) await settle(pair)
    await settle(pair)
    expect(pair.stream.writableNeedDrain).toBe(true)
    expect(pair.local.bufferedBytes).toBeLessThan(1_000_000)
  })

  test('drops what is no packet or too large, and says so', async () => {
    const pair = scene('tun', {}, { limits: { maximumPacketSize: 100 } })
    const remote = new Collector(pair.remote)
    expect(pair.stream.largestPacket).toBe(96)
    pair.stream.write(Buffer.from('zzz'))
    pair.stream.write(ip('x'.repeat(96)))
    pair.stream.write(ip('x'.repeat(95)))
    pair.stream.write(Buffer.alloc(0))
    await settle(pair)
    expect(remote.length).toBe(100)
    expect(pair.drops).toEqual([
      ['zzz', 'invalid'],
      [`E${'x'.repeat(96)}`, 'too-large'],
      ['', 'invalid'],
    ])
    expect(pair.stream.droppedPackets).toBe(3)
  })

  test('drops what a peer sends that is no packet, and goes on', async () => {
    const pair = scene()
    const read: string[] = []
    pair.stream.on('data', (packet) => read.push(Buffer.from(packet).toString()))
    for (const data of ['', '00', '00000002', '0000000245', '0000001845', '000000ff45']) {
      pair.remote.writePacket(Buffer.from(data, 'hex'))
    }
    await settle(pair)
    expect(read).toEqual(['E'])
    expect(pair.drops.map(([, reason]) => reason)).toEqual(['invalid', 'invalid', 'invalid', 'invalid'])
  })

  test('a flood of the smallest packets does not pile up', async () => {
    const pair = scene('tap')
    for (let count = 0; count < 10_000; count++) pair.remote.writePacket(Buffer.of(1))
    await settle(pair)
    // Those that nobody reads, and what Node's stream holds before anybody has asked.
    expect(pair.stream.droppedPackets).toBe(10_000 - 4096)
    let count = 0
    pair.stream.on('data', () => void count++)
    await settle(pair)
    expect(count).toBe(4096)
  })

  test('ends with the channel, and the channel with it', async () => {
    const pair = scene()
    const remote = new Collector(pair.remote)
    pair.stream.end(ip('last'))
    await settle(pair)
    expect(remote.events).toEqual(['data', 'end'])
    const over = closed(pair.stream)
    pair.remote.close()
    pair.stream.resume()
    await settle(pair)
    await over
    await settle(pair)
    expect(remote.events.at(-1)).toBe('close')

    const other = scene()
    const end = new Collector(other.remote)
    other.stream.destroy()
    await settle(other)
    expect(end.events.at(-1)).toBe('close')
  })

  test('breaks with the connection, and crashes nothing', async () => {
    const pair = scene()
    const over = closed(pair.stream)
    pair.client.mux.end(new Error('cut'))
    await over
    expect(pair.stream.errored?.message).toBe('cut')
    const wrong = scene()
    const wrongOver = closed(wrong.stream)
    wrong.stream.write('text')
    await wrongOver
    expect(wrong.stream.errored).toBeInstanceOf(TypeError)
  })

  test('a peer that gives back more window than was used, as OpenSSH does, does not overflow it', async () => {
    const pair = channelPair({}, {}, 'tun@openssh.com')
    const remote = new Collector(pair.remote, true)
    expect(pair.local.writePacket(Buffer.of(1))).toBe(true)
    pair.flow()
    const adjust = (bytesToAdd: number) =>
      pair.client.mux.receive(channelWindowAdjust.encode({ recipientChannel: pair.local.localId, bytesToAdd }))
    for (let count = 0; count < 5; count++) adjust(0xffffffff)
    for (let count = 0; count < 3; count++) pair.local.writePacket(Buffer.alloc(200_000))
    pair.flow()
    expect(remote.length).toBe(600_001)
  })

  test('data and packets of one channel keep their order and their borders', () => {
    const pair = channelPair()
    const remote = new Collector(pair.remote)
    pair.local.write(Buffer.from('aa'))
    pair.local.write(Buffer.from('bb'))
    pair.local.writePacket(Buffer.from('cc'))
    pair.local.write(Buffer.from('dd'))
    pair.local.close()
    pair.flow()
    expect(remote.chunks.map((chunk) => Buffer.from(chunk).toString())).toEqual(['aabb', 'cc', 'dd'])
    expect(remote.events.at(-1)).toBe('close')
    expect(pair.local.writePacket(Buffer.from('late'))).toBe(false)
    expect(() => channelPair().local.writePacket(Buffer.alloc(1 << 20))).toThrow(RangeError)
  })
})
