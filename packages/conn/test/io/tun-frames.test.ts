import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeTunFrame, TunFrames } from '../../src/io/tun-frames.js'

test('packets come out as they went in, however the bytes between are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), fc.integer({ min: 1, max: 60 }), (packets, size) => {
      const bytes = Buffer.concat(packets.map((packet) => encodeTunFrame(packet)))
      const frames = new TunFrames()
      const received: Uint8Array[] = []
      for (let at = 0; at < bytes.length; at += size) received.push(...frames.receive(bytes.subarray(at, at + size)))
      expect(received.map((packet) => Buffer.from(packet))).toEqual(packets.map((packet) => Buffer.from(packet)))
    }),
  )
})

test('a length that no packet has is refused before it is waited for', () => {
  expect(() => new TunFrames().receive(Buffer.from('ffffffff', 'hex'))).toThrow(RangeError)
})
