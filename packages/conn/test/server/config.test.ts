/** A server by sshd_config: what holds for all, and what is found out about each user. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { ConfigParseError } from '../../src/errors.js'
import type { LogEntry } from '../../src/log.js'
import { listenServer } from '../../src/server/listen.js'
import { listeningOptionsFromConfig } from '../../src/server/options-from-config.js'
import { prepareServerOptions } from '../../src/server/prepare-server-options.js'
import { readServerConfig } from '../../src/server/resolve-config.js'
import type { ServerConnection } from '../../src/server/server-connection.js'
import { type ServerOptions, serverConnectionOptionsSchema } from '../../src/server/server-options.js'
import type { UserFacts } from '../../src/server/user-lookup.js'
import { aliceOptions, hostKey } from '../loopback.js'
import { testKey } from '../transport-pair.js'

const [aliceKey, bobKey, rsa] = await Promise.all([
  generatePrivateKey('ssh-ed25519'),
  generatePrivateKey('ssh-ed25519'),
  testKey('ssh-rsa'),
])

const users: Readonly<Record<string, UserFacts>> = {
  alice: { uid: 1001, groups: ['users', 'dev'] },
  bob: { uid: 1002, groups: ['users'] },
  root: { uid: 0, groups: ['root'] },
}

function temporary() {
  const path = mkdtempSync(join(tmpdir(), 'server-config-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return (name: string, text: string, mode = 0o644) => {
    const file = join(path, name)
    writeFileSync(file, text)
    chmodSync(file, mode)
    return file
  }
}

interface Served {
  readonly port: number
  readonly connections: ServerConnection[]
  readonly warnings: LogEntry[]
}

/** A server on a free port that judges the password "secret", by the file with this text. */
async function serving(text: string, options: Partial<ServerOptions> = {}): Promise<Served> {
  const connections: ServerConnection[] = []
  const warnings: LogEntry[] = []
  const server = await listenServer({
    host: '127.0.0.1',
    port: 0,
    serverHostKeys: hostKey,
    config: temporary()('sshd_config', text),
    userLookup: (name) => users[name],
    logger: { debug() {}, warn: (entry) => warnings.push(entry) },
    serverFactory: (connection) => {
      connections.push(connection)
      return { validatePassword: (_user, password) => password === 'secret' || password === '' }
    },
    ...options,
  })
  onTestFinished(() => server.close())
  return { port: server.port, connections, warnings }
}

/** How a login ends: `in`, or the methods that the server would take. */
async function login({ port }: Served, username: string, options: ClientOptions = {}): Promise<string> {
  try {
    const link = await establishClient({ host: '127.0.0.1', port }, { ...aliceOptions, username, ...options })
    await link.close()
    return 'in'
  } catch (error) {
    return String((error as { details: { serverMethods?: readonly string[] } }).details.serverMethods)
  }
}

const byKey = (key: PrivateKey): ClientOptions => ({ password: undefined as never, clientKeys: key })

describe('who may log in', () => {
  test.each<[string, Record<string, string>]>([
    ['', { alice: 'in', bob: 'in', nobody: 'in' }],
    ['AllowUsers alice', { alice: 'in', bob: 'publickey,keyboard-interactive,password' }],
    ['DenyUsers alice@127.0.0.0/8', { alice: 'publickey,keyboard-interactive,password', bob: 'in' }],
    ['DenyUsers alice@10.0.0.0/8', { alice: 'in' }],
    ['AllowGroups dev', { alice: 'in', bob: 'publickey,keyboard-interactive,password' }],
    ['DenyGroups dev', { alice: 'publickey,keyboard-interactive,password', bob: 'in' }],
    // Nobody knows what groups they are in.
    ['DenyGroups wheel', { alice: 'in', nobody: 'publickey,keyboard-interactive,password' }],
    ['Match Group dev\nPermitTTY no', { alice: 'in', nobody: 'publickey,keyboard-interactive,password' }],
    ['Match User bob\nDenyUsers *', { alice: 'in', bob: 'publickey,keyboard-interactive,password' }],
    ['Match Address 127.0.0.0/8\nDenyUsers bob', { alice: 'in', bob: 'publickey,keyboard-interactive,password' }],
    // root is held to what sshd does where nothing is said.
    ['', { root: 'publickey' }],
    ['PermitRootLogin yes', { root: 'in' }],
    ['PermitRootLogin no', { root: 'publickey' }],
  ])('%j', async (text, expected) => {
    const server = await serving(text)
    for (const [user, outcome] of Object.entries(expected)) expect(await login(server, user), user).toBe(outcome)
  })

  // A name must not lead to the files of somebody else.
  test.each(['../alice', '..', '~alice', 'a/b'])(
    'nobody by the name %j, when files are found by names',
    async (name) => {
      const keys = temporary()('alice', aliceKey.exportPublicKey())
      const server = await serving(`StrictModes no\nAuthorizedKeysFile ${join(keys, '..')}/%u`)
      expect(await login(server, 'alice', byKey(aliceKey))).toBe('in')
      expect(await login(server, name)).not.toBe('in')
      expect(server.warnings).toMatchObject([{ event: 'user-refused', userName: name }])
    },
  )

  test('nobody about whom the lookup fails', async () => {
    const server = await serving('Match User bob\nPermitTTY no', {
      userLookup: (name) => {
        if (name === 'bob') throw new Error('the directory does not answer')
        return users[name]
      },
    })
    expect(await login(server, 'alice')).toBe('in')
    expect(await login(server, 'bob')).not.toBe('in')
  })
})

describe('how', () => {
  test.each<[string, string, string]>([
    ['PasswordAuthentication no\nKbdInteractiveAuthentication no', 'alice', 'publickey'],
    ['PasswordAuthentication no', 'alice', 'in'],
    ['Match User bob\nPasswordAuthentication no\nKbdInteractiveAuthentication no', 'alice', 'in'],
    ['Match User bob\nPasswordAuthentication no\nKbdInteractiveAuthentication no', 'bob', 'publickey'],
    ['AuthenticationMethods publickey,password', 'alice', 'publickey'],
    ['Match User bob\nAuthenticationMethods publickey', 'bob', 'publickey'],
  ])('%j: %s is answered %s', async (text, user, outcome) => {
    expect(await login(await serving(text), user)).toBe(outcome)
  })

  test('with an empty password only where that is permitted', async () => {
    expect(await login(await serving(''), 'alice', { password: '' })).not.toBe('in')
    const text = 'Match User alice\nPermitEmptyPasswords yes'
    expect(await login(await serving(text), 'alice', { password: '' })).toBe('in')
    expect(await login(await serving(text), 'bob', { password: '' })).not.toBe('in')
  })

  test('by keys of AuthorizedKeysFile, of each user their own', async () => {
    const write = temporary()
    const folder = join(write('alice', aliceKey.exportPublicKey()), '..')
    write('bob', bobKey.exportPublicKey())
    const server = await serving(`StrictModes no\nAuthorizedKeysFile ${folder}/missing ${folder}/%u`)
    expect(await login(server, 'alice', byKey(aliceKey))).toBe('in')
    expect(await login(server, 'bob', byKey(aliceKey))).not.toBe('in')
    expect(await login(server, 'nobody', byKey(aliceKey))).not.toBe('in')
  })

  test('not by keys that others may have written, unless StrictModes is off', async () => {
    const keys = temporary()('keys', aliceKey.exportPublicKey(), 0o666)
    expect(await login(await serving(`AuthorizedKeysFile ${keys}`), 'alice', byKey(aliceKey))).not.toBe('in')
    expect(await login(await serving(`AuthorizedKeysFile ${keys}\nStrictModes no`), 'alice', byKey(aliceKey))).toBe(
      'in',
    )
  })

  test('not by revoked keys, nor by small ones', async () => {
    const write = temporary()
    const keys = write('keys', aliceKey.exportPublicKey() + rsa.exportPublicKey())
    const revoked = write('revoked', aliceKey.exportPublicKey())
    // Whoever runs the test owns the files, in a folder where others may write.
    const text = `StrictModes no\nAuthorizedKeysFile ${keys}`
    const server = await serving(`${text}\nRevokedKeys ${revoked}\nRequiredRSASize 8192`)
    expect(await login(server, 'alice', byKey(aliceKey))).not.toBe('in')
    expect(await login(server, 'alice', byKey(rsa))).not.toBe('in')
    expect(await login(await serving(text), 'alice', byKey(rsa))).toBe('in')
    const missing = await serving(`${text}\nRevokedKeys ${keys}.missing`)
    expect(await login(missing, 'alice', byKey(rsa))).not.toBe('in')
  })

  test('root with a forced command only, where the file says so', async () => {
    const write = temporary()
    const plain = write('plain', aliceKey.exportPublicKey())
    const forced = write('forced', `command="backup" ${aliceKey.exportPublicKey()}`)
    // Whoever runs the test owns the files, and need not be root.
    const text = (keys: string) => `PermitRootLogin forced-commands-only\nStrictModes no\nAuthorizedKeysFile ${keys}`
    expect(await login(await serving(text(plain)), 'root', byKey(aliceKey))).not.toBe('in')
    expect(await login(await serving(text(forced)), 'root', byKey(aliceKey))).toBe('in')
    // sshd means the command of the key alone.
    expect(await login(await serving(`${text(plain)}\nForceCommand x`), 'root', byKey(aliceKey))).not.toBe('in')
  })

  test('what is given in code goes first', async () => {
    const options = { authorizedClientKeys: bobKey.exportPublicKey(), requiredAuth: [['publickey']] } as const
    const server = await serving('AuthenticationMethods password\nAuthorizedKeysFile none', options)
    expect(await login(server, 'alice', byKey(bobKey))).toBe('in')
    expect(await login(server, 'alice')).toBe('publickey')
  })

  test('after the text that the file has for this user', async () => {
    const write = temporary()
    const [all, bobs] = [write('all', 'welcome all'), write('bobs', 'welcome bob')]
    const server = await serving(`Banner ${all}\nMatch User bob\nBanner ${bobs}`)
    const banners: string[] = []
    for (const username of ['alice', 'bob']) {
      const link = await establishClient({ host: '127.0.0.1', port: server.port }, { ...aliceOptions, username })
      link.deliverTo((event, ...values) => {
        if (event === 'banner') banners.push(String(values[0]))
      })
      link.deliverEarly('banner')
      await new Promise((resolve) => setImmediate(resolve))
      await link.close()
    }
    expect(banners).toEqual(['welcome all', 'welcome bob'])
  })
})

describe('to what end', () => {
  const restrictionsOf = async (text: string, user = 'alice', options: Partial<ServerOptions> = {}) => {
    const server = await serving(text, options)
    const link = await establishClient({ host: '127.0.0.1', port: server.port }, { ...aliceOptions, username: user })
    const [connection] = server.connections
    const [restrictions, ...others] = connection?.restrictions ?? []
    const forced = [restrictions, ...others].find((each) => each?.command !== undefined)?.command
    const configured = connection?.configured
    await link.close()
    return { ...restrictions, forced, sftpRoot: configured?.sftpRoot, acceptEnv: configured?.acceptEnv }
  }

  test.each<[string, object]>([
    ['', { command: undefined, allowPty: true, allowPortForwarding: true, permitOpen: undefined, acceptEnv: [] }],
    ['PermitTTY no', { allowPty: false }],
    ['ForceCommand echo "x" # y', { command: 'echo "x" # y' }],
    ['ForceCommand none', { command: undefined }],
    ['AllowTcpForwarding no', { allowPortForwarding: false }],
    ['AllowTcpForwarding local', { allowPortForwarding: true, permitListen: [], permitOpen: undefined }],
    ['AllowTcpForwarding remote', { permitOpen: [], permitListen: undefined }],
    ['AllowStreamLocalForwarding no', { allowPortForwarding: false }],
    ['AllowTcpForwarding local\nAllowStreamLocalForwarding remote', { allowPortForwarding: false }],
    ['AllowAgentForwarding no', { allowAgentForwarding: false }],
    ['X11Forwarding no', { allowX11Forwarding: false }],
    [
      'DisableForwarding yes\nX11Forwarding yes',
      { allowPortForwarding: false, allowAgentForwarding: false, allowX11Forwarding: false },
    ],
    [
      'PermitOpen host:80 [::1]:*',
      {
        permitOpen: [
          { host: 'host', port: 80 },
          { host: '::1', port: 0 },
        ],
      },
    ],
    ['PermitOpen none', { permitOpen: [] }],
    ['PermitListen 8080', { permitListen: [{ host: '*', port: 8080 }] }],
    [
      'SetEnv A=1 "B=x y"',
      {
        environment: new Map([
          ['A', '1'],
          ['B', 'x y'],
        ]),
      },
    ],
    ['AcceptEnv LANG LC_*', { acceptEnv: ['LANG', 'LC_*'] }],
    ['ChrootDirectory /srv/%u', { sftpRoot: '/srv/alice', forced: 'internal-sftp' }],
    ['Match User alice\nPermitTTY no\nForceCommand x', { allowPty: false, command: 'x' }],
    ['Match User bob\nPermitTTY no\nForceCommand x', { allowPty: true, command: undefined }],
  ])('%j', async (text, expected) => {
    expect(await restrictionsOf(text)).toMatchObject(expected)
  })

  test('with variables of keys only where PermitUserEnvironment says so', async () => {
    const keys = temporary()('keys', `environment="A=1",environment="LC_X=2" ${aliceKey.exportPublicKey()}`)
    const environment = async (text: string) => {
      const server = await serving(`StrictModes no\nAuthorizedKeysFile ${keys}\n${text}`)
      expect(await login(server, 'alice', byKey(aliceKey))).toBe('in')
      return [...(server.connections[0]?.restrictions[1]?.environment.keys() ?? [])]
    }
    expect(await environment('')).toEqual([])
    expect(await environment('PermitUserEnvironment yes')).toEqual(['A', 'LC_X'])
    expect(await environment('PermitUserEnvironment LC_*')).toEqual(['LC_X'])
  })
})

describe('options of the whole server', () => {
  const prepared = async (text: string, options: object = {}) => {
    const config = temporary()('sshd_config', text)
    const given = serverConnectionOptionsSchema.parse({ serverHostKeys: hostKey, config, ...options })
    return (await prepareServerOptions(given)).options
  }

  test.each<[string, object]>([
    ['Ciphers aes128-ctr,unknown', { encryptionAlgs: 'aes128-ctr' }],
    ['MACs hmac-sha2-256', { macAlgs: 'hmac-sha2-256' }],
    ['KexAlgorithms curve25519-sha256', { kexAlgs: 'curve25519-sha256' }],
    ['PubkeyAcceptedAlgorithms ssh-ed25519', { signatureAlgs: 'ssh-ed25519' }],
    ['RekeyLimit 1M 5m', { rekeyBytes: 1024 ** 2, rekeyInterval: 300_000 }],
    ['LoginGraceTime 30', { loginTimeout: 30_000 }],
    ['ClientAliveInterval 10\nClientAliveCountMax 0', { keepaliveInterval: 10_000, keepaliveCountMax: 2 ** 31 - 1 }],
    ['MaxAuthTries 5\nMatch User bob\nMaxAuthTries 2', { maxAuthTries: 2 }],
    ['MaxSessions 0', { maxSessions: 0 }],
    ['UnusedConnectionTimeout 1m', { idleTimeout: 60_000 }],
    ['AllowTcpForwarding no', { allowTcpForwarding: false }],
    ['AllowTcpForwarding no\nMatch User bob\nAllowTcpForwarding local', { allowTcpForwarding: 'local' }],
    ['AllowTcpForwarding remote\nMatch User bob\nAllowTcpForwarding local', { allowTcpForwarding: true }],
    ['AllowStreamLocalForwarding all', { allowStreamLocalForwarding: true }],
    ['GatewayPorts clientspecified', { gatewayPorts: 'clientspecified' }],
    ['X11Forwarding no\nMatch User bob\nX11Forwarding yes', { x11Forwarding: true }],
    ['X11DisplayOffset 20\nX11UseLocalhost no', { x11DisplayOffset: 20, x11UseLocalhost: false }],
    ['AllowAgentForwarding no', { agentForwarding: false }],
    [
      'StreamLocalBindUnlink yes\nStreamLocalBindMask 0117',
      { streamLocalBindUnlink: true, streamLocalBindMask: 0o117 },
    ],
  ])('%j', async (text, expected) => {
    expect(await prepared(text)).toMatchObject(expected)
  })

  test('what a file does not say stays as it is without one', async () => {
    const { config, serverHostKeys, ...others } = await prepared('')
    expect(Object.values(others).filter((value) => value !== undefined)).toEqual([])
    expect(config).toBeDefined()
    expect(serverHostKeys).toBe(hostKey)
  })

  test('host keys are those of the file, where none are given', async () => {
    const key = temporary()('key', await hostKey.exportPrivateKey('openssh'), 0o600)
    const config = temporary()('sshd_config', `HostKey ${key}\nHostKeyAlgorithms ssh-ed25519`)
    const { hostKeys, algorithms } = await prepareServerOptions(serverConnectionOptionsSchema.parse({ config }))
    expect(hostKeys.map((each) => each.getFingerprint())).toEqual([hostKey.getFingerprint()])
    expect(algorithms.serverHostKey).toEqual(['ssh-ed25519'])
    await expect(prepared('', { serverHostKeys: undefined })).rejects.toThrow('serverHostKeys: must be given')
  })

  test.each<[string, string]>([
    ['TrustedUserCAKeys /ca', 'TrustedUserCAKeys'],
    ['Match User bob\nTrustedUserCAKeys /ca', 'TrustedUserCAKeys'],
    ['AuthorizedPrincipalsFile /p', 'AuthorizedPrincipalsFile'],
    ['HostCertificate /c', 'HostCertificate'],
    ['HostKeyAgent /a', 'HostKeyAgent'],
    ['PubkeyAuthOptions touch-required', 'PubkeyAuthOptions'],
    ['Match User bob\nMaxSessions 0', 'MaxSessions'],
    ['GatewayPorts yes\nMatch User bob\nGatewayPorts no', 'GatewayPorts'],
    ['Match User bob\nPubkeyAcceptedAlgorithms ssh-ed25519', 'PubkeyAcceptedAlgorithms'],
    ['AuthenticationMethods publickey\nPubkeyAuthentication no', 'Nobody could log in'],
    ['AuthenticationMethods hostbased', 'Nobody could log in'],
    ['PubkeyAuthentication no\nPasswordAuthentication no\nKbdInteractiveAuthentication no', 'Nobody could log in'],
  ])('what cannot be followed, and must be, is refused by name: %j', async (text, why) => {
    await expect(prepared(text)).rejects.toThrow(ConfigParseError)
    await expect(prepared(text)).rejects.toThrow(why)
  })

  test.each<[string, string]>([
    ['Subsystem sftp internal-sftp', 'Subsystem'],
    ['AuthorizedKeysCommand /bin/x', 'AuthorizedKeysCommand'],
    ['ChannelTimeout session:*=5m', 'ChannelTimeout'],
    ['VersionAddendum x', 'VersionAddendum'],
    ['TCPKeepAlive no', 'TCPKeepAlive'],
    ['Match User bob\nClientAliveInterval 5\nMatch all\nClientAliveInterval 6', 'ClientAliveInterval'],
  ])('what is not followed, and need not be, is told to the logger: %j', async (text, keyword) => {
    const warnings: LogEntry[] = []
    await prepared(text, { logger: { debug() {}, warn: (entry: LogEntry) => warnings.push(entry) } })
    expect(warnings).toMatchObject([{ event: 'keyword-not-followed', keyword }])
  })

  test.each<[string, object]>([
    ['', {}],
    ['Port 2222', { port: 2222 }],
    ['ListenAddress 127.0.0.1\nListenAddress ::1\nPort 22', { host: ['127.0.0.1', '::1'], ipv6Only: true, port: 22 }],
    ['ListenAddress 127.0.0.1:2200', { host: ['127.0.0.1'], port: 2200 }],
    ['AddressFamily inet', { host: '0.0.0.0' }],
    ['MaxStartups 10:30:60', { maxStartups: [10, 30, 60] }],
    ['MaxStartups 7', { maxStartups: 7 }],
    ['PerSourceMaxStartups 3', { perSourceMaxStartups: 3 }],
    ['PerSourceMaxStartups none', {}],
  ])('where it listens: %j', async (text, expected) => {
    expect(listeningOptionsFromConfig(await readServerConfig(temporary()('sshd_config', text)))).toEqual(expected)
  })

  test('several ports are refused', async () => {
    const config = await readServerConfig(temporary()('sshd_config', 'Port 22\nPort 23'))
    expect(() => listeningOptionsFromConfig(config)).toThrow('one port, and 22, 23 are named')
  })

  test('are read again by update, and forgotten where they are not said any more', async () => {
    const write = temporary()
    const options = {
      host: '127.0.0.1',
      port: 0,
      serverHostKeys: hostKey,
      authorizedClientKeys: aliceKey.exportPublicKey(),
    }
    const server = await listenServer({ ...options, config: write('one', 'PubkeyAuthentication no') })
    onTestFinished(() => server.close())
    const served = { port: server.port, connections: [], warnings: [] }
    expect(await login(served, 'alice', byKey(aliceKey))).not.toBe('in')
    await server.update({ config: write('two', '') })
    expect(await login(served, 'alice', byKey(aliceKey))).toBe('in')
  })
})
