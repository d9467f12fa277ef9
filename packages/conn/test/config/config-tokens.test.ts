// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of ssh_config are written so

import { describe, expect, test } from 'vitest'
import { expandTokens, isSafeForShell, isSafeInPath } from '../../src/config/config-tokens.js'
import { ConfigParseError } from '../../src/errors.js'

const tokens = new Map([
  ['h', 'host'],
  ['r', 'us%h${HOME}er'],
])
const variables = { HOME: '/home/x', EMPTY: '' }
const options = { keyword: 'Keyword', tokens, variables }

describe('tokens', () => {
  test.each<[string, string]>([
    ['%h', 'host'],
    ['a%hb', 'ahostb'],
    ['%%h', '%h'],
    ['%%%h', '%host'],
    ['${HOME}/x', '/home/x/x'],
    ['${EMPTY}', ''],
    ['$HOME', '$HOME'],
    ['%r', 'us%h${HOME}er'],
  ])('%j is %j', (template, text) => {
    expect(expandTokens(template, options)).toBe(text)
  })

  test.each<[string, string]>([
    ['%x', 'Keyword: %x means nothing here; expected %% %h %r'],
    ['a%', 'means nothing here'],
    ['${NOSUCH}', 'the variable NOSUCH is not set'],
    ['${toString}', 'the variable toString is not set'],
    ['${HOME', 'has no closing brace'],
  ])('%j is refused', (template, why) => {
    expect(() => expandTokens(template, options)).toThrow(ConfigParseError)
    expect(() => expandTokens(template, options)).toThrow(why)
  })

  test('that a keyword does not know are refused, though others know them', () => {
    expect(() => expandTokens('%h%r', { ...options, letters: 'h' })).toThrow('%r means nothing here; expected %% %h')
  })

  test('leave variables alone where there are none', () => {
    expect(expandTokens('${HOME}', { keyword: 'k', tokens })).toBe('${HOME}')
  })

  // threats.md G17: CVE-2023-51385, CVE-2025-61984.
  test.each([
    '$(id)',
    '`id`',
    'a;id',
    'a|id',
    'a&id',
    'a\nid',
    'a id',
    "a'b",
    'a"b',
    '-oProxyCommand=x',
    'a\\b',
    'a>b',
    'a*',
    '{a,b}',
    '~x',
    '!x',
    '#x',
    'a\tb',
    'a\u0000b',
    '\u202Ea',
    'a\u00A0b',
  ])('the name %j never reaches a shell', (name) => {
    expect(isSafeForShell(name)).toBe(false)
    expect(() => expandTokens('x %h', { keyword: 'k', tokens: new Map([['h', name]]), isForShell: true })).toThrow(
      'characters that a shell would act upon',
    )
  })

  test.each(['host', 'a-b.example.com', '2001:db8::1', 'fe80::1%eth0', 'user@realm', 'a_b', 'bücher.example', 'a+b'])(
    'the name %j may reach a shell',
    (name) => {
      expect(isSafeForShell(name)).toBe(true)
    },
  )

  test.each(['..', '.', '', '~', '~root', 'a/b', 'a\\b', 'a\0b', 'a${HOME}', 'C:x', 'a/../b', '../x', 'a..b'])(
    'the user name %j never becomes part of a path',
    (name) => {
      expect(isSafeInPath(name)).toBe(false)
    },
  )

  test.each(['alice', 'a.b', 'dom@user', 'x-1', 'ü'])('the user name %j may become part of a path', (name) => {
    expect(isSafeInPath(name)).toBe(true)
  })
})
