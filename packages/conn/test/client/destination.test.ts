import { describe, expect, test } from 'vitest'
import { parseDestination } from '../../src/client/destination.js'

describe('a destination is taken apart', () => {
  test.each<[Parameters<typeof parseDestination>[0], string, number | undefined, string | undefined]>([
    ['host', 'host', undefined, undefined],
    ['host.example:2222', 'host.example', 2222, undefined],
    ['user@host', 'host', undefined, 'user'],
    ['user@host:1', 'host', 1, 'user'],
    ['me@mail.example@host', 'host', undefined, 'me@mail.example'],
    ['::1', '::1', undefined, undefined],
    ['fe80::1%eth0', 'fe80::1%eth0', undefined, undefined],
    ['[::1]', '::1', undefined, undefined],
    ['user@[2001:db8::1]:65535', '2001:db8::1', 65535, 'user'],
    ['ssh://host', 'host', undefined, undefined],
    ['SSH://user@host:22/', 'host', 22, 'user'],
    ['ssh://me%40mail.example@[::1]:22', '::1', 22, 'me@mail.example'],
    ['bücher.example', 'bücher.example', undefined, undefined],
    [{ host: 'host' }, 'host', undefined, undefined],
    [{ host: '::1', port: 22, username: 'user' }, '::1', 22, 'user'],
  ])('%j', (destination, host, port, username) => {
    expect(parseDestination(destination)).toEqual({ host, port, username })
  })
})

describe('what nobody should connect to is refused', () => {
  test.each<unknown>([
    '',
    ' ',
    'a b',
    'a\nb',
    'a\0b',
    '-oProxyCommand=x',
    'user@-x',
    '$(reboot)',
    '`reboot`',
    'a;b',
    'a|b',
    "a'b",
    'a\\b',
    'a/b',
    '%h',
    'user@',
    '@host',
    'us\ner@host',
    'us\u202eer@host',
    'host:',
    'host:0',
    'host:65536',
    'host:1e3',
    'host:-1',
    '1:2:3',
    '::g',
    'a'.repeat(1025),
    `${'a'.repeat(1025)}@host`,
    '[::1',
    '[::1]x',
    '[]:22',
    'ssh://',
    'ssh://host/path',
    'ssh://%',
    'ssh://a%00b',
    'ssh://a%0ab',
    'ssh://%2dx',
    'ssh://a%40b',
    'ssh://a@b@c',
    null,
    undefined,
    7,
    {},
    { host: '' },
    { host: 'x', port: 1.5 },
    { host: 'x', port: '22' },
    { host: 'x', username: '' },
    { host: 'x', user: 'y' },
  ])('%j', (destination) => {
    expect(() => parseDestination(destination as string)).toThrow(expect.objectContaining({ name: 'OptionsError' }))
  })

  test('an address with a password in it is not even repeated', () => {
    const parse = () => parseDestination('ssh://user:hunter2@host')
    expect(parse).toThrow('must not hold a password')
    expect(parse).not.toThrow('hunter2')
  })
})
