import { describe, expect, test } from 'vitest'
import { parseX11Display, x11Addresses } from '../../src/forwarding/x11-display.js'

describe('names of X displays', () => {
  test.for([
    [':0', { host: undefined, display: 0, screen: 0 }],
    [':1.2', { host: undefined, display: 1, screen: 2 }],
    ['unix:3', { host: undefined, display: 3, screen: 0 }],
    ['unix/host:3', { host: undefined, display: 3, screen: 0 }],
    ['localhost:10.0', { host: 'localhost', display: 10, screen: 0 }],
    ['tcp/host.example:2.1', { host: 'host.example', display: 2, screen: 1 }],
    ['192.0.2.7:59535', { host: '192.0.2.7', display: 59535, screen: 0 }],
    ['[2001:db8::1]:0', { host: '2001:db8::1', display: 0, screen: 0 }],
  ] as const)('%s is taken apart', ([name, parts]) => {
    expect(parseX11Display(name)).toEqual({ path: undefined, ...parts })
  })

  test('a path is the name of a socket, as on macOS', () => {
    const display = parseX11Display('/private/tmp/com.apple.launchd.x/org.xquartz:0.1')
    expect(display).toMatchObject({ host: undefined, display: 0, screen: 1 })
    expect(x11Addresses(display, 'darwin')).toEqual([{ path: '/private/tmp/com.apple.launchd.x/org.xquartz:0' }])
  })

  test('a display of this machine is looked for behind its socket, and at no port that anybody can have', () => {
    for (const name of [':7', 'unix:7']) {
      expect(x11Addresses(parseX11Display(name), 'linux')).toEqual([{ path: '/tmp/.X11-unix/X7' }])
    }
    expect(x11Addresses(parseX11Display(':7'), 'win32')).toEqual([{ host: 'localhost', port: 6007 }])
    expect(x11Addresses(parseX11Display('host:7'), 'linux')).toEqual([{ host: 'host', port: 6007 }])
  })

  test.for([
    '',
    '0',
    ':',
    'host',
    'host:x',
    'host::0',
    ':59536',
    ':-1',
    ':0.',
    'a b:0',
    'a\n:0',
    '/tmp/\0:0',
    '[x]:0',
    `${'h'.repeat(5000)}:0`,
  ])('%j is refused', (name) => {
    expect(() => parseX11Display(name)).toThrow(expect.objectContaining({ code: 'ERR_SSH_X11_DISPLAY' }))
  })
})
