import { memoryChannelPair } from '@ssh/testkit'
import { concatBytes, Writer } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dialects } from '../../../src/protocol/dialect.js'
import { framePacket, maximumPacketLength } from '../../../src/protocol/framing.js'
import { openFlags } from '../../../src/protocol/open-flags.js'
import { requests } from '../../../src/protocol/packets.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { serveSftp } from '../../../src/server/serve-sftp.js'
import { RawClient } from '../../scripted-peers.js'
import { attack, everyRequest, rawOpen, rawPath, status } from './attack.js'

const { write, create } = openFlags

describe('E9: what breaks the framing or the handshake ends the channel', () => {
  const header = (length: number) => new Writer().writeUint32(length).finish()
  test.each<[string, Uint8Array]>([
    ['a length of 0', header(0)],
    ['a length over the cap', header(maximumPacketLength + 1)],
    ['a length of 4 GiB', header(0xffffffff)],
    ['a second INIT', framePacket(requests.init.encode({ version: 3, extensions: [] }))],
    ['a request without an id', framePacket(Buffer.of(17, 0, 0))],
    ['a request cut short', framePacket(Buffer.of(17, 0, 0, 0, 1, 0, 0, 0, 9, 65))],
    ['bytes after a request', framePacket(concatBytes([rawPath(17, 1, 'a'), Buffer.of(0)]))],
    ['an inner length of 4 GiB', framePacket(Buffer.of(17, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff))],
  ])('%s', async (_name, bytes) => {
    const { client, session } = attack(new MemoryHandler())
    client.channel.write(bytes)
    await session.closed
    expect(client.isClosed).toBe(true)
  })

  test('a request before INIT', async () => {
    const [near, far] = memoryChannelPair()
    const session = serveSftp(far, new MemoryHandler())
    const client = new RawClient(near)
    client.channel.write(framePacket(rawPath(17, 1, '/')))
    await session.closed
    expect(client.replies).toEqual([])
  })

  test('an unknown request is only unsupported', async () => {
    const { client } = attack(new MemoryHandler())
    expect(await status(client.ask((id) => Buffer.of(77, 0, 0, 0, id, 1, 2, 3)))).toBe(8)
    for (const request of ['nobody@knows', 'copy-file', '__proto__', 'statvfs@openssh.com']) {
      const answer = client.ask((id) => requests.extended.encode({ id, request, payload: Buffer.alloc(3) }))
      expect(await status(answer)).toBe(8)
    }
    const malformed = client.ask((id) =>
      requests.extended.encode({ id, request: 'hardlink@openssh.com', payload: Buffer.alloc(3) }),
    )
    expect(await status(malformed)).toBe(5)
  })

  test('a session cut at any byte leaves no handle open', async () => {
    const script = concatBytes([
      framePacket(requests.init.encode({ version: 3, extensions: [] })),
      framePacket(rawOpen(1, 'a', write | create)),
      framePacket(requests.opendir.encode({ id: 2, path: '/' })),
      framePacket(rawPath(17, 3, 'a')),
    ])
    for (let cut = 0; cut <= script.length; cut++) {
      let open = 0
      class Counting extends MemoryHandler {
        override open(...args: Parameters<MemoryHandler['open']>) {
          open++
          return super.open(...args)
        }
        override close() {
          open--
        }
      }
      const [near, far] = memoryChannelPair({ chunkSize: 1 })
      const session = serveSftp(far, new Counting())
      near.attach({ onData: (chunk) => near.release(chunk.length) })
      near.write(script.subarray(0, cut))
      near.close()
      await session.closed
      expect(open).toBe(0)
    }
  })
})

test('E9: a session is the same however its bytes are split', async () => {
  const script = concatBytes([
    framePacket(requests.init.encode({ version: 3, extensions: [] })),
    framePacket(rawOpen(1, 'a', write | create)),
    framePacket(rawPath(17, 2, 'a')),
    framePacket(rawPath(16, 3, '.')),
    framePacket(rawPath(11, 4, '/')),
  ])
  for (let split = 1; split < script.length; split++) {
    const [near, far] = memoryChannelPair()
    const session = serveSftp(far, new MemoryHandler())
    const client = new RawClient(near)
    near.write(script.subarray(0, split))
    await new Promise((resolve) => setImmediate(resolve))
    near.write(script.subarray(split))
    await expect.poll(() => client.replies.length, { interval: 1 }).toBe(5)
    expect(client.replies.map(({ type }) => type).sort()).toEqual(['attrs', 'handle', 'handle', 'name', 'version'])
    await session.close()
  }
})

test('E9: requests that are bent in any way are refused or end the channel, and the next session is none the wiser', async () => {
  const bend = fc.record({
    version: fc.nat(3),
    which: fc.nat(100),
    at: fc.nat(60),
    with: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff),
    cut: fc.nat(8),
  })
  const property = fc.asyncProperty(fc.array(bend, { minLength: 1, maxLength: 12 }), async (bends) => {
    const dialect = dialects[bends[0]?.version ?? 0] ?? expect.fail()
    const memory = new MemoryHandler()
    const { client, session } = attack(memory, { dialect })
    const handle = await client.open('a', write | create)
    const all = everyRequest(dialect, { path: 'a', newPath: 'b', handle })
    for (const [index, { which, at, with: byte, cut }] of bends.entries()) {
      const packet = Buffer.from(all[which % all.length]?.build(1000 + index) ?? expect.fail())
      packet[1 + (at % (packet.length - 1))] = byte
      client.channel.write(framePacket(packet.subarray(0, Math.max(1, packet.length - cut))))
    }
    await session.close()
    expect(client.isClosed).toBe(true)
    const next = attack(memory).client
    expect(await status(next.ask((id) => rawPath(17, id, '/')))).toBe('attrs')
  })
  await fc.assert(property, { numRuns: 300 })
})
