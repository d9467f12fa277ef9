import { OptionsError } from '@ssh/conn'
import { describe, expect, test } from 'vitest'
import type { ScpPath, ScpSources } from '../../src/client/scp-options.js'
import { parseScpPath, parseScpSources } from '../../src/client/scp-path.js'

const local = (path: string) => ({ kind: 'local', path })
const remote = (connection: unknown, path: string) => ({ kind: 'remote', connection, path })

describe('a path of scp', () => {
  test.each<[ScpPath, object]>([
    ['file', local('file')],
    ['/a/b:c', local('/a/b:c')],
    ['./a:b', local('./a:b')],
    ['dir/a:b', local('dir/a:b')],
    [':a', local(':a')],
    ['host:file', remote('host', 'file')],
    ['host:', remote('host', '')],
    ['host:a:b', remote('host', 'a:b')],
    ['user@host:/a', remote('user@host', '/a')],
    ['[::1]:a', remote('[::1]', 'a')],
    ['user@[fe80::1%eth0]:a', remote('user@[fe80::1%eth0]', 'a')],
    ['scp://host', remote({ host: 'host' }, '')],
    ['scp://user@host:2222/a%20b', remote({ host: 'host', port: 2222, username: 'user' }, 'a b')],
    ['scp://[::1]:2222//abs', remote({ host: '::1', port: 2222 }, '/abs')],
    [['host', 'file'], remote('host', 'file')],
    [['user@host:22', ''], remote('user@host:22', '')],
    [[{ host: 'h', port: 1 }, 'x'], remote({ host: 'h', port: 1 }, 'x')],
    [{ connection: 'host', path: 'x' }, remote('host', 'x')],
  ])('%j', (given, expected) => {
    expect(parseScpPath('destination', given)).toEqual(expected)
  })

  test.each([
    '',
    'ho st:x',
    '-oProxyCommand=x:y',
    'scp://user:pw@host/x',
    'scp://host/%zz',
    'scp://:22/x',
    [],
    ['host'],
    ['host', 1],
    ['host', 'a', 'b'],
    [{ host: 'h', prot: 1 }, 'x'],
    { path: 'x' },
    42,
    null,
    undefined,
  ])('%j is none', (given) => {
    expect(() => parseScpPath('source', given as never)).toThrow(OptionsError)
  })
})

describe('sources of scp', () => {
  test.each<[ScpSources, object[]]>([
    ['a', [local('a')]],
    [
      ['a', 'b'],
      [local('a'), local('b')],
    ],
    [
      ['h:a', 'b'],
      [remote('h', 'a'), local('b')],
    ],
    [[{ host: 'h' }, 'b'], [remote({ host: 'h' }, 'b')]],
    [[['h', 'a']], [remote('h', 'a')]],
    [
      [['h', 'a'], 'b'],
      [remote('h', 'a'), local('b')],
    ],
    [
      [{ connection: 'h', path: 'a' }, 'b'],
      [remote('h', 'a'), local('b')],
    ],
    [
      ['a', 'b', 'c'],
      [local('a'), local('b'), local('c')],
    ],
  ])('%j', (given, expected) => {
    expect(parseScpSources(given)).toEqual(expected)
  })

  test('there must be one', () => {
    expect(() => parseScpSources([])).toThrow(OptionsError)
  })
})
