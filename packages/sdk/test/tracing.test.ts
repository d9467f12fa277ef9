import { AsyncLocalStorage } from 'node:async_hooks'
import { Channel, channel, tracingChannel } from 'node:diagnostics_channel'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import {
  type AuthTrace,
  type ChannelOpenTrace,
  type ConnectTrace,
  connect,
  type ExecTrace,
  type KexTrace,
  type SftpRequestTrace,
  type SftpTransferTrace,
} from '../src/index.js'
import { clientOptions, embedded, hostKey, parrot, userKey } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const names = [
  'ssh:connect',
  'ssh:kex',
  'ssh:auth',
  'ssh:channel-open',
  'ssh:exec',
  'ssh:sftp-request',
  'ssh:sftp-transfer',
] as const
const kinds = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const

interface Told {
  readonly kind: (typeof kinds)[number]
  readonly context: object
}

/** Everything that one channel tells from now on. */
function watching(name: (typeof names)[number]) {
  const told: Told[] = []
  const subscribers = Object.fromEntries(
    kinds.map((kind) => [kind, (context: unknown) => told.push({ kind, context: context as object })]),
  )
  const watched = tracingChannel(name)
  // biome-ignore lint/suspicious/noExplicitAny: the subscribers of all kinds have one shape
  watched.subscribe(subscribers as any)
  // biome-ignore lint/suspicious/noExplicitAny: as above
  onTestFinished(() => void watched.unsubscribe(subscribers as any))
  const of = <C>(wanted: (context: C) => boolean = () => true) => {
    const contexts = [...new Set(told.map(({ context }) => context))] as C[]
    return contexts.filter(wanted)
  }
  return {
    told,
    /** The different things that were told of, in order. */
    of,
    /** In which order one of them was told. */
    kindsOf: (context: unknown) => told.filter((each) => each.context === context).map(({ kind }) => kind),
  }
}

const succeeded = ['start', 'end', 'asyncStart', 'asyncEnd']
const failed = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

const ofClient = ({ role }: { readonly role: string }) => role === 'client'
const ofServer = ({ role }: { readonly role: string }) => role === 'server'

describe('ssh:connect', () => {
  test('tells from where to the login, in the order of Node', async () => {
    const { of, kindsOf } = watching('ssh:connect')
    const { destination, connect: connectTo } = await embedded()
    await connectTo()
    const [trace] = of<ConnectTrace>()
    expect(kindsOf(trace)).toEqual(succeeded)
    expect(trace).toMatchObject({ ...destination, serverVersion: expect.stringMatching(/^SSH-2\.0-/) })
    expect(trace?.algorithms?.clientToServer.encryption).toEqual(expect.any(String))
    expect(trace?.durationMs).toBeGreaterThan(0)
    expect(trace?.error).toBeUndefined()
  })

  test('tells a failure with its error, and what is told of it is the same object', async () => {
    const { of, kindsOf } = watching('ssh:connect')
    const { destination } = await embedded()
    const error = await connect(destination, { ...clientOptions(), hostKeyFingerprint: 'SHA256:other' }).catch(
      (reason: unknown) => reason,
    )
    const [trace] = of<ConnectTrace>()
    expect(kindsOf(trace)).toEqual(failed)
    expect(trace?.error).toBe(error)
  })

  test('a destination that is none is a failure too', async () => {
    const { of, kindsOf } = watching('ssh:connect')
    await connect('-oProxyCommand=x').catch(() => {})
    expect(kindsOf(of()[0])).toEqual(failed)
  })

  test('what connecting does runs within the stores that are bound to it', async () => {
    const store = new AsyncLocalStorage<unknown>()
    const starts = channel('tracing:ssh:connect:start') as Channel<unknown, ConnectTrace>
    starts.bindStore(store, (context) => (context as ConnectTrace).host)
    onTestFinished(() => void starts.unbindStore(store))
    const { connect: connectTo } = await embedded()
    let seen: unknown
    await connectTo({
      hostKeyFingerprint: undefined,
      knownHosts: () => {
        seen = store.getStore()
        return `127.0.0.1 ${hostKey.exportPublicKey()}`
      },
      hostKeyAlias: '127.0.0.1',
    })
    expect(seen).toBe('127.0.0.1')
    expect(store.getStore()).toBeUndefined()
  })
})

describe('ssh:kex', () => {
  test('tells the first exchange and each rekey, on both sides', async () => {
    const { of, kindsOf } = watching('ssh:kex')
    const { connect: connectTo } = await embedded({ processFactory: parrot })
    const conn = await connectTo()
    await conn.rekey()
    // The server has new keys when it has read on.
    await conn.run('x')
    for (const side of [ofClient, ofServer]) {
      const traces = of<KexTrace>(side)
      expect(traces.map(({ isFirst }) => isFirst)).toEqual([true, false])
      for (const trace of traces) {
        expect(kindsOf(trace)).toEqual(succeeded)
        expect(trace.algorithms?.kex).toBe(conn.info.algorithms.kex)
      }
    }
  })

  test('an exchange that fails is told once', async () => {
    const { of, kindsOf } = watching('ssh:kex')
    const { connect: connectTo } = await embedded({ kexAlgs: ['curve25519-sha256'] })
    await connectTo({ kexAlgs: ['ecdh-sha2-nistp256'] }).catch(() => {})
    const [trace] = of<KexTrace>(ofClient)
    expect(kindsOf(trace)).toEqual(failed)
    expect(trace?.error).toMatchObject({ name: 'KeyExchangeFailed' })
  })
})

describe('ssh:auth', () => {
  test('tells each credential and what became of it, on both sides; a refusal is no error', async () => {
    const { of, kindsOf } = watching('ssh:auth')
    const { connect: connectTo } = await embedded({
      serverFactory: () => ({ validatePassword: (_, password) => password === 'right' }),
    })
    const passwords = ['wrong', 'right']
    await connectTo({ clientKeys: null, password: () => passwords.shift(), preferredAuth: ['password'] })
    const results = ({ method, result }: AuthTrace) => `${method} ${result}`
    expect(of<AuthTrace>(ofClient).map(results)).toEqual(['none rejected', 'password rejected', 'password accepted'])
    expect(of<AuthTrace>(ofServer).map(results)).toEqual(['password rejected', 'password accepted'])
    for (const trace of of<AuthTrace>()) {
      expect(kindsOf(trace)).toEqual(succeeded)
      expect(trace.error).toBeUndefined()
    }
    expect(of<AuthTrace>(ofServer)[0]?.username).toBe('tester')
  })

  test('names the key by its fingerprint', async () => {
    const { of } = watching('ssh:auth')
    await (await embedded()).connect()
    for (const trace of of<AuthTrace>()) expect(trace.keyFingerprint).toBe(userKey.getFingerprint())
    expect(of<AuthTrace>(ofClient)).toMatchObject([{ method: 'publickey', algorithm: 'ssh-ed25519' }])
  })

  test('a login that is cut off is an error', async () => {
    const { of, kindsOf } = watching('ssh:auth')
    const { server, connect: connectTo } = await embedded({
      serverFactory: () => ({
        validatePassword: () => {
          for (const connection of server.connections) connection.abort()
          return false
        },
      }),
    })
    await connectTo({ clientKeys: null, password: 'x', preferredAuth: ['password'] }).catch(() => {})
    const last = of<AuthTrace>(ofClient).at(-1)
    expect(last).toMatchObject({ method: 'password', result: 'unanswered' })
    expect(kindsOf(last)).toContain('asyncEnd')
  })
})

describe('ssh:channel-open', () => {
  test('tells what was opened, and what was refused with the error', async () => {
    const { of, kindsOf } = watching('ssh:channel-open')
    const { connect: connectTo } = await embedded({ processFactory: parrot, maxSessions: 1 })
    const conn = await connectTo()
    const session = await conn.openSessionChannel()
    const error = await conn.openSessionChannel().catch((reason: unknown) => reason)
    await session.close()
    const [opened, refused] = of<ChannelOpenTrace>(ofClient)
    expect(opened).toMatchObject({ channelType: 'session', username: 'tester' })
    expect(kindsOf(opened)).toEqual(succeeded)
    expect(kindsOf(refused)).toEqual(failed)
    expect(error).toMatchObject({ cause: refused?.error })
  })

  test('what is given up, or pending when the connection ends, is over too', async () => {
    const { of, kindsOf } = watching('ssh:channel-open')
    const { connect: connectTo } = await embedded({ processFactory: parrot })
    const conn = await connectTo()
    const controller = new AbortController()
    const given = conn.openSessionChannel({ signal: controller.signal }).catch(() => {})
    controller.abort()
    const pending = conn.openSessionChannel().catch(() => {})
    conn.abort()
    await Promise.all([given, pending])
    expect(of<ChannelOpenTrace>(ofClient).map(kindsOf)).toEqual([failed, failed])
  })
})

describe('ssh:exec', () => {
  test('tells the program and how it ended, and nothing else of the command', async () => {
    const { of, kindsOf } = watching('ssh:exec')
    const conn = await (await embedded({ processFactory: parrot })).connect()
    await conn.run('exit 3')
    await conn.run('PGPASSWORD=s3cret LANG=C psql --password=s3cret')
    await conn.run('PGPASSWORD="s3 cret" psql')
    await conn.run(['mysql', '-ps3cret'])
    const traces = of<ExecTrace>()
    expect(traces.map(({ program }) => program)).toEqual(['exit', 'psql', undefined, 'mysql'])
    expect(traces.map(({ exitStatus }) => exitStatus)).toEqual([3, 0, 0, 0])
    for (const trace of traces) expect(kindsOf(trace)).toEqual(succeeded)
    expect(JSON.stringify(traces)).not.toContain('cret')
    expect(traces[0]).toMatchObject({ role: 'client', username: 'tester', hasPty: false, subsystem: undefined })
  })

  test('tells signals, subsystems and terminals', async () => {
    const { of } = watching('ssh:exec')
    const { connect: connectTo } = await embedded({
      processFactory: (process) => process.exitWithSignal('KILL'),
    })
    const conn = await connectTo()
    await conn.run('x', { requestPty: true })
    await conn.createProcess(undefined, { subsystem: 'netconf' }).catch(() => {})
    expect(of<ExecTrace>()).toMatchObject([
      { exitStatus: null, exitSignal: 'KILL', hasPty: true },
      { subsystem: 'netconf', program: undefined },
    ])
  })

  test('a program that the server refuses, or whose connection breaks, is an error', async () => {
    const { of, kindsOf } = watching('ssh:exec')
    const { connect: connectTo } = await embedded({ processFactory: () => {}, allowPty: false })
    const conn = await connectTo()
    const refusal = await conn.createProcess('x', { requestPty: true }).catch((reason: unknown) => reason)
    const process = await conn.createProcess('hang')
    conn.abort()
    await process.closed.catch(() => {})
    const [refused, broken] = of<ExecTrace>()
    expect(kindsOf(refused)).toEqual(failed)
    expect(refused?.error).toBe(refusal)
    expect(kindsOf(broken)).toEqual(failed)
  })
})

describe('SFTP', () => {
  test('tells each request with its sizes, and failures as errors', async () => {
    const { of, kindsOf } = watching('ssh:sftp-request')
    const root = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
    onTestFinished(() => rm(root, { recursive: true }))
    const conn = await (await embedded({ sftpFactory: { root } })).connect()
    await using sftp = await conn.startSftpClient()
    await sftp.writeFile('/file', 'hello')
    const error = await sftp.stat('/missing').catch((reason: unknown) => reason)
    const write = of<SftpRequestTrace>(({ operation }) => operation === 'write')
    expect(write).toHaveLength(1)
    expect(write[0]).toMatchObject({ offset: 0, requestLength: expect.any(Number), replyLength: expect.any(Number) })
    expect(kindsOf(write[0])).toEqual(succeeded)
    const [stat] = of<SftpRequestTrace>(({ operation }) => operation === 'stat')
    expect(stat).toMatchObject({ path: '/missing', error })
    expect(kindsOf(stat)).toEqual(failed)
    expect(JSON.stringify(of())).not.toContain('hello')
  })

  test('tells a transfer as a whole', async () => {
    const { of, kindsOf } = watching('ssh:sftp-transfer')
    const root = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
    onTestFinished(() => rm(root, { recursive: true }))
    const conn = await (await embedded({ sftpFactory: { root } })).connect()
    await using sftp = await conn.startSftpClient()
    await sftp.put(Buffer.alloc(1000), '/one')
    await sftp.put(Buffer.alloc(500), '/two')
    await sftp.mget('/*', join(root, 'copies'))
    await sftp.get('/missing', join(root, 'none')).catch(() => {})
    expect(of<SftpTransferTrace>()).toMatchObject([
      { operation: 'put', sources: 1, files: 1, bytes: 1000 },
      { operation: 'put', sources: 1, files: 1, bytes: 500 },
      { operation: 'get', sources: 2, files: 2, bytes: 1500 },
      { operation: 'get', sources: 1, files: 0, bytes: 0, error: { code: 'ENOENT' } },
    ])
    expect(of<SftpTransferTrace>().map(kindsOf)).toEqual([succeeded, succeeded, succeeded, failed])
  })
})

test('every context says how long it took', async () => {
  const watched = names.map(watching)
  const conn = await (await embedded({ processFactory: parrot, sftpFactory: true })).connect()
  await conn.run('x')
  await using sftp = await conn.startSftpClient()
  await sftp.realpath('/')
  for (const { told } of watched) {
    for (const { kind, context } of told) {
      if (kind === 'asyncEnd') expect(context).toMatchObject({ durationMs: expect.any(Number) })
    }
  }
})

test('nothing is published, and no context made, as long as nobody subscribes', async () => {
  const spies = (['publish', 'runStores'] as const).map((name) => vi.spyOn(Channel.prototype, name))
  onTestFinished(() => {
    for (const spy of spies) spy.mockRestore()
  })
  const conn = await (await embedded({ processFactory: parrot, sftpFactory: true })).connect()
  await conn.run('x')
  await using sftp = await conn.startSftpClient()
  await sftp.realpath('/')
  await conn.rekey()
  const calls = spies.flatMap((spy) => spy.mock.contexts).map((context) => String((context as Channel).name))
  expect(calls.filter((name) => name.startsWith('tracing:ssh:'))).toEqual([])
})

test('a subscriber that throws disturbs nobody but itself', async () => {
  const thrown: unknown[] = []
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => thrown.push(error))
  onTestFinished(() => {
    process.removeAllListeners('uncaughtException')
    for (const listener of listeners) process.on('uncaughtException', listener)
  })
  const watched = tracingChannel('ssh:auth')
  const subscribers = {
    start: () => {
      throw new Error('mine')
    },
    end: () => {},
    asyncStart: () => {},
    asyncEnd: () => {},
    error: () => {},
  }
  watched.subscribe(subscribers)
  onTestFinished(() => void watched.unsubscribe(subscribers))
  const conn = await (await embedded({ processFactory: parrot })).connect()
  expect((await conn.run('fine')).stdout).toBe('fine')
  expect(thrown.length).toBeGreaterThan(0)
})
