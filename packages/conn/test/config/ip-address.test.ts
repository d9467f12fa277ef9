import { BlockList, isIP } from 'node:net'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isInBlock, parseCidr, parseIpAddress } from '../../src/config/ip-address.js'

describe('parseIpAddress', () => {
  it('accepts what node:net accepts', () => {
    const texts = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom('0', '1', 'f', ':', '.', '25', 'g'), maxLength: 20 }),
    )
    fc.assert(
      fc.property(texts, (text) => {
        expect(parseIpAddress(text) !== undefined).toBe(isIP(text) !== 0)
      }),
      { numRuns: 2000 },
    )
  })

  it.each(['010.0.0.1', '1.2.3', '1.2.3.256', '::1::', '1:2:3:4:5:6:7', ':::', '::1.2.3.4:5', '1.2.3.4::', ''])(
    'refuses %j',
    (text) => {
      expect(parseIpAddress(text)).toBeUndefined()
    },
  )

  it('reads an IPv4 address in IPv6 form as the IPv4 address', () => {
    expect(parseIpAddress('::ffff:192.0.2.1')).toEqual(parseIpAddress('192.0.2.1'))
  })

  it('leaves out the zone', () => {
    expect(parseIpAddress('fe80::1%eth0')).toEqual(parseIpAddress('fe80::1'))
  })
})

describe('parseCidr', () => {
  it.each(['192.0.2.0/33', '192.0.2.1/24', '::/129', '192.0.2.0/', '192.0.2.0/08', '192.0.2.0/-1', 'host/8', '/8'])(
    'refuses %j',
    (text) => {
      expect(parseCidr(text)).toBeUndefined()
    },
  )

  it('takes an address alone as a block of one', () => {
    expect(parseCidr('192.0.2.1')).toEqual({ base: Uint8Array.of(192, 0, 2, 1), prefixLength: 32 })
  })

  it('agrees with node:net on who is in a block', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 32 }), fc.nat({ max: 2 ** 32 - 1 }), fc.ipV4(), (bits, number, address) => {
        const masked = bits === 0 ? 0 : (number & (-1 << (32 - bits))) >>> 0
        const base = [24, 16, 8, 0].map((shift) => (masked >>> shift) & 0xff).join('.')
        const list = new BlockList()
        list.addSubnet(base, bits, 'ipv4')
        expect(isInBlock(parseCidr(`${base}/${bits}`)!, parseIpAddress(address)!)).toBe(list.check(address))
      }),
    )
  })

  it('does not find an IPv6 address in an IPv4 block', () => {
    expect(isInBlock(parseCidr('0.0.0.0/0')!, parseIpAddress('::1')!)).toBe(false)
  })
})
