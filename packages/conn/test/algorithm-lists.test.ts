import { ciphers } from '@ssh/crypto'
import { describe, expect, test } from 'vitest'
import { chooseAlgorithms } from '../src/algorithm-lists.js'
import { choosePreferences } from '../src/protocol-options.js'

const known = { names: ['a1', 'a2', 'b1', 'b2', 'old'], defaultNames: ['a1', 'a2', 'b1'] }
const choose = (list: string | readonly string[] | undefined) => chooseAlgorithms('someAlgs', list, known)

describe('a list of algorithms', () => {
  test.each<[string | readonly string[] | undefined, string[]]>([
    [undefined, ['a1', 'a2', 'b1']],
    ['b1,a1', ['b1', 'a1']],
    [
      ['old', 'a2'],
      ['old', 'a2'],
    ],
    [' b1 , a1 ', ['b1', 'a1']],
    ['a*', ['a1', 'a2']],
    ['?1', ['a1', 'b1']],
    ['b*,a1,b1', ['b1', 'b2', 'a1']],
    ['+old', ['a1', 'a2', 'b1', 'old']],
    ['+a1', ['a1', 'a2', 'b1']],
    ['-a*', ['b1']],
    ['-old,nothing-known', ['a1', 'a2', 'b1']],
    ['^old,b1', ['old', 'b1', 'a1', 'a2']],
    ['old,default', ['old', 'a1', 'a2', 'b1']],
  ])('%j offers %j', (list, expected) => {
    expect(choose(list)).toEqual(expected)
  })

  test.each<[string | readonly string[], string]>([
    ['c1', 'someAlgs names "c1", which is no algorithm'],
    ['+c*', 'someAlgs names "c*"'],
    [['a1', '-b1'], 'someAlgs names "-b1"'],
    ['', 'someAlgs names ""'],
    ['a\u001b[2J', 'a\\x1b[2J'],
    [[], 'someAlgs leaves no algorithm to offer'],
    ['-*', 'someAlgs leaves no algorithm to offer'],
  ])('%j is refused', (list, message) => {
    expect(() => choose(list)).toThrow(message)
  })
})

describe('preferences', () => {
  test('leave out of a server what a client could make it compute for nothing', () => {
    const ofClient = choosePreferences('client', {}, ['ssh-ed25519']).kex
    const ofServer = choosePreferences('server', {}, ['ssh-ed25519']).kex
    expect(ofServer).not.toContain('diffie-hellman-group16-sha512')
    expect(ofClient).toEqual(expect.arrayContaining([...ofServer]))
    expect(choosePreferences('server', { kexAlgs: 'diffie-hellman-group16-sha512' }, []).kex).toHaveLength(1)
  })

  test('know group exchange, but offer it only when asked', () => {
    const name = 'diffie-hellman-group-exchange-sha256'
    for (const role of ['client', 'server'] as const) {
      expect(choosePreferences(role, {}, []).kex).not.toContain(name)
      expect(choosePreferences(role, { kexAlgs: `+${name}` }, []).kex.at(-1)).toBe(name)
    }
  })

  test('offer no cipher in CBC mode, nothing of MD5, no compression', () => {
    const { encryption, mac, compression } = choosePreferences('client', {}, [])
    expect([...encryption, ...mac].filter((name) => /cbc|md5|3des|arcfour/.test(name))).toEqual([])
    expect(encryption).toEqual(ciphers.defaultNames)
    expect(compression).toEqual(['none'])
  })
})
