// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables are written so

import { describe, expect, test } from 'vitest'
import type { IncludeReader } from '../../src/config/config-model.js'
import { printServerConfig } from '../../src/config/print-config.js'
import {
  allValues,
  asksAboutGroups,
  expandUserPath,
  mayLogIn,
  parseServerConfig,
  resolveGlobalServerConfig,
  resolveServerConfig,
  type ServerConfigQuery,
} from '../../src/config/sshd-config.js'

const client: ServerConfigQuery = {
  user: 'alice',
  groups: ['users', 'dev'],
  host: 'client.example.com',
  address: '10.1.2.3',
  localAddress: '192.0.2.1',
  localPort: 2222,
}

async function resolve(text: string, query: ServerConfigQuery = client, include?: IncludeReader) {
  return (await resolveServerConfig(await parseServerConfig({ text, file: 'f' }, include), query)).values
}

describe('values', () => {
  test('for all: the first counts, and lists come together', async () => {
    const text = 'MaxAuthTries 1\nMaxAuthTries 2\nAllowUsers a b\nAllowUsers c\nPort 22\nPort 2222'
    expect(await resolve(text)).toEqual({ maxAuthTries: 1, allowUsers: ['a', 'b', 'c'], port: [22, 2222] })
  })

  test('behind Match take the place of those for all; of several the first counts', async () => {
    const text =
      'AllowUsers a\nMaxAuthTries 1\nMatch User alice\nMaxAuthTries 2\nAllowUsers b\nMatch all\nMaxAuthTries 3'
    expect(await resolve(text)).toEqual({ maxAuthTries: 2, allowUsers: ['b'] })
    expect(await resolve(text, { ...client, user: 'bob' })).toEqual({ maxAuthTries: 3, allowUsers: ['a'] })
  })

  test('for all are known before anybody is named', async () => {
    const config = await parseServerConfig({ text: 'Port 1\nMatch User alice\nMaxAuthTries 2' })
    expect((await resolveGlobalServerConfig(config)).values).toEqual({ port: [1] })
    expect(allValues(config, 'maxAuthTries')).toEqual([2])
  })

  test('that hold for the whole server are refused behind Match, also in files that are included there', async () => {
    await expect(resolve('Match User alice\nPort 22')).rejects.toThrow(
      'f, line 2: Port: it must not stand behind Match',
    )
    const include: IncludeReader = async () => [{ text: 'Port 22', file: 'included' }]
    await expect(resolve('Match User alice\nInclude x', client, include)).rejects.toThrow('included, line 1')
    await expect(resolve('Match all\nPort 22')).resolves.toEqual({ port: [22] })
  })

  test('RekeyLimit behind Match replaces what it says, and no more', async () => {
    expect(await resolve('RekeyLimit 1G 1h\nMatch User alice\nRekeyLimit 2G')).toMatchObject({
      rekeyLimit: { bytes: 2 * 1024 ** 3, seconds: 3600 },
    })
  })

  test('of Subsystem behind Match replace those of the same name', async () => {
    const text = 'Subsystem sftp /a\nSubsystem x /x\nMatch User alice\nSubsystem sftp internal-sftp'
    expect((await resolve(text)).subsystem).toEqual([
      { name: 'sftp', command: 'internal-sftp' },
      { name: 'x', command: '/x' },
    ])
  })
})

describe('Match', () => {
  test.each<[string, boolean]>([
    ['all', true],
    ['User alice', true],
    ['User a*,!alice', false],
    ['User Alice', false],
    ['!User bob', true],
    ['!User alice', false],
    ['Group dev', true],
    ['Group d*,!users', false],
    ['Group wheel', false],
    ['Host *.EXAMPLE.com', true],
    ['Address 10.0.0.0/8', true],
    ['Address 10.1.*', true],
    ['Address !10.1.2.3,10.0.0.0/8', false],
    ['Address 192.0.2.0/24', false],
    ['LocalAddress 192.0.2.1', true],
    ['LocalPort 2222', true],
    ['LocalPort 22', false],
    ['User alice Address 10.0.0.0/8', true],
    ['User alice Address 192.0.2.0/24', false],
    ['final', true],
    ['canonical', false],
  ])('%s: %s', async (criteria, applies) => {
    expect((await resolve(`Match ${criteria}\nMaxAuthTries 1`)).maxAuthTries).toBe(applies ? 1 : undefined)
  })

  test.each([
    'User x',
    '!User x',
    'Group x',
    '!Group x',
    'Address 10.*',
    '!Address 10.*',
    'LocalPort 22',
    '!LocalPort 22',
  ])('%s applies to nobody of whom that is not known', async (criteria) => {
    expect(await resolve(`Match ${criteria}\nMaxAuthTries 1`, {})).toEqual({})
  })

  test('exec runs a command, for names that mean nothing to a shell', async () => {
    const commands: string[] = []
    const execute = async (command: string) => commands.push(command) > 0
    const text = 'Match exec "is %u"\nMaxAuthTries 1'
    expect(await resolve(text, { ...client, execute })).toEqual({ maxAuthTries: 1 })
    expect(commands).toEqual(['is alice'])
    await expect(resolve(text, { ...client, user: '$(id)', execute })).rejects.toThrow('a shell would act upon')
    await expect(resolve(text)).rejects.toThrow('line 1: Match exec needs somebody')
  })

  test.each([
    'Match',
    'Match rdomain x',
    'Match User',
    'Match all User x',
    'Match Address 10.0.0.1/8',
    'Match LocalPort x',
  ])('%s is refused', async (line) => {
    await expect(resolve(`${line}\nMaxAuthTries 1`)).rejects.toMatchObject({ details: { file: 'f', line: 1 } })
  })
})

describe('Include', () => {
  const include: IncludeReader = async () => [
    { text: 'MaxAuthTries 1\nMatch User alice\nMaxSessions 2\nMatch User bob\nMaxSessions 3', file: 'i' },
  ]

  test('takes Match neither in nor out', async () => {
    expect(await resolve('Include x\nPermitTTY no', client, include)).toEqual({
      maxAuthTries: 1,
      maxSessions: 2,
      permitTty: false,
    })
  })

  test('behind a Match that does not apply counts for nothing', async () => {
    expect(await resolve('Match User eve\nInclude x', client, include)).toEqual({})
    expect(await resolve('Match User alice\nInclude x', client, include)).toEqual({ maxAuthTries: 1, maxSessions: 2 })
  })
})

describe('who may log in', () => {
  const may = async (text: string, query: ServerConfigQuery = client) =>
    mayLogIn(await resolve(text, query), { ...query, user: query.user ?? '' })

  test.each<[string, boolean]>([
    ['', true],
    ['AllowUsers alice', true],
    ['AllowUsers bob', false],
    ['AllowUsers a*', true],
    ['DenyUsers alice', false],
    ['AllowUsers alice\nDenyUsers a*', false],
    ['AllowUsers alice@10.0.0.0/8', true],
    ['AllowUsers alice@192.0.2.0/24', false],
    ['AllowUsers alice@*.example.com', true],
    ['DenyUsers *@10.1.2.3', false],
    ['AllowGroups dev', true],
    ['AllowGroups wheel', false],
    ['DenyGroups users', false],
    ['AllowGroups dev\nDenyGroups users', false],
  ])('%j: %s', async (text, expected) => {
    expect(await may(text)).toBe(expected)
  })

  test('nobody of whose groups nothing is known, when groups decide', async () => {
    const stranger = { ...client, groups: undefined }
    expect(await may('AllowGroups *', stranger)).toBe(false)
    expect(await may('DenyGroups wheel', stranger)).toBe(false)
    expect(await may('', stranger)).toBe(true)
    const asks = async (text: string) => asksAboutGroups(await parseServerConfig({ text }))
    expect(await asks('Match Group x\nMaxAuthTries 1')).toBe(true)
    expect(await asks('DenyGroups x')).toBe(true)
    expect(await asks('AllowUsers x')).toBe(false)
  })

  test('nobody from a place that is not known, when it is denied', async () => {
    const unknown = { user: 'alice' }
    expect(await may('DenyUsers alice@10.*', unknown)).toBe(false)
    expect(await may('AllowUsers alice@10.*', unknown)).toBe(false)
  })
})

describe('paths of users', () => {
  const alice = { name: 'alice', homeDirectory: '/home/alice', uid: 1001 }

  test.each<[string, string]>([
    ['/etc/keys/%u', '/etc/keys/alice'],
    ['.ssh/authorized_keys', '/home/alice/.ssh/authorized_keys'],
    ['%h/k', '/home/alice/k'],
    ['/k/%U', '/k/1001'],
    ['/%%u', '/%u'],
  ])('%s', (template, path) => {
    expect(expandUserPath(template, 'AuthorizedKeysFile', alice)).toBe(path)
  })

  test.each(['../root', 'a/b', '..', '~root', 'x${HOME}', 'a\0b', ''])('the name %j is refused', (name) => {
    expect(() => expandUserPath('/etc/keys/%u', 'AuthorizedKeysFile', { name })).toThrow('is refused')
  })

  test.each(['%h/x', '%U', '%x', 'relative'])('%s is refused when it cannot be known', (template) => {
    expect(() => expandUserPath(template, 'AuthorizedKeysFile', { name: 'alice' })).toThrow(
      /means nothing|nobody knows/,
    )
  })
})

test('what sshd -T would print can be printed', async () => {
  const config = await parseServerConfig({
    text: 'Port 22\nListenAddress ::1\nMaxStartups 5\nPermitRootLogin prohibit-password',
  })
  expect(Object.fromEntries(printServerConfig(await resolveServerConfig(config, client)))).toMatchObject({
    port: ['22'],
    listenaddress: ['[::1]:22'],
    maxstartups: ['5:30:5'],
    permitrootlogin: ['without-password'],
    authorizedkeysfile: ['.ssh/authorized_keys .ssh/authorized_keys2'],
    authenticationmethods: ['any'],
  })
})
