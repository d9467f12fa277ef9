import { describe, expect, it } from 'vitest'
import { faultOfAddressList, isInAddressList } from '../../src/config/address-list.js'

describe('isInAddressList', () => {
  it.each([
    ['192.0.2.0/24', '192.0.2.9', undefined, true],
    ['192.0.2.0/24', '192.0.3.9', undefined, false],
    ['192.0.2.*', '192.0.2.9', undefined, true],
    ['::1', '0:0:0:0:0:0:0:1', undefined, true],
    ['192.0.2.0/24', '::ffff:192.0.2.9', undefined, true],
    ['*.example.com', '192.0.2.9', 'WWW.example.com', true],
    ['*.example.com', '192.0.2.9', undefined, false],
    ['*,!192.0.2.9', '192.0.2.9', undefined, false],
    ['192.0.2.9,!bad.example.com', '192.0.2.9', 'bad.example.com', false],
    ['!192.0.2.0/24', '198.51.100.1', undefined, false],
    ['2001:db8::/32', '2001:db8::1', undefined, true],
  ])('%j lets in %j (%s): %j', (list, address, host, expected) => {
    expect(isInAddressList(list, address, host)).toBe(expected)
  })

  it('lets in nobody without an address', () => {
    expect(isInAddressList('*', undefined)).toBe(false)
    expect(isInAddressList('*', 'not an address')).toBe(false)
  })

  it.each(['', '192.0.2.1/24,*', '*,', '!,*'])('lets in nobody by the faulty list %j', (list) => {
    expect(faultOfAddressList(list)).toBeDefined()
    expect(isInAddressList(list, '192.0.2.1', 'host')).toBe(false)
  })
})
