/** A server by sshd_config grants no more than sshd would: what goes around a keyword, or makes two of them meet. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { parseServerConfig } from '../../src/config/sshd-config.js'
import { ConfigParseError } from '../../src/errors.js'
import { listenServer } from '../../src/server/listen.js'
import { listeningOptionsFromConfig } from '../../src/server/options-from-config.js'
import { prepareServerOptions } from '../../src/server/prepare-server-options.js'
import { readServerConfig, type ServerConfigFile } from '../../src/server/resolve-config.js'
import { ServerAuthAnswers } from '../../src/server/server-auth-answers.js'
import type { ServerCallbacks } from '../../src/server/server-callbacks.js'
import type { ServerConnection } from '../../src/server/server-connection.js'
import { type ServerOptions, serverConnectionOptionsSchema } from '../../src/server/server-options.js'
import { isListedUser } from '../../src/server/user-patterns.js'
import { findUserPolicy, type PolicyClient } from '../../src/server/user-policy.js'
import { UserSettings } from '../../src/server/user-settings.js'
import { aliceOptions, hostKey } from '../loopback.js'

const key = await generatePrivateKey('ssh-ed25519')

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'config-grants-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

function file(name: string, text: string): string {
  const path = join(folder(), name)
  writeFileSync(path, text)
  chmodSync(path, 0o644)
  return path
}

const config = (text: string): Promise<ServerConfigFile> => readServerConfig(file('sshd_config', text))

/** What a file says of a user who comes from an address. */
async function policy(text: string, user: string, address: string | undefined = '192.0.2.7') {
  const client: PolicyClient = { address, localAddress: '192.0.2.1', localPort: 22 }
  const userLookup = (name: string) => ({ uid: name === 'root' ? 0 : 1000, groups: [name] })
  const sources = { config: await config(text), userLookup, readsKeys: true, logger: undefined }
  return findUserPolicy(sources, user, client)
}

async function served(text: string, callbacks: ServerCallbacks, options: Partial<ServerOptions> = {}) {
  const connections: ServerConnection[] = []
  const server = await listenServer({
    host: '127.0.0.1',
    port: 0,
    serverHostKeys: hostKey,
    config: file('sshd_config', text),
    userLookup: (name) => ({ uid: name === 'root' ? 0 : 1000, groups: [name] }),
    logger: { debug() {} },
    serverFactory: (connection) => {
      connections.push(connection)
      return callbacks
    },
    ...options,
  })
  onTestFinished(() => server.close())
  return { port: server.port, connections }
}

/** Whether a login succeeds, or what the server would take. */
async function login(port: number, options: ClientOptions): Promise<string> {
  try {
    const link = await establishClient({ host: '127.0.0.1', port }, { ...aliceOptions, ...options })
    await link.close()
    return 'in'
  } catch (error) {
    return String((error as { details: { serverMethods?: readonly string[] } }).details.serverMethods)
  }
}

const byKey = (privateKey: PrivateKey): ClientOptions => ({ password: undefined as never, clientKeys: privateKey })
const byPassword: ClientOptions = { password: 'secret', preferredAuth: 'password' }

describe('methods', () => {
  const callbacks: ServerCallbacks = { validatePassword: (_user, password) => password === 'secret' }

  test.each([
    ['AuthenticationMethods publickey,password', 'alice'],
    ['PasswordAuthentication no\nKbdInteractiveAuthentication no', 'alice'],
    ['PermitRootLogin prohibit-password', 'root'],
  ])('are required as %j says, also of a user about whom beginAuth fails', async (text, username) => {
    const { port } = await served(text, {
      ...callbacks,
      beginAuth: () => {
        throw new Error('the directory does not answer')
      },
    })
    expect(await login(port, { ...byPassword, username })).toBe('publickey')
  })

  test.each([
    ['PasswordAuthentication no', 'alice'],
    ['', 'root'],
  ])('that %j forbids %s stay forbidden, whatever requiredAuth asks for', async (text, username) => {
    const requiredAuth = [['publickey', 'password'], ['password'], ['publickey']] as const
    const { port } = await served(text, callbacks, { requiredAuth })
    expect(await login(port, { ...byPassword, username })).toBe('publickey')
  })
})

describe('an empty password', () => {
  test('cannot be changed into another where it does not let anybody in', async () => {
    const asked: string[] = []
    const answers = new ServerAuthAnswers({
      callbacks: { changePassword: (_user, old) => asked.push(old) > 0 },
      authorizedKeys: { keys: [], warnings: [] },
      userSettings: new UserSettings(undefined),
      allowUsers: undefined,
      denyUsers: undefined,
      permitEmptyPassword: undefined,
      requiredAuth: undefined,
      clientAddress: '192.0.2.7',
      logger: undefined,
    })
    const change = (oldPassword: string, newPassword: string) =>
      new Promise((answer) =>
        answers.answer({ type: 'password-change', userName: 'alice', oldPassword, newPassword, answer }),
      )
    expect(await change('', 'new')).toBe('reject')
    expect(await change('old', '')).toBe('reject')
    expect(asked).toEqual([])
    expect(await change('old', 'new')).toBe('accept')
  })
})

describe('addresses', () => {
  const mapped = '::ffff:192.0.2.7'

  test.each(['DenyUsers bob@192.0.2.*', 'DenyUsers bob@192.0.2.7', 'DenyUsers bob@192.0.2.0/24'])(
    '%j means clients of a socket for both families as well',
    async (text) => {
      expect((await policy(text, 'bob', mapped)).mayLogIn).toBe(false)
      expect((await policy(text, 'bob', '::ffff:198.51.100.7')).mayLogIn).toBe(true)
    },
  )

  test.each(['Address 192.0.2.*', 'Address 192.0.2.0/24', 'Host 192.0.2.7', 'LocalAddress 192.0.2.1'])(
    '"Match %s" means them as well',
    async (criterion) => {
      const found = await policy(`Match ${criterion}\nForceCommand x`, 'bob', mapped)
      expect(found.restrictions.command).toBe('x')
    },
  )

  test('of denyUsers mean them as well, and whoever comes from nobody knows where', () => {
    expect(isListedUser(['bob@192.0.2.*'], 'bob', mapped, false)).toBe(true)
    expect(isListedUser(['bob@192.0.2.*'], 'bob', undefined, true)).toBe(true)
    expect(isListedUser(['bob@192.0.2.*'], 'eve', undefined, true)).toBe(false)
    expect(isListedUser(['bob@192.0.2.*'], 'bob', undefined, false)).toBe(false)
  })

  test.each(['DenyUsers', 'AllowUsers'])('%s with a block that is none is refused', async (keyword) => {
    await expect(parseServerConfig({ text: `${keyword} bob@192.0.2.1/24` })).rejects.toThrow('no CIDR block')
  })
})

describe('what a user may do', () => {
  test.each([['X11Forwarding', 'allowX11Forwarding']] as const)(
    '%s for one user is not for others',
    async (keyword, fact) => {
      const text = `Match User alice\n${keyword} yes`
      expect((await policy(text, 'alice')).restrictions[fact]).toBe(true)
      expect((await policy(text, 'bob')).restrictions[fact]).toBe(false)
    },
  )

  test('PermitUserEnvironment takes a name away by "!"', async () => {
    const { limit, restrictions } = await policy('PermitUserEnvironment !LD_*,*', 'alice')
    const environment = new Map([
      ['LD_PRELOAD', 'x'],
      ['LANG', 'C'],
    ])
    expect([...(limit({ ...restrictions, environment })?.environment.keys() ?? [])]).toEqual(['LANG'])
  })

  test('PermitRootLogin forced-commands-only wants the command of a key', async () => {
    const { limit, restrictions } = await policy('PermitRootLogin forced-commands-only\nForceCommand x', 'root')
    expect(limit({ ...restrictions, command: undefined })).toBeUndefined()
    expect(limit({ ...restrictions, command: 'y' })).toBeDefined()
  })

  test('PermitTunnel says which tunnels a user may have, where it is said', async () => {
    const text = 'PermitTunnel no\nMatch User alice\nPermitTunnel point-to-point\nMatch User bob\nPermitTunnel yes'
    const [alice, bob, eve] = await Promise.all(['alice', 'bob', 'eve'].map((name) => policy(text, name)))
    expect([...(alice?.tunnels ?? [])]).toEqual(['tun'])
    expect([...(bob?.tunnels ?? [])]).toEqual(['tun', 'tap'])
    expect([...(eve?.tunnels ?? ['any'])]).toEqual([])
    expect((await policy('', 'alice')).tunnels).toBeUndefined()
  })
})

describe('ChrootDirectory', () => {
  const chroot = 'ChrootDirectory /srv/%u'

  test('leaves ForceCommand as it is written', async () => {
    const { restrictions } = await policy(`${chroot}\nForceCommand internal-sftp -R`, 'alice')
    expect(restrictions.command).toBe('internal-sftp -R')
  })

  test('with a ForceCommand that cannot be locked in lets nobody in', async () => {
    await expect(policy(`${chroot}\nForceCommand /bin/backup`, 'alice')).rejects.toThrow(ConfigParseError)
  })

  test('gives no files to a key that may run a command only', async () => {
    const { limit, restrictions } = await policy(chroot, 'alice')
    expect(limit({ ...restrictions, command: 'backup' })).toBeUndefined()
    expect(limit({ ...restrictions, command: 'internal-sftp -R' })?.command).toBe('internal-sftp -R')
  })

  test('leaves the command of a key that is served files as it is written', async () => {
    const keys = file('keys', `command="internal-sftp -R" ${key.exportPublicKey()}`)
    const { port, connections } = await served(`${chroot}\nStrictModes no\nAuthorizedKeysFile ${keys}`, {})
    expect(await login(port, byKey(key))).toBe('in')
    const commands = connections[0]?.restrictions.flatMap(({ command }) => command ?? [])
    expect(commands?.[0]).toBe('internal-sftp -R')
  })
})

describe('internal-sftp', () => {
  test.each(['-P write', '-p read', '-x', '-h', '-u rwx', '-R more', '-d'])('with %j is refused', async (options) => {
    await expect(prepared(`ForceCommand internal-sftp ${options}`)).rejects.toThrow('internal-sftp')
    await expect(prepared(`Match User x\nForceCommand internal-sftp ${options}`)).rejects.toThrow('internal-sftp')
    await expect(prepared(`Subsystem sftp internal-sftp ${options}`)).rejects.toThrow('sftp')
    await expect(prepared(`Subsystem sftp /usr/lib/openssh/sftp-server ${options}`)).rejects.toThrow('sftp')
  })

  test('of Subsystem says what SFTP may do', async () => {
    expect((await policy('Subsystem sftp internal-sftp -f AUTH -l INFO', 'alice')).sftp?.readOnly).toBe(false)
    expect((await policy('Subsystem sftp /usr/lib/openssh/sftp-server -R', 'alice')).sftp?.readOnly).toBe(true)
    expect((await policy('Subsystem sftp internal-sftp -u 027', 'alice')).sftp?.umask).toBe(0o27)
  })
})

async function prepared(text: string) {
  const given = serverConnectionOptionsSchema.parse({
    serverHostKeys: hostKey,
    config: file('sshd_config', text),
    logger: { debug() {} },
  })
  return prepareServerOptions(given)
}

describe('a file that is not understood', () => {
  test.each(['AlowUsers bob', 'Match User bob\nAlowUsers x', '\ufeffPermitRootLogin no'])(
    'is refused: %j',
    async (text) => {
      await expect(prepared(text)).rejects.toThrow(ConfigParseError)
    },
  )
})

describe('where it listens', () => {
  test.each([
    'AddressFamily inet\nListenAddress ::1',
    'AddressFamily inet6\nListenAddress 127.0.0.1',
    'AddressFamily inet6\nListenAddress some.host',
  ])('%j is refused: the address may be of the other family', async (text) => {
    const parsed = await config(text)
    expect(() => listeningOptionsFromConfig(parsed)).toThrow('AddressFamily')
  })

  test.each([
    ['AddressFamily inet6', { host: '::', ipv6Only: true }],
    ['ListenAddress ::', { host: ['::'], ipv6Only: true }],
    ['ListenAddress 0.0.0.0\nListenAddress ::', { host: ['0.0.0.0', '::'], ipv6Only: true }],
    ['PerSourceNetBlockSize 24:64', { perSourceNetBlockSize: [24, 64] }],
  ])('%j', async (text, expected) => {
    expect(listeningOptionsFromConfig(await config(text))).toEqual(expected)
  })
})

describe.skipIf(process.getuid === undefined)('StrictModes', () => {
  test.each([
    ['the folder', '.ssh'],
    ['the home', ''],
  ])('refuses keys when others may write to %s', async (_what, open) => {
    const home = folder()
    mkdirSync(join(home, '.ssh'), { mode: 0o700 })
    writeFileSync(join(home, '.ssh', 'authorized_keys'), key.exportPublicKey(), { mode: 0o600 })
    const userLookup = () => ({ uid: process.getuid?.() ?? 0, homeDirectory: home, groups: [] })
    const { port } = await served('PermitRootLogin yes', {}, { userLookup })
    expect(await login(port, byKey(key))).toBe('in')
    chmodSync(join(home, open), 0o777)
    expect(await login(port, byKey(key))).not.toBe('in')
    const lax = await served('PermitRootLogin yes\nStrictModes no', {}, { userLookup })
    expect(await login(lax.port, byKey(key))).toBe('in')
  })
})

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'))

test.skipIf(!hasIpv6)('addresses of both families are listened on side by side', async () => {
  const { port } = await served('ListenAddress 0.0.0.0\nListenAddress ::', {}, { host: undefined as never })
  expect(port).toBeGreaterThan(0)
})
