import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeTunPacket, encodeTunPacket, largestTunPacket } from '../../src/forwarding/tun-packet.js'

const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex')

describe('packets of a tunnel', () => {
  test('have their address family in front, and frames nothing (OpenSSH PROTOCOL §2.3)', () => {
    expect(hex(encodeTunPacket('tun', Buffer.from('45aabb', 'hex')))).toBe('0000000245aabb')
    expect(hex(encodeTunPacket('tun', Buffer.from('60aabb', 'hex')))).toBe('0000001860aabb')
    expect(hex(encodeTunPacket('tap', Buffer.from('ffaabb', 'hex')))).toBe('ffaabb')
  })

  test('come back as they were', () => {
    const packet = fc
      .tuple(fc.constantFrom(0x45, 0x60), fc.uint8Array())
      .map(([first, rest]) => Buffer.from([first, ...rest]))
    fc.assert(
      fc.property(packet, fc.constantFrom('tun' as const, 'tap' as const), (bytes, mode) => {
        const data = encodeTunPacket(mode, bytes)
        expect(data && hex(decodeTunPacket(mode, data))).toBe(hex(bytes))
      }),
    )
  })

  test.for([
    ['tun', 'nothing', ''],
    ['tun', 'half a family', '0000'],
    ['tun', 'a family alone', '00000002'],
    ['tun', 'IPv4 that is called IPv6', '0000001845'],
    ['tun', 'IPv6 by the number of Linux', '0000000a60'],
    ['tun', 'what is no IP', '0000000210'],
    ['tap', 'nothing', ''],
  ] as const)('in mode %s, %s is none', ([mode, , data]) => {
    expect(decodeTunPacket(mode, Buffer.from(data, 'hex'))).toBeUndefined()
  })

  test('any bytes are a packet or none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 12 }), fc.constantFrom('tun' as const, 'tap' as const), (bytes, mode) => {
        const packet = decodeTunPacket(mode, bytes)
        if (packet !== undefined) expect(hex(encodeTunPacket(mode, packet))).toBe(hex(bytes))
      }),
    )
  })

  test('that are none are not sent', () => {
    expect(encodeTunPacket('tun', Buffer.alloc(0))).toBeUndefined()
    expect(encodeTunPacket('tap', Buffer.alloc(0))).toBeUndefined()
    expect(encodeTunPacket('tun', Buffer.from('ffff', 'hex'))).toBeUndefined()
    expect(encodeTunPacket('tap', Buffer.alloc(largestTunPacket + 1))).toBeUndefined()
    expect(decodeTunPacket('tap', Buffer.alloc(largestTunPacket + 1))).toBeUndefined()
  })
})
