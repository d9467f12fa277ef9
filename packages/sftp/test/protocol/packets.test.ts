import { concatBytes } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SftpError } from '../../src/errors.js'
import {
  dataHeadroom,
  dataOfPacket,
  finishDataPacket,
  finishWritePacket,
  writeHeadroom,
} from '../../src/protocol/data-packets.js'
import { framePacket, maximumPacketLength, PacketReader } from '../../src/protocol/framing.js'
import { replies, replyMessages, requestMessages, requests } from '../../src/protocol/packets.js'

describe('the message table', () => {
  test('has every number of version 3 once', () => {
    const numbers = (set: { definitions: readonly { number: number }[] }) => set.definitions.map(({ number }) => number)
    expect(numbers(requestMessages)).toEqual([1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 200])
    expect(numbers(replyMessages)).toEqual([2, 101, 102, 103, 104, 105, 201])
  })

  test('symlink travels target first, as OpenSSH sends it', () => {
    const bytes = requests.symlink.encode({ id: 1, targetPath: 'target', linkPath: 'link' })
    expect(Buffer.from(bytes).toString('latin1')).toContain('target\0\0\0\x04link')
  })

  test('a status may lack its text, or the language of it', () => {
    const whole = replies.status.encode({ id: 7, code: 2, message: '', languageTag: '' })
    for (const cut of [0, 4, 8]) {
      expect(replies.status.decode(whole.subarray(0, whole.length - cut))).toEqual({
        type: 'status',
        id: 7,
        code: 2,
        message: '',
        languageTag: '',
      })
    }
  })

  test('truncation at every byte of every message is a typed error', () => {
    const attrs = { size: 1, uid: 1, gid: 1, permissions: 1, atime: 1, mtime: 1 }
    const handle = Buffer.from('h')
    const samples = [
      requests.open.encode({ id: 1, path: 'p', flags: 1, attrs }),
      requests.read.encode({ id: 1, handle, offset: 5, length: 6 }),
      requests.write.encode({ id: 1, handle, offset: 5, data: handle }),
      requests.rename.encode({ id: 1, oldPath: 'a', newPath: 'b' }),
      replies.handle.encode({ id: 1, handle }),
      replies.name.encode({ id: 1, entries: [{ fileName: 'a', longName: 'b', attrs }] }),
      replies.attrs.encode({ id: 1, attrs }),
    ]
    for (const sample of samples) {
      const set = requestMessages.has(sample[0] ?? 0) ? requestMessages : replyMessages
      expect(set.decode(sample)).toBeDefined()
      for (let length = 0; length < sample.length; length++) {
        expect(() => set.decode(sample.subarray(0, length))).toThrow(/ERR|Expected|cannot fit|found/)
      }
    }
  })
})

describe('packets laid out by hand', () => {
  const uint32 = fc.nat({ max: 0xffffffff })

  test('WRITE is what the table writes', () => {
    fc.assert(
      fc.property(
        uint32,
        fc.uint8Array({ maxLength: 40 }),
        fc.maxSafeNat(),
        fc.uint8Array(),
        (id, handle, offset, data) => {
          const packet = Buffer.alloc(writeHeadroom(handle) + data.length)
          packet.set(data, writeHeadroom(handle))
          const expected = framePacket(requests.write.encode({ id, handle, offset, data }))
          expect(finishWritePacket(packet, id, handle, offset)).toEqual(expected)
        },
      ),
    )
  })

  test('DATA is what the table writes, and is read from any cut of it', () => {
    fc.assert(
      fc.property(uint32, fc.uint8Array({ minLength: 1 }), fc.nat({ max: 30 }), (id, data, cut) => {
        const packet = Buffer.alloc(dataHeadroom + data.length)
        packet.set(data, dataHeadroom)
        expect(finishDataPacket(packet, id)).toEqual(framePacket(replies.data.encode({ id, data })))
        const payload = packet.subarray(4)
        const { chunks, length } = dataOfPacket([payload.subarray(0, cut), payload.subarray(cut)])
        expect(length).toBe(data.length)
        expect(Buffer.from(concatBytes(chunks))).toEqual(Buffer.from(data))
      }),
    )
  })

  test('F6: DATA whose inner length is not what follows is a protocol error', () => {
    const packet = Buffer.from(replies.data.encode({ id: 1, data: Buffer.from('abc') }))
    for (const length of [0, 2, 4, 0xffffffff]) {
      packet.writeUInt32BE(length, 5)
      expect(() => dataOfPacket([packet])).toThrow(expect.objectContaining({ code: 'ERR_SFTP_PROTOCOL' }))
    }
  })
})

describe('framing', () => {
  test('E9: packets come whole from any chunking', () => {
    const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(payloads, fc.integer({ min: 1, max: 20 }), (sent, chunkSize) => {
        const stream = concatBytes(sent.map(framePacket))
        const reader = new PacketReader()
        const received: Buffer[] = []
        for (let offset = 0; offset < stream.length; offset += chunkSize) {
          reader.push(stream.subarray(offset, offset + chunkSize))
          for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
            received.push(Buffer.from(concatBytes(packet)))
          }
        }
        expect(received).toEqual(sent.map((payload) => Buffer.from(payload)))
        expect(reader.pending).toBe(0)
      }),
    )
  })

  test('E9: packets with memory of their own come whole from any chunking, and so do those between them', () => {
    const payloads = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(payloads, fc.integer({ min: 1, max: 40 }), (sent, chunkSize) => {
        const stream = concatBytes(sent.map(framePacket))
        const placed: Uint8Array[] = []
        const reader = new PacketReader({
          startLength: 3,
          place(start, restLength) {
            expect(start.length).toBe(3)
            if ((start[0] ?? 0) % 2 === 0) return undefined
            const memory = new Uint8Array(restLength)
            placed.push(memory)
            return memory
          },
        })
        const received: Buffer[] = []
        for (let offset = 0; offset < stream.length; offset += chunkSize) {
          reader.push(stream.subarray(offset, offset + chunkSize))
          for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
            received.push(Buffer.from(concatBytes(packet)))
          }
        }
        expect(received).toEqual(sent.map((payload) => Buffer.from(payload)))
        const odd = sent.filter((payload) => payload.length >= 3 && (payload[0] ?? 0) % 2 === 1)
        expect(placed.map((memory) => Buffer.from(memory))).toEqual(
          odd.map((payload) => Buffer.from(payload.subarray(3))),
        )
        expect(reader.pending).toBe(0)
      }),
    )
  })

  test.each([0, maximumPacketLength + 1, 0xffffffff])(
    'E9: a length of %d is refused from its four bytes alone',
    (length) => {
      const header = Buffer.alloc(4)
      header.writeUInt32BE(length)
      const reader = new PacketReader()
      for (const byte of header) reader.push(Uint8Array.of(byte))
      expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'ERR_SFTP_PROTOCOL' }))
    },
  )

  test('the greatest length is taken', () => {
    const reader = new PacketReader()
    reader.push(framePacket(new Uint8Array(maximumPacketLength)))
    expect(concatBytes(reader.next() ?? []).length).toBe(maximumPacketLength)
  })

  test('text where a length should be says what printed it, without its escapes', () => {
    const reader = new PacketReader()
    reader.push(Buffer.from('Welcome to \x1b[31mserver!\n'))
    let message = ''
    try {
      reader.next()
    } catch (error) {
      expect(error).toBeInstanceOf(SftpError)
      message = (error as Error).message
    }
    expect(message).toContain('printed text before SFTP: "Welcome to \\x1b[31mserver!')
  })
})
