// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of ssh_config are written so

import { processorTimeMs } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import type { ConfigSource, IncludeReader } from '../../src/config/config-model.js'
import { printClientConfig } from '../../src/config/print-config.js'
import {
  type ClientConfigQuery,
  type ConfigMachine,
  parseClientConfig,
  resolveClientConfig,
} from '../../src/config/ssh-config.js'
import { ConfigParseError } from '../../src/errors.js'

const machine: ConfigMachine = {
  homeDirectory: '/home/me',
  userName: 'me',
  userId: '1000',
  hostName: 'here.example.net',
  variables: { VAR: 'value', AGENT: '/run/agent' },
  localAddresses: () => ['127.0.0.1', '192.0.2.10', '2001:db8::10'],
}

type Query = Partial<Omit<ClientConfigQuery, 'machine'>> & { readonly machine?: Partial<ConfigMachine> }

async function resolve(text: string | readonly string[], query: Query = {}, include?: IncludeReader) {
  const texts = typeof text === 'string' ? [text] : text
  const configs = await Promise.all(
    texts.map((each, index) => parseClientConfig({ text: each, file: `f${index}` }, include)),
  )
  return resolveClientConfig(configs, { host: 'alpha', ...query, machine: { ...machine, ...query.machine } })
}

const valuesOf = async (...args: Parameters<typeof resolve>) => (await resolve(...args)).values

describe('the first value counts', () => {
  test('in one file', async () => {
    expect(await valuesOf('Port 1\nPort 2')).toEqual({ port: 1 })
  })

  test('of several files', async () => {
    expect(await valuesOf(['Port 1', 'Port 2\nUser x'])).toEqual({ port: 1, user: 'x' })
  })

  test('and goes behind what is given', async () => {
    expect(await resolve('Port 1\nUser x', { port: 5, username: 'given' })).toMatchObject({
      port: 5,
      username: 'given',
    })
  })

  test('but lists come together, without what is there twice', async () => {
    const text = 'IdentityFile /a\nSendEnv A B\nIdentityFile /b\nSendEnv -A\nIdentityFile /a\nLocalForward 1 h:1'
    expect(await valuesOf(text)).toMatchObject({
      identityFile: ['/a', '/b'],
      sendEnv: ['B'],
      localForward: [{ spec: { listen: { host: undefined, port: 1 }, connect: { host: 'h', port: 1 } } }],
    })
  })

  test('and with no file there are defaults', async () => {
    expect(await resolve([])).toMatchObject({ host: 'alpha', port: 22, username: 'me', values: {}, warnings: [] })
  })
})

describe('Host', () => {
  test.each<[string, boolean]>([
    ['alpha', true],
    ['*', true],
    ['a*a', true],
    ['?????', true],
    ['????', false],
    ['beta alpha', true],
    ['beta,alpha', false],
    ['ALPHA', false],
    ['!alpha', false],
    ['* !alpha', false],
    ['!beta *', true],
  ])('%s: %s', async (patterns, applies) => {
    expect((await valuesOf(`Host ${patterns}\nPort 1`)).port).toBe(applies ? 1 : undefined)
  })

  test('ends with the next one, and with the file', async () => {
    expect(await valuesOf(['Host beta\nPort 1\nHost alpha\nUser a', 'Port 2'])).toEqual({ user: 'a', port: 2 })
  })

  // threats.md G19: CVE-2026-0967.
  test('with a hundred stars takes no time', async () => {
    const text = `Host ${'*a'.repeat(100)}b\nPort 1`
    expect(await processorTimeMs(() => resolve(text, { host: 'a'.repeat(250) }))).toBeLessThan(3000)
  })
})

describe('Match', () => {
  test.each<[string, boolean]>([
    ['all', true],
    ['!all', false],
    ['host alpha', true],
    ['host ALPHA', true],
    ['host beta,al*', true],
    ['host *,!alpha', false],
    ['!host beta', true],
    ['!host alpha', false],
    ['originalhost alpha', true],
    ['user me', true],
    ['user ME', false],
    ['user other', false],
    ['localuser me', true],
    ['!localuser me', false],
    ['localnetwork 192.0.2.0/24', true],
    ['localnetwork 198.51.100.0/24', false],
    ['localnetwork 198.51.100.0/24,2001:db8::/32', true],
    ['!localnetwork 192.0.2.0/24', false],
    ['tagged x', false],
    ['tagged ""', false],
    ['host alpha user me', true],
    ['host alpha user other', false],
    ['HOST alpha', true],
    ['host="alpha"', true],
    ['host alpha # and more', true],
    ['canonical', false],
  ])('%s: %s', async (criteria, applies) => {
    // An empty value is a mistake, and not a condition.
    if (criteria.includes('""')) {
      await expect(resolve(`Match ${criteria}\nPort 1`)).rejects.toThrow('has no value')
      return
    }
    expect((await valuesOf(`Match ${criteria}\nPort 1`)).port).toBe(applies ? 1 : undefined)
  })

  test('tagged asks for the Tag that was set before', async () => {
    expect(await valuesOf('Tag work\nMatch tagged w*\nPort 1')).toMatchObject({ port: 1 })
    expect(await valuesOf('Match tagged w*\nPort 1\nMatch all\nTag work')).not.toHaveProperty('port')
  })

  test('host asks for the name that Hostname has put in place', async () => {
    const text = 'Hostname %h.example.com\nMatch host *.example.com\nPort 1\nMatch originalhost alpha\nUser o'
    expect(await resolve(text)).toMatchObject({ host: 'alpha.example.com', port: 1, username: 'o' })
  })

  test.each([
    'Match',
    'Match nobody x',
    'Match host',
    'Match all host x',
    'Match host a user b all',
    'Match localnetwork nowhere',
    'Match localnetwork 10.0.0.1/8',
  ])('%s is refused, with file and line', async (line) => {
    const error = await resolve(`Port 1\n${line}\n`).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(ConfigParseError)
    expect(error).toMatchObject({ details: { line: 2, file: 'f0' } })
  })
})

describe('Match exec', () => {
  const run = async (criteria: string, query: Query = {}, isTrue = true) => {
    const commands: string[] = []
    const execute = async (command: string) => {
      commands.push(command)
      return isTrue
    }
    const { values, warnings } = await resolve(`Match ${criteria}\nCompression yes`, {
      ...query,
      machine: { execute, ...query.machine },
    })
    return { applies: values.compression === true, commands, warnings }
  }

  test('runs a command with its tokens, and asks whether it succeeded', async () => {
    const { applies, commands } = await run('exec "test %h %n %p %r %u %i %L %l %d %k %%"', {
      username: 'bob',
      port: 7,
    })
    expect(applies).toBe(true)
    expect(commands).toEqual(['test alpha alpha 7 bob me 1000 here here.example.net /home/me alpha %'])
    expect((await run('exec false', {}, false)).applies).toBe(false)
    expect((await run('!exec false', {}, false)).applies).toBe(true)
  })

  test('runs nothing where something before it is false, or where it could not apply', async () => {
    expect((await run('host beta exec x')).commands).toEqual([])
    const include: IncludeReader = async () => [{ text: 'Match exec x\nPort 1' }]
    const commands: string[] = []
    const execute = async (command: string) => commands.push(command) > 0
    await resolve('Host beta\nInclude x', { machine: { execute } }, include)
    expect(commands).toEqual([])
  })

  test('applies neither way where nothing may be run, and says so', async () => {
    const off = { machine: { execute: undefined } } as unknown as Query
    for (const criteria of ['exec true', '!exec true']) {
      const { applies, warnings } = await run(criteria, off)
      expect(applies).toBe(false)
      expect(warnings).toMatchObject([{ line: 1, message: expect.stringContaining('turned off') }])
    }
  })

  test.each<[Query, string]>([
    [{ username: '$(id)' }, 'exec "x %r"'],
    [{ username: "a';id;'" }, 'exec "x %r"'],
    [{ host: '-oProxyCommand=x' }, 'exec "x %n"'],
    [{ host: 'a b' }, 'exec "x %h"'],
  ])('never runs with a hostile name: %j', async (query, criteria) => {
    await expect(run(criteria, query)).rejects.toThrow('a shell would act upon')
  })
})

describe('the second pass', () => {
  test('comes with Match final, sees the real name, and adds what was not said', async () => {
    const text = 'Host alpha\nHostname beta\nPort 1\nHost beta\nPort 2\nUser b\nMatch final\nCompression yes'
    expect(await resolve(text)).toMatchObject({
      host: 'beta',
      port: 1,
      username: 'b',
      values: { compression: true },
    })
  })

  test('does not come without', async () => {
    expect(await resolve('Host alpha\nHostname beta\nHost beta\nUser b')).toMatchObject({ username: 'me' })
  })

  test('comes with CanonicalizeHostname', async () => {
    const text = 'CanonicalizeHostname yes\nHost alpha\nHostname beta\nHost beta\nUser b'
    expect(await resolve(text)).toMatchObject({ username: 'b' })
  })

  test('warns once', async () => {
    const { warnings } = await resolve('NoSuch x\nMatch final\nPort 1')
    expect(warnings).toHaveLength(1)
  })
})

describe('CanonicalizeHostname', () => {
  const names = new Map<string, string | undefined>([
    ['alpha.one.example.', undefined],
    ['alpha.two.example.', 'real.two.example.'],
    ['deep.alpha.one.example.', undefined],
    ['full.example.', undefined],
  ])
  const asked: string[] = []
  const lookUp: ConfigMachine['lookUp'] = async (host) => {
    asked.push(host)
    return names.has(host) ? { canonicalName: names.get(host) } : undefined
  }
  const canonical = async (text: string, host = 'alpha') => {
    asked.length = 0
    return (await resolve(`CanonicalizeHostname yes\n${text}`, { host, machine: { lookUp } })).host
  }

  test('adds the first domain in which the name is', async () => {
    expect(await canonical('CanonicalDomains none.example one.example two.example')).toBe('alpha.one.example')
    expect(asked).toEqual(['alpha.none.example.', 'alpha.one.example.'])
  })

  test('leaves a name with more dots than CanonicalizeMaxDots alone', async () => {
    expect(await canonical('CanonicalDomains one.example', 'a.b.c')).toBe('a.b.c')
    expect(asked).toEqual([])
    expect(await canonical('CanonicalDomains one.example\nCanonicalizeMaxDots 0', 'deep.alpha')).toBe('deep.alpha')
  })

  test('takes a name with a dot at its end as it is', async () => {
    expect(await canonical('CanonicalDomains one.example', 'full.example.')).toBe('full.example')
  })

  test('follows a CNAME that is permitted, and no other', async () => {
    const domains = 'CanonicalDomains two.example\n'
    expect(await canonical(domains)).toBe('alpha.two.example')
    expect(await canonical(`${domains}CanonicalizePermittedCNAMEs *.two.example:*.two.example`)).toBe(
      'real.two.example',
    )
    expect(await canonical(`${domains}CanonicalizePermittedCNAMEs *.two.example:*.other`)).toBe('alpha.two.example')
  })

  test('falls back to the name as it is, or fails', async () => {
    expect(await canonical('CanonicalDomains no.example')).toBe('alpha')
    await expect(canonical('CanonicalDomains no.example\nCanonicalizeFallbackLocal no')).rejects.toThrow(
      'alpha is in none of the domains no.example',
    )
  })

  test('does nothing for a connection through a proxy, but with always', async () => {
    const text = 'CanonicalDomains one.example\nProxyJump j'
    expect(await canonical(text)).toBe('alpha')
    expect((await resolve(`CanonicalizeHostname always\n${text}`, { machine: { lookUp } })).host).toBe(
      'alpha.one.example',
    )
  })

  test('does nothing for an address', async () => {
    expect(await canonical('CanonicalDomains one.example', '192.0.2.1')).toBe('192.0.2.1')
    expect(asked).toEqual([])
  })
})

describe('tokens and variables', () => {
  test.each<[string, string, unknown]>([
    ['IdentityFile ~/.ssh/id_%h', 'identityFile', ['/home/me/.ssh/id_alpha']],
    ['IdentityFile ${VAR}/%r', 'identityFile', ['value/me']],
    ['IdentityAgent ${AGENT}', 'identityAgent', '/run/agent'],
    ['IdentityAgent $AGENT', 'identityAgent', '$AGENT'],
    ['UserKnownHostsFile ~/a /b%%', 'userKnownHostsFile', ['/home/me/a', '/b%']],
    ['RemoteCommand echo %n', 'remoteCommand', 'echo alpha'],
    ['ForwardAgent ~/agent', 'forwardAgent', '/home/me/agent'],
    ['RevokedHostKeys ~/r', 'revokedHostKeys', '/home/me/r'],
  ])('%s', async (text, key, value) => {
    expect(await valuesOf(text)).toHaveProperty(key, value)
  })

  test('%C is the SHA-1 of where to connect', async () => {
    const [first] = (await valuesOf('IdentityFile %C')).identityFile ?? []
    // printf 'here.example.netalpha22me' | sha1sum
    expect(first).toMatch(/^[0-9a-f]{40}$/)
    const [same] = (await valuesOf('IdentityFile %C', { host: 'alpha' })).identityFile ?? []
    const [other] = (await valuesOf('IdentityFile %C', { host: 'beta' })).identityFile ?? []
    expect(same).toBe(first)
    expect(other).not.toBe(first)
  })

  test('are looked up in paths of sockets', async () => {
    const { remoteForward = [] } = await valuesOf('RemoteForward /run/${VAR}-%h /x')
    expect(remoteForward[0]?.spec).toEqual({ listen: { path: '/run/value-alpha' }, connect: { path: '/x' } })
  })

  test.each<[string, string]>([
    ['IdentityFile %x', 'f0, line 2: IdentityFile: %x means nothing here'],
    ['IdentityFile ${NOSUCH}', 'f0, line 2: IdentityFile: the variable NOSUCH is not set'],
    ['IdentityFile ~other/x', 'f0, line 2: "~other/x" is in the home of another user'],
    ['Hostname %p.example', 'f0, line 2: Hostname: %p means nothing here'],
    ['LocalForward ${NOSUCH} h:1', 'line 2'],
  ])('%s is refused, with file and line', async (line, why) => {
    await expect(resolve(`Compression no\n${line}`)).rejects.toThrow(why)
  })

  test('of what nobody uses here are nobody’s mistake', async () => {
    await expect(resolve('ControlPath %x/${NOSUCH}\nLocalCommand %y')).resolves.toBeDefined()
  })
})

describe('Include', () => {
  const files =
    (table: Record<string, string>): IncludeReader =>
    async (pattern: string): Promise<readonly ConfigSource[]> => {
      const text = table[pattern]
      return text === undefined ? [] : [{ text, file: pattern }]
    }

  test('puts files where it stands', async () => {
    const include = files({ a: 'Port 1', b: 'User x\nPort 2' })
    expect(await valuesOf('Include a b missing\nPort 3', {}, include)).toEqual({ port: 1, user: 'x' })
  })

  test('takes no Host or Match out of the file, and none out of the included one', async () => {
    const include = files({ a: 'Host beta\nPort 1' })
    expect(await valuesOf('Include a\nPort 2', {}, include)).toEqual({ port: 2 })
    expect(await valuesOf('Host alpha\nInclude a\nUser x', {}, include)).toEqual({ user: 'x' })
  })

  test('behind a Host that does not apply counts for nothing, whatever Host is in it', async () => {
    const include = files({ a: 'User y\nHost alpha\nPort 1\nMatch all\nPort 2' })
    expect(await valuesOf('Host beta\nInclude a\nHost alpha\nUser x', {}, include)).toEqual({ user: 'x' })
  })

  test('asks for a second pass from wherever Match final stands', async () => {
    const include = files({ a: 'Match final\nPort 1' })
    expect(await valuesOf('Include a', {}, include)).toMatchObject({ port: 1 })
  })

  // threats.md G19.
  test('that leads back to itself ends', async () => {
    const include = files({ a: 'Include b', b: 'Include a' })
    await expect(resolve('Include a', {}, include)).rejects.toThrow('more than 16 deep')
  })

  test('that multiplies ends', async () => {
    const include = files(
      Object.fromEntries(
        Array.from({ length: 15 }, (_, level) => [`f${level}`, `Include f${level + 1} f${level + 1}`]),
      ),
    )
    await expect(resolve('Include f0', {}, include)).rejects.toThrow(/more than 1000 files|more than 16 deep/)
  })

  test('says which file and line of an included file is wrong', async () => {
    const error = await resolve('\nInclude a', {}, files({ a: 'User x\nPort x' })).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ details: { file: 'a', line: 2 } })
  })

  test('that cannot be read says where it stands', async () => {
    const include: IncludeReader = async () => Promise.reject(new Error('no such luck'))
    await expect(resolve('\nInclude a', {}, include)).rejects.toThrow('f0, line 2: no such luck')
  })
})

describe('keywords', () => {
  test('that nobody knows are warned about where they would apply, unless IgnoreUnknown names them', async () => {
    const { warnings } = await resolve('UseKeychain yes\nIgnoreUnknown Add*,x\nAddSomething y\nHost beta\nOther z')
    expect(warnings).toEqual([{ file: 'f0', line: 1, message: expect.stringContaining('"UseKeychain"') }])
  })

  test('of former times are passed over', async () => {
    expect(await resolve('Protocol 2\nCipher blowfish\nRSAAuthentication yes')).toMatchObject({
      values: {},
      warnings: [],
    })
  })

  test('have former names, in any case', async () => {
    expect(await valuesOf('pubkeyACCEPTEDkeytypes ssh-ed25519\nChallengeResponseAuthentication no')).toEqual({
      pubkeyAcceptedAlgorithms: 'ssh-ed25519',
      kbdInteractiveAuthentication: false,
    })
  })

  test.each([
    'Port 0',
    'Port 65536',
    'Port x',
    'Port 1 2',
    'ForwardX11 maybe',
    'ConnectTimeout 5x',
    'ConnectTimeout 99999999w',
    'ServerAliveCountMax -1',
    'RekeyLimit 3',
    'RekeyLimit 1G 1x',
    'RekeyLimit 1G 1h more',
    'EscapeChar ab',
    'LocalForward 80',
    'LocalForward 80 h',
    'LocalForward 0 h:1',
    'LocalForward 80 h:0',
    'DynamicForward 80 h:1',
    'DynamicForward 99999',
    'RemoteForward x',
    'SendEnv A=B',
    'SetEnv A',
    'TunnelDevice x',
    'CanonicalDomains -x',
    'CanonicalizePermittedCNAMEs a',
    'GlobalKnownHostsFile a none',
    'ProxyJump user@',
    'PermitRemoteOpen any x:1',
    'IPQoS fast',
    'StreamLocalBindMask 999',
    'LogLevel LOUD',
    'AddKeysToAgent yes 5m',
    'ControlPersist x',
    'Ciphers a,,b',
    'Ciphers +',
    'IdentityAgent $a-b',
    'ChannelTimeout x',
    'ObscureKeystrokeTiming interval:0',
  ])('with a wrong value are refused, also where they do not apply: %s', async (line) => {
    await expect(resolve(`Host beta\n${line}`)).rejects.toMatchObject({
      name: 'ConfigParseError',
      details: { line: 2, file: 'f0' },
    })
  })

  test('ProxyJump and ProxyCommand: the first keeps the other away, and none keeps nothing', async () => {
    expect(await valuesOf('ProxyJump a,b\nProxyCommand c')).toMatchObject({ proxyJump: ['a', 'b'] })
    expect(await valuesOf('ProxyJump a,b\nProxyCommand c')).not.toHaveProperty('proxyCommand')
    expect(await valuesOf('ProxyCommand c\nProxyJump a')).toEqual({ proxyCommand: 'c' })
    expect(await valuesOf('ProxyCommand none\nProxyJump a')).toEqual({})
    expect(await valuesOf('ProxyJump none\nProxyJump a')).toEqual({})
  })
})

test('what ssh -G would print can be printed', async () => {
  const printed = printClientConfig(
    await resolve('Port 1\nIdentityFile ~/x\nLocalForward 8080 h:80\nStrictHostKeyChecking no'),
  )
  expect(Object.fromEntries(printed)).toMatchObject({
    host: ['alpha'],
    hostname: ['alpha'],
    user: ['me'],
    port: ['1'],
    identityfile: ['~/x'],
    localforward: ['8080 [h]:80'],
    stricthostkeychecking: ['false'],
    userknownhostsfile: ['/home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2'],
    serveralivecountmax: ['3'],
    updatehostkeys: ['true'],
  })
})

describe('a file of somebody hostile', () => {
  test.each([
    ['IdentityFile', (index: number) => `IdentityFile ${index}`],
    ['LocalForward', (index: number) => `LocalForward ${index} host:1`],
    ['SendEnv', (index: number) => `SendEnv V${index}`],
  ])('does not list more of %s than anybody needs', async (_keyword, line) => {
    const lines = Array.from({ length: 4097 }, (_, index) => line(index + 1))
    await expect(resolve(lines.join('\n'))).rejects.toThrow('line 4097')
    await expect(resolve(lines.slice(1).join('\n'))).resolves.toBeDefined()
  })

  test('does not include the same large file again and again', async () => {
    const text = 'User x\n'.repeat(100_000)
    const include = async () => [{ text, file: 'a' }]
    await expect(resolve(Array(20).fill('Include a').join('\n'), {}, include)).rejects.toThrow(
      'included files have more than',
    )
  })

  test('does not look for files again and again', async () => {
    const looked: string[] = []
    const include = async (pattern: string) => {
      looked.push(pattern)
      return []
    }
    await expect(resolve(`Include ${Array(1001).fill('a').join(' ')}`, {}, include)).rejects.toThrow('more than 1000')
    expect(looked).toHaveLength(1000)
  })
})

describe('a name that somebody else has chosen', () => {
  test.each(['IdentityFile ~/keys/%r', 'UserKnownHostsFile /hosts/%r', 'IdentityAgent /run/%r/agent'])(
    'leads to no other files than were meant: %s',
    async (line) => {
      for (const username of ['../x', 'a/b', '..']) {
        await expect(resolve(line, { username })).rejects.toThrow('could lead to other files')
      }
      await expect(resolve(line, { username: 'a..b@c' })).resolves.toBeDefined()
      await expect(resolve(`User dom\\\\user\n${line}`)).resolves.toBeDefined()
    },
  )

  test('means nothing to the shell of a RemoteCommand', async () => {
    await expect(resolve('RemoteCommand greet %r', { username: '$(reboot)' })).rejects.toThrow('a shell would act upon')
    expect((await resolve('RemoteCommand greet %r', { username: 'me' })).values.remoteCommand).toBe('greet me')
  })
})
