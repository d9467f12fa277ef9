// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of ssh_config are written so

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { readClientConfig } from '../../src/client/client-config.js'
import { type ClientOptions, clientOptionsSchema } from '../../src/client/client-options.js'
import { knownAlgorithms } from '../../src/client/options-from-config.js'
import { resolveTarget } from '../../src/client/resolve-target.js'
import { clientKeywords } from '../../src/config/ssh-config-keywords.js'
import { ConfigParseError, OptionsError } from '../../src/errors.js'
import type { LogEntry } from '../../src/log.js'

function file(text: string, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), 'client-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'config')
  writeFileSync(path, text, { mode })
  return path
}

async function resolve(text: string, options: ClientOptions = {}, destination = 'alpha') {
  const warnings: LogEntry[] = []
  const logger = { debug() {}, warn: (entry: LogEntry) => warnings.push(entry) }
  const parsed = clientOptionsSchema.parse({ config: file(text), logger, ...options })
  const { options: resolved, ...others } = await resolveTarget(destination, parsed)
  const { logger: _, config: __, tokens: ___, ...rest } = resolved
  return { ...others, options: rest, warnings }
}

describe('a destination', () => {
  test('is what ssh_config makes of an alias', async () => {
    const text = 'Host alpha\nHostname real.example.com\nPort 2222\nUser bob'
    expect((await resolve(text)).target).toEqual({ host: 'real.example.com', port: 2222, username: 'bob' })
  })

  test('says more itself, and so do options', async () => {
    const text = 'Port 2222\nUser bob\nHostname real.example.com'
    expect((await resolve(text, {}, 'eve@alpha:7')).target).toMatchObject({ port: 7, username: 'eve' })
    expect((await resolve(text, { port: 8, username: 'x' })).target).toMatchObject({ port: 8, username: 'x' })
  })

  test('that a file makes up is held to the same as one that a user writes', async () => {
    await expect(resolve('Hostname "a b"')).rejects.toThrow(OptionsError)
    await expect(resolve('Hostname -x')).rejects.toThrow('no host name')
  })
})

describe('which files', () => {
  const own = join(homedir(), '.ssh', 'config')

  test('are those of the user and of the system, where nothing is said', async () => {
    mkdirSync(join(homedir(), '.ssh'), { recursive: true })
    writeFileSync(own, 'Port 4321', { mode: 0o600 })
    onTestFinished(() => rmSync(own))
    expect(await readClientConfig('alpha')).toMatchObject({ port: 4321 })
    expect(await readClientConfig('alpha', { config: null })).toMatchObject({ port: 22, values: {} })
  })

  test.skipIf(process.getuid === undefined)('are refused where others may write to the user’s own', async () => {
    mkdirSync(join(homedir(), '.ssh'), { recursive: true })
    writeFileSync(own, 'Port 4321', { mode: 0o666 })
    const { chmodSync } = await import('node:fs')
    chmodSync(own, 0o666)
    onTestFinished(() => rmSync(own))
    await expect(readClientConfig('alpha')).rejects.toThrow('lets others write to it')
  })

  test('are those that are named, in their order', async () => {
    const config = [file('Port 1'), file('Port 2\nUser x')]
    expect(await readClientConfig('alpha', { config })).toMatchObject({ port: 1, username: 'x' })
    await expect(readClientConfig('alpha', { config: '/no/such/file' })).rejects.toThrow('there is no such file')
  })
})

describe('keywords become options', () => {
  test.each<[string, object]>([
    ['Ciphers aes128-ctr,no-such-cipher', { encryptionAlgs: 'aes128-ctr' }],
    ['Ciphers +3des-cbc,unheard-of', {}],
    ['MACs -hmac-sha1*', { macAlgs: '-hmac-sha1*' }],
    ['KexAlgorithms ^ecdh-sha2-*', { kexAlgs: '^ecdh-sha2-*' }],
    ['HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com,ssh-ed25519', { serverHostKeyAlgs: 'ssh-ed25519' }],
    ['PubkeyAcceptedAlgorithms +ssh-rsa', { signatureAlgs: '+ssh-rsa' }],
    ['ConnectTimeout 30', { connectTimeout: 30_000 }],
    ['ConnectTimeout none', {}],
    ['ServerAliveInterval 1m\nServerAliveCountMax 5', { keepaliveInterval: 60_000, keepaliveCountMax: 5 }],
    ['ServerAliveInterval 0', { keepaliveInterval: 0 }],
    ['ServerAliveCountMax 0', { keepaliveCountMax: 2 ** 31 - 1 }],
    ['RekeyLimit 1M 10m', { rekeyBytes: 1024 ** 2, rekeyInterval: 600_000 }],
    ['RekeyLimit default none', {}],
    ['StrictHostKeyChecking yes', { hostKeyPolicy: 'strict' }],
    ['StrictHostKeyChecking ask', { hostKeyPolicy: 'strict' }],
    ['StrictHostKeyChecking accept-new', { hostKeyPolicy: 'accept-new' }],
    ['StrictHostKeyChecking off', { hostKeyPolicy: 'accept-new' }],
    ['HostKeyAlias Other', { hostKeyAlias: 'other' }],
    ['HashKnownHosts yes', { hashKnownHosts: true }],
    ['UpdateHostKeys yes', { updateHostKeys: true }],
    ['UpdateHostKeys ask', { updateHostKeys: false }],
    ['RequiredRSASize 512', { requiredRsaSize: 1024 }],
    ['RequiredRSASize 4096', { requiredRsaSize: 4096 }],
    ['RevokedHostKeys /r', { revokedHostKeys: '/r' }],
    ['RevokedHostKeys none', {}],
    ['KnownHostsCommand /bin/keys %H "a b"', { knownHostsCommand: ['/bin/keys', '%H', 'a b'] }],
    ['UserKnownHostsFile /a /b\nGlobalKnownHostsFile /g', { knownHosts: ['/a', '/b', '/g'], userKnownHostsFile: '/a' }],
    ['UserKnownHostsFile none\nGlobalKnownHostsFile none', { knownHosts: [], userKnownHostsFile: null }],
    ['IdentityFile /a\nIdentityFile none\nIdentitiesOnly yes', { identityFiles: ['/a'], identitiesOnly: true }],
    ['IdentityAgent none', { agentPath: null }],
    ['IdentityAgent SSH_AUTH_SOCK', {}],
    ['IdentityAgent /a', { agentPath: '/a' }],
    ['IdentityAgent $NO_SUCH_VARIABLE', { agentPath: null }],
    ['ForwardAgent yes', { agentForwarding: true }],
    ['ForwardAgent /a', { agentForwarding: '/a' }],
    ['AddKeysToAgent yes', { addKeysToAgent: true }],
    ['AddKeysToAgent 1h', { addKeysToAgent: 3_600_000 }],
    ['AddKeysToAgent confirm', { addKeysToAgent: 'confirm' }],
    ['AddKeysToAgent no', { addKeysToAgent: false }],
    ['NumberOfPasswordPrompts 1', { numberOfPasswordPrompts: 1 }],
    ['PreferredAuthentications gssapi-with-mic,password,publickey', { preferredAuth: ['password', 'publickey'] }],
    ['PasswordAuthentication no', { preferredAuth: ['publickey', 'keyboard-interactive'] }],
    ['PubkeyAuthentication no\nKbdInteractiveAuthentication no', { preferredAuth: ['password'] }],
    ['ProxyJump a@b:1,c', { tunnel: 'a@b:1,c' }],
    ['ProxyJump none', {}],
    ['ProxyCommand nc %h %p', { proxyCommand: 'nc %h %p' }],
    ['ProxyCommand none', {}],
    ['AddressFamily inet6', { family: 6 }],
    ['BindAddress 127.0.0.1', { localAddress: '127.0.0.1' }],
    ['TCPKeepAlive no', { tcpKeepalive: false }],
    ['ConnectionAttempts 3', { connectionAttempts: 3 }],
  ])('%s', async (text, options) => {
    expect((await resolve(text)).options).toEqual(options)
  })

  test('behind those that are given in code', async () => {
    const text = 'Ciphers aes128-ctr\nUserKnownHostsFile /a\nPreferredAuthentications password\nIdentityAgent /x'
    const given = {
      encryptionAlgs: 'aes256-ctr',
      knownHosts: '/mine',
      preferredAuth: 'publickey',
      agentPath: null,
    } as const
    expect((await resolve(text, given)).options).toMatchObject({
      ...given,
      preferredAuth: ['publickey'],
    })
  })

  test.each<[string, string]>([
    ['Ciphers none-of-these', 'none of none-of-these is known here'],
    ['BindAddress somewhere.example', 'no numeric address'],
    ['BindInterface nosuch0', 'no interface with an address'],
    ['ProxyCommand x\nProxyUseFdpass yes', 'not supported'],
  ])('that cannot be done are refused: %s', async (text, why) => {
    await expect(resolve(text)).rejects.toThrow(ConfigParseError)
    await expect(resolve(text)).rejects.toThrow(why)
  })

  test.each<[string, string]>([
    ['ProxyCommand x', 'ProxyCommand'],
    ['KnownHostsCommand /x', 'KnownHostsCommand'],
  ])('that run programs are refused when none may be run: %s', async (text, keyword) => {
    await expect(resolve(text, { configCommands: false })).rejects.toThrow(
      `${keyword} of ssh_config: configCommands is false`,
    )
  })

  test.each<[string, string]>([
    ['StrictHostKeyChecking no', 'StrictHostKeyChecking'],
    ['CertificateFile /c', 'CertificateFile'],
    ['Compression yes', 'Compression'],
    ['ForwardX11 yes', 'ForwardX11'],
    ['VerifyHostKeyDNS yes', 'VerifyHostKeyDNS'],
  ])('that do less here are told to the logger: %s', async (text, keyword) => {
    expect((await resolve(text)).warnings).toMatchObject([{ layer: 'config', event: 'keyword-not-followed', keyword }])
  })

  test('that nobody knows are told to the logger, with file and line', async () => {
    expect((await resolve('\nUseKeychain yes')).warnings).toMatchObject([{ event: 'line-without-effect', line: 2 }])
  })

  test('NoHostAuthenticationForLocalhost turns the check off for this machine alone', async () => {
    const text = 'NoHostAuthenticationForLocalhost yes'
    expect((await resolve(text, {}, 'localhost')).options).toEqual({ knownHosts: null })
    expect((await resolve(text, {}, '127.0.0.2')).options).toEqual({ knownHosts: null })
    expect((await resolve(text, {}, '::1')).options).toEqual({ knownHosts: null })
    expect((await resolve(text, {}, 'localhost.example')).options).toEqual({})
    expect((await resolve(`${text}\nHostKeyAlias x`, {}, 'localhost')).options).toEqual({ hostKeyAlias: 'x' })
    expect((await resolve(`${text}\nHostname evil.example`, {}, 'localhost')).options).toEqual({})
  })
})

describe('sessions and forwardings', () => {
  test('are told to whoever opens them', async () => {
    const text =
      'SetEnv A=1 "B=x y"\nSendEnv LANG\nRemoteCommand echo %n\nRequestTTY force\nForwardX11 yes\nForwardX11Trusted yes'
    expect((await resolve(text)).configured.sessions).toEqual({
      env: { A: '1', B: 'x y' },
      sendEnv: ['LANG'],
      command: 'echo alpha',
      subsystem: undefined,
      requestPty: 'force',
      forwardsX11: true,
    })
  })

  test('a command is the name of a subsystem where SessionType says so', async () => {
    const { sessions } = (await resolve('SessionType subsystem\nRemoteCommand netconf')).configured
    expect(sessions).toMatchObject({ command: undefined, subsystem: 'netconf' })
  })

  test('forwardings are listed, unless they are cleared', async () => {
    const text = 'LocalForward 1 h:2\nRemoteForward 3\nDynamicForward 4\nExitOnForwardFailure yes\nGatewayPorts yes'
    expect((await resolve(text)).configured.forwards).toMatchObject({
      local: [{ listen: { port: 1 }, connect: { host: 'h', port: 2 } }],
      remote: [{ listen: { port: 3 }, connect: undefined }],
      dynamic: [{ listen: { port: 4 } }],
      exitOnFailure: true,
      gatewayPorts: true,
    })
    const none = { local: [], remote: [], dynamic: [] }
    expect((await resolve(`${text}\nClearAllForwardings yes`)).configured.forwards).toMatchObject(none)
    expect((await resolve(text, { clearAllForwardings: true })).configured.forwards).toMatchObject(none)
  })
})

test('what each keyword becomes is an option, or is said in words', () => {
  const options = new Set([...Object.keys(clientOptionsSchema.shape), 'env', 'sendEnv', 'x11Forwarding'])
  for (const { name, becomes } of Object.values(clientKeywords)) {
    const names = becomes.split(', ')
    const isInWords = becomes.includes(' ') || becomes.startsWith('ignored')
    const isKnown =
      names.every((each) => options.has(each)) || ['forwards', 'username', 'warnings', 'family'].includes(becomes)
    expect(isKnown || isInWords, `${name} becomes ${becomes}`).toBe(true)
  }
})

test('names of algorithms that nobody knows are left out of a list', () => {
  expect(knownAlgorithms('K', 'a,b,c', ['b', 'c'])).toBe('b,c')
  expect(knownAlgorithms('K', '+a', ['b'])).toBeUndefined()
  expect(() => knownAlgorithms('K', 'a', ['b'])).toThrow('expected some of b')
})
