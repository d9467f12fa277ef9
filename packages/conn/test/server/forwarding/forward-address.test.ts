import { describe, expect, test } from 'vitest'
import {
  faultOfDestination,
  faultOfListenAddress,
  faultOfNativePath,
  faultOfPath,
  type GatewayPorts,
  hostToListenOn,
} from '../../../src/server/forwarding/forward-address.js'

describe('what a client may name', () => {
  test.each([
    ['host', 80],
    ['192.0.2.1', 65535],
    ['fe80::1%eth0', 1],
    ['bücher.example', 443],
  ])('%s port %d is a destination', (host, port) => expect(faultOfDestination(host, port)).toBeUndefined())

  test.each([
    ['', 80],
    ['host', 0],
    ['host', 65536],
    ['host', 70000],
    ['host', 4294967295],
    ['evil.example\0.good.example', 80],
    ['host name', 80],
    ['host\n', 80],
    ['h'.repeat(256), 80],
  ])('%j port %d is none (D14)', (host, port) => expect(faultOfDestination(host, port)).toEqual(expect.any(String)))

  test('an empty address and port 0 are for listening only', () => {
    expect(faultOfListenAddress('', 0)).toBeUndefined()
    expect(faultOfListenAddress('*', 8080)).toBeUndefined()
    expect(faultOfListenAddress('', 70000)).toBe('there is no port 70000')
  })

  test.each(['', 'a\0b', '..', '../x', '/a/../b', '/a/..', 'a\\..\\b', `/${'x'.repeat(5000)}`])(
    'no socket is at %j (D14)',
    (path) => expect(faultOfPath(path)).toEqual(expect.any(String)),
  )

  test('a path that only a callback sees may be relative, one that this process uses may not', () => {
    expect(faultOfPath('docker')).toBeUndefined()
    expect(faultOfNativePath('docker')).toBe('the path is not absolute')
    expect(faultOfNativePath('/run/a..b/..c')).toBeUndefined()
    expect(faultOfNativePath('\0abstract')).toBe('the path has a NUL')
  })
})

describe('where a client gets a listener (RFC 4254 §7.1, GatewayPorts)', () => {
  test.each<[GatewayPorts, string, string]>([
    [false, '', 'localhost'],
    [false, '*', 'localhost'],
    [false, '0.0.0.0', 'localhost'],
    [false, '::', 'localhost'],
    [false, 'localhost', 'localhost'],
    [false, '192.0.2.1', 'localhost'],
    [false, '127.0.0.1', '127.0.0.1'],
    [false, '::1', '::1'],
    [true, '', ''],
    [true, 'localhost', ''],
    [true, '192.0.2.1', ''],
    ['clientspecified', '', ''],
    ['clientspecified', '*', ''],
    ['clientspecified', 'localhost', 'localhost'],
    ['clientspecified', '127.0.0.1', '127.0.0.1'],
    ['clientspecified', '0.0.0.0', '0.0.0.0'],
    ['clientspecified', '::', '::'],
    ['clientspecified', '192.0.2.1', '192.0.2.1'],
    ['clientspecified', 'inside.example', 'inside.example'],
  ])('gatewayPorts %s, %j', (option, host, expected) => expect(hostToListenOn(host, option)).toBe(expected))
})
