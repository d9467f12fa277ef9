/** What compiles and what does not: checked by tsc, and run so that nothing here is only a claim. */

import type { Readable, Writable } from 'node:stream'
import { describe, expectTypeOf, test } from 'vitest'
import type {
  ClientOptions,
  CompletedProcess,
  connect,
  Destination,
  getServerAuthMethods,
  getServerHostKey,
  ListenOptions,
  listen,
  ProcessOptions,
  PublicKey,
  RunOptions,
  SftpClient,
  SftpFactory,
  SftpServer,
  SftpSessionFactory,
  SshClientConnection,
  SshClientProcess,
  SshServer,
  UpdateOptions,
} from '../src/index.js'
import { ProcessError, run, type SftpTransferOptions } from '../src/index.js'

/** Nothing here is called. */
const conn = {} as SshClientConnection

describe('run and createProcess', () => {
  test('give text, or bytes when the encoding is buffer', () => {
    const once = () => run('host', 'x', { knownHosts: null })
    expectTypeOf(once).returns.resolves.toEqualTypeOf<CompletedProcess<string>>()
    const asText = () => conn.run('x')
    const asLatin = () => conn.run('x', { encoding: 'latin1' })
    const asBytes = () => conn.run('x', { encoding: 'buffer' })
    const asEither = (encoding: 'utf8' | 'buffer') => conn.run('x', { encoding })
    expectTypeOf(asText).returns.resolves.toHaveProperty('stdout').toEqualTypeOf<string>()
    expectTypeOf(asLatin).returns.resolves.toHaveProperty('stderr').toEqualTypeOf<string>()
    expectTypeOf(asBytes).returns.resolves.toHaveProperty('stdout').toEqualTypeOf<Buffer>()
    expectTypeOf(asEither).returns.resolves.toHaveProperty('stdout').toEqualTypeOf<string | Buffer>()
    const process = () => conn.createProcess('x', { encoding: 'buffer' })
    expectTypeOf(process).returns.resolves.toEqualTypeOf<SshClientProcess<Buffer>>()
  })

  test('have the fields of the contract', () => {
    expectTypeOf<CompletedProcess>().toHaveProperty('exitStatus').toEqualTypeOf<number | null>()
    expectTypeOf<CompletedProcess>().toHaveProperty('returncode').toEqualTypeOf<number | null>()
    expectTypeOf<CompletedProcess['exitSignal']>().toEqualTypeOf<{
      readonly name: string
      readonly coreDumped: boolean
      readonly message: string
      readonly lang: string
    } | null>()
    expectTypeOf<ProcessError>().toExtend<CompletedProcess>()
    expectTypeOf<SshClientProcess>().toHaveProperty('stdin').toEqualTypeOf<Writable>()
    expectTypeOf<SshClientProcess>().toHaveProperty('stdout').toEqualTypeOf<Readable>()
    expectTypeOf<SshClientProcess>().toHaveProperty('exitCode').toEqualTypeOf<number | null>()
    expectTypeOf<SshClientProcess>().not.toHaveProperty('pid')
  })

  test('take what the contract shows', () => {
    const options = [
      { check: true, timeout: '30s', maxBuffer: '2m', cwd: '/srv', env: { LANG: 'C' }, sendEnv: ['LC_*'] },
      { input: 'text' },
      { input: new Uint8Array(1) },
      { stdin: 'ignore', stdout: { path: 'out.txt' }, stderr: 'stdout' },
      { stdout: { to: process.stdout, end: false } },
      { requestPty: true, termType: 'vt100', termSize: [80, 24], termModes: { ECHO: 0 } },
      { signal: AbortSignal.abort() },
    ] satisfies RunOptions[]
    expectTypeOf(options).toExtend<RunOptions[]>()
    expectTypeOf<{ subsystem: 'netconf' }>().toExtend<ProcessOptions>()
    expectTypeOf<['tar', '-cf']>().toExtend<Parameters<SshClientConnection['run']>[0]>()
  })

  test('refuse what it does not', () => {
    // @ts-expect-error: misspelt
    const misspelt: RunOptions = { timout: 5 }
    // @ts-expect-error: not an encoding
    const encoding: RunOptions = { encoding: 'utf-9' }
    // @ts-expect-error: processes are not waited for with a check
    const check: ProcessOptions = { check: true }
    // @ts-expect-error: standard output has no place to come from
    const stdout: RunOptions = { stdout: { from: process.stdin } }
    // @ts-expect-error: on, off, or a key agent
    const agent: RunOptions = { agentForwarding: 1 }
    expectTypeOf([misspelt, encoding, check, stdout, agent]).toBeArray()
  })
})

describe('connect', () => {
  test('takes each form of a destination and each option of the contract', () => {
    expectTypeOf<typeof connect>().returns.resolves.toEqualTypeOf<SshClientConnection>()
    expectTypeOf<typeof connect>().parameter(0).toEqualTypeOf<Destination>()
    expectTypeOf<{ host: 'x'; port: 22; username: 'me' }>().toExtend<Destination>()
    const options = {
      port: 22,
      username: 'me',
      password: async () => 'secret',
      clientKeys: ['~/.ssh/id_ed25519', new Uint8Array(1)],
      passphrase: (file: string) => file,
      preferredAuth: ['publickey', 'password'],
      keyboardInteractive: (_name, _instructions, prompts) => prompts.map(({ prompt }) => prompt),
      knownHosts: async (host, port) => `${host} ${port}`,
      hostKeyPolicy: 'accept-new',
      hostKeyFingerprint: 'SHA256:…',
      verifyHostKey: ({ fingerprint }) => fingerprint === '…',
      hostKeyAlias: 'alias',
      serverHostKeyAlgs: ['ssh-ed25519'],
      kexAlgs: '^curve25519-*',
      encryptionAlgs: ['aes256-gcm@openssh.com'],
      macAlgs: ['hmac-sha2-256-etm@openssh.com'],
      compressionAlgs: 'none',
      signatureAlgs: ['rsa-sha2-512'],
      rekeyBytes: '1g',
      rekeyInterval: '1h',
      connectTimeout: '10s',
      loginTimeout: 5000,
      keepaliveInterval: '15s',
      keepaliveCountMax: 3,
      clientVersion: 'Mine_1.0',
      env: { LANG: 'C' },
      sendEnv: 'LC_*',
      logger: console,
      signal: AbortSignal.abort(),
    } satisfies ClientOptions
    expectTypeOf(options).toExtend<ClientOptions>()
    expectTypeOf<{ clientKeys: null; knownHosts: null }>().toExtend<ClientOptions>()
  })

  test('refuses what is wrong, or not there yet', () => {
    // @ts-expect-error: a port is a number
    const port: ClientOptions = { port: '22' }
    // @ts-expect-error: no such policy
    const policy: ClientOptions = { hostKeyPolicy: 'yes' }
    // @ts-expect-error: no way through a number
    const tunnel: ClientOptions = { tunnel: 5 }
    // @ts-expect-error: a path, not a switch
    const config: ClientOptions = { config: true }
    // @ts-expect-error: no source of a key
    const key: ClientOptions = { clientKeys: 5 }
    expectTypeOf([port, policy, tunnel, config, key]).toBeArray()
  })

  test('tells listeners of events what they get', () => {
    const subscribe = () => {
      conn.on('banner', (message, language) => expectTypeOf([message, language]).toEqualTypeOf<string[]>())
      conn.on('close', (error) => expectTypeOf(error).toEqualTypeOf<Error | undefined>())
      // @ts-expect-error: no such event
      conn.on('ready', () => {})
    }
    expectTypeOf(subscribe).toBeFunction()
    expectTypeOf<SshClientConnection['info']['algorithms']['macClientToServer']>().toEqualTypeOf<string | undefined>()
    expectTypeOf(conn).toExtend<AsyncDisposable>()
    expectTypeOf<SshClientProcess>().toExtend<AsyncDisposable>()
    expectTypeOf<SftpClient>().toExtend<AsyncDisposable>()
  })

  test('has companions that ask a server before anybody logs in', () => {
    expectTypeOf<typeof getServerHostKey>().returns.resolves.toEqualTypeOf<PublicKey>()
    expectTypeOf<typeof getServerAuthMethods>().returns.resolves.toEqualTypeOf<readonly string[]>()
    // @ts-expect-error: no credential is sent
    const options: Parameters<typeof getServerHostKey>[1] = { password: 'secret' }
    expectTypeOf([options]).toBeArray()
  })
})

describe('listen', () => {
  test('takes what the contract shows', () => {
    expectTypeOf<typeof listen>().returns.resolves.toEqualTypeOf<SshServer>()
    expectTypeOf<SshServer>().toExtend<AsyncDisposable>()
    class Files implements Pick<SftpServer, 'open'> {
      declare open: SftpServer['open']
    }
    const options = [
      {
        host: '127.0.0.1',
        port: 8022,
        serverHostKeys: ['ssh_host_key'],
        authorizedClientKeys: 'authorized_keys',
        processFactory: async (process) => {
          process.stdout.write(`hello ${process.info.username}\n`)
          process.exit(0)
        },
        sftpFactory: true,
      },
      { serverHostKeys: 'key', sftpFactory: { root: '/srv', readOnly: true } },
      { serverHostKeys: 'key', sftpFactory: ({ username }) => ({ root: `/srv/${username}` }) },
      { serverHostKeys: 'key', sessionFactory: (stdin, stdout) => stdin.pipe(stdout) },
      {
        serverHostKeys: 'key',
        serverFactory: (connection) => ({
          validatePassword: async (username, password) => username === password,
          connectionLost: () => connection.info.remoteAddress,
          sessionRequested: () => (process) => process.exit(0),
        }),
      },
    ] satisfies ListenOptions[]
    expectTypeOf(options).toExtend<ListenOptions[]>()
    const perUser: SftpSessionFactory = ({ username }) => ({ root: `/srv/${username}` })
    const factories = [true, { root: '/srv', readOnly: true }, perUser] satisfies SftpFactory[]
    expectTypeOf(factories).toExtend<NonNullable<ListenOptions['sftpFactory']>[]>()
    expectTypeOf<Files>().toBeObject()
    expectTypeOf<{ processFactory: undefined; banner: string }>().toExtend<UpdateOptions>()
  })

  test('refuses what is wrong', () => {
    // @ts-expect-error: misspelt
    const misspelt: ListenOptions = { serverHostKeys: 'key', sftpFactory: { rot: '/srv' } }
    // @ts-expect-error: a password is right or not
    const number: ListenOptions = { serverHostKeys: 'key', serverFactory: () => ({ validatePassword: () => 1 }) }
    // @ts-expect-error: no source of a key
    const key: ListenOptions = { serverHostKeys: 5 }
    // @ts-expect-error: a server stays where it listens
    const port: UpdateOptions = { port: 22 }
    expectTypeOf([misspelt, number, key, port]).toBeArray()
  })
})

test('transfers take what the contract shows', () => {
  const options = {
    preserve: true,
    recurse: true,
    followSymlinks: true,
    blockSize: 65536,
    maxRequests: 64,
    concurrency: 4,
    progress: ({ src, dst, transferred, total, files, bytes }) =>
      expectTypeOf([src, dst, transferred, total, files.done, bytes.total]).toBeArray(),
    onError: (error) => expectTypeOf(error).toEqualTypeOf<Error>(),
    signal: AbortSignal.abort(),
  } satisfies SftpTransferOptions
  expectTypeOf(options).toExtend<SftpTransferOptions>()
  // @ts-expect-error: misspelt
  const misspelt: SftpTransferOptions = { recursive: true }
  expectTypeOf(misspelt).toBeObject()
  expectTypeOf(ProcessError).instance.toExtend<Error>()
})
