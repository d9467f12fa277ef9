import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connect, type LogEntry, type Logger } from '../src/index.js'
import { clientOptions, embedded, hostKey, parrot, userKey } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'
import { relayTo } from './relay.js'

expectNothingLeftOpen()

/** A logger that keeps what it is told, and at which level. */
function keeping() {
  const entries: (LogEntry & { readonly level: string })[] = []
  const at = (level: string) => (entry: LogEntry) => void entries.push({ level, ...entry })
  const logger: Logger = { debug: at('debug'), warn: at('warn') }
  return {
    logger,
    entries,
    events: () => entries.map(({ event }) => event),
    of: (event: string) => entries.filter((entry) => entry.event === event),
  }
}

describe('a logger that throws', () => {
  const throwing = (): Logger => {
    const fail = () => {
      throw new Error('no space left on device')
    }
    return { debug: fail, info: fail, warn: fail }
  }

  test('breaks no connection, of a client or of a server, and one warning tells of it', async () => {
    const warnings: Error[] = []
    const listen = (warning: Error & { code?: string }) => {
      if (warning.code === 'SSH_LOGGER_FAILED') warnings.push(warning)
    }
    process.on('warning', listen)
    onTestFinished(() => void process.off('warning', listen))
    const { connect: connectTo, server } = await embedded({ logger: throwing(), processFactory: parrot })
    const conn = await connectTo({ logger: throwing() })
    expect((await conn.run('x')).stdout).toBe('x')
    await conn.rekey()
    await conn.close()
    await server.close()
    expect(warnings).toHaveLength(2)
    expect(warnings[0]?.message).toContain('no space left on device')
  })

  test('nor does it hold up the end of one that broke', async () => {
    const { server, destination } = await embedded({ logger: throwing() })
    const relay = await relayTo(server.port)
    const conn = await connect({ ...destination, port: relay.port }, clientOptions({ logger: throwing() }))
    relay.cut()
    await expect(conn.closed).rejects.toMatchObject({ name: 'ConnectionLost' })
  })
})

describe('the logger of a client', () => {
  test('is told each step of connecting, with facts', async () => {
    const { logger, entries, events, of } = keeping()
    const { destination, connect: connectTo } = await embedded({ processFactory: parrot })
    const conn = await connectTo({ logger })
    await conn.run('x')
    await conn.close()
    expect(events()).toEqual([
      'connecting',
      'connected',
      'kex',
      'host-key-accepted',
      'keys-changed',
      'attempt',
      'authenticated',
      'channel-open',
      'closed',
    ])
    for (const entry of entries) {
      expect(entry).toMatchObject({ level: 'debug', role: 'client', ...destination, connection: expect.any(Number) })
    }
    expect(new Set(entries.map(({ connection }) => connection)).size).toBe(1)
    expect(of('connected')).toMatchObject([{ remoteAddress: '127.0.0.1', remotePort: destination.port }])
    expect(of('host-key-accepted')).toMatchObject([{ fingerprint: hostKey.getFingerprint(), algorithm: 'ssh-ed25519' }])
    expect(of('keys-changed')).toMatchObject([
      { isFirst: true, kex: conn.info.algorithms.kex, encryptionClientToServer: expect.any(String) },
    ])
    expect(of('attempt')).toMatchObject([
      { layer: 'auth', method: 'publickey', keyFingerprint: userKey.getFingerprint(), result: 'accepted' },
    ])
  })

  test('is told of every attempt to log in, and why one was not made', async () => {
    const { logger, of } = keeping()
    const { connect: connectTo } = await embedded({
      serverFactory: () => ({ validatePassword: (_, password) => password === 'right' }),
    })
    const passwords = ['wrong', 'right']
    await connectTo({
      logger,
      clientKeys: null,
      password: () => passwords.shift(),
      keyboardInteractive: () => null,
      preferredAuth: ['keyboard-interactive', 'password'],
    })
    expect(of('attempt').map(({ method, result }) => `${method} ${result}`)).toEqual([
      'none rejected',
      'keyboard-interactive skipped',
      'password rejected',
      'password accepted',
    ])
  })

  test('is warned of a host key that is not believed', async () => {
    const { logger, of } = keeping()
    const { connect: connectTo } = await embedded()
    const error = await connectTo({ logger, hostKeyFingerprint: 'SHA256:other' }).catch((reason: unknown) => reason)
    expect(of('host-key-refused')).toMatchObject([
      { level: 'warn', layer: 'trust', fingerprint: hostKey.getFingerprint(), error },
    ])
  })

  test('is warned when there is no connection to be had', async () => {
    const { logger, events, of } = keeping()
    const { server, destination } = await embedded()
    await server.close()
    const error = await connect(destination, { ...clientOptions(), logger }).catch((reason: unknown) => reason)
    expect(events()).toEqual(['connecting', 'connect-failed'])
    expect(of('connect-failed')).toMatchObject([{ level: 'warn', error }])
  })

  test('is told of channels that the server refuses', async () => {
    const { logger, of } = keeping()
    const { connect: connectTo } = await embedded({ processFactory: parrot, maxSessions: 0 })
    const conn = await connectTo({ logger })
    await conn.run('x').catch(() => {})
    expect(of('channel-refused')).toMatchObject([
      { channelType: 'session', error: { name: 'ChannelOpenError', reasonCode: 4 } },
    ])
  })

  test('is warned when the connection breaks, once', async () => {
    const { logger, of, events } = keeping()
    const { server, destination } = await embedded()
    const relay = await relayTo(server.port)
    const conn = await connect({ ...destination, port: relay.port }, clientOptions({ logger }))
    relay.cut()
    const error = await conn.closed.catch((reason: unknown) => reason)
    await conn.close()
    expect(of('broken')).toMatchObject([{ level: 'warn', layer: 'connection', error }])
    expect(events()).not.toContain('closed')
  })

  test('is warned of a server that answers no keepalive, by another name', async () => {
    const { logger, of } = keeping()
    const { server, destination } = await embedded()
    const relay = await relayTo(server.port)
    const conn = await connect({ ...destination, port: relay.port }, clientOptions({ logger }))
    relay.mute()
    conn.setKeepalive(5, 1)
    await conn.closed.catch(() => {})
    expect(of('keepalive-lost')).toMatchObject([
      { level: 'warn', error: { code: 'ERR_SSH_CONNECTION_TIMEOUT', details: { intervalMs: 5, countMax: 1 } } },
    ])
  })

  test('may have nothing but debug', async () => {
    const entries: LogEntry[] = []
    const { server, connect: connectTo } = await embedded()
    await connectTo({ logger: { debug: (entry) => void entries.push(entry) }, hostKeyFingerprint: 'SHA256:x' }).catch(
      () => {},
    )
    expect(entries.map(({ event }) => event)).toContain('host-key-refused')
    expect(server.connections.size).toBeGreaterThanOrEqual(0)
  })
})

describe('the logger of a server', () => {
  test('is told who comes, what is tried, and who leaves', async () => {
    const { logger, entries, events, of } = keeping()
    const { connect: connectTo } = await embedded({
      logger,
      processFactory: parrot,
      authorizedClientKeys: userKey.exportPublicKey(),
      serverFactory: () => ({ validatePassword: () => false }),
    })
    await connectTo({ clientKeys: null, password: 'wrong', preferredAuth: ['password'] }).catch(() => {})
    expect(of('attempt')).toMatchObject([
      { role: 'server', username: 'tester', method: 'password', result: 'rejected' },
    ])
    while (!events().includes('broken')) await new Promise((resolve) => setImmediate(resolve))
    entries.length = 0
    const conn = await connectTo()
    await conn.run('x')
    await conn.close()
    while (!events().includes('closed')) await new Promise((resolve) => setImmediate(resolve))
    expect(events()).toEqual(['connected', 'kex', 'keys-changed', 'attempt', 'authenticated', 'closed'])
    for (const entry of entries) expect(entry).toMatchObject({ level: 'debug', role: 'server', host: '127.0.0.1' })
    expect(of('attempt')).toMatchObject([{ keyFingerprint: userKey.getFingerprint(), result: 'accepted' }])
  })
})

describe('without a logger', () => {
  /** Connects to a port where nobody listens, in a process of its own. */
  async function standardErrorOf(environment: Record<string, string>): Promise<string> {
    const script = `
      import { connect } from '@ssh/sdk'
      await connect({ host: '127.0.0.1', port: 1, username: 'somebody' }, { config: null, password: 'marked-secret' })
        .catch(() => {})`
    const { stderr } = await promisify(execFile)(
      process.execPath,
      ['--conditions=@ssh/source', '--import', import.meta.resolve('tsx'), '--input-type=module', '--eval', script],
      { cwd: fileURLToPath(new URL('..', import.meta.url)), env: { ...process.env, NODE_OPTIONS: '', ...environment } },
    )
    return stderr
  }

  test('NODE_DEBUG=ssh writes to standard error, and nothing secret', async () => {
    const written = await standardErrorOf({ NODE_DEBUG: 'net,ssh' })
    expect(written).toMatch(/^SSH \d+: client connecting .*host=127\.0\.0\.1 port=1 username=somebody$/m)
    expect(written).toMatch(/^SSH \d+: client connect-failed .*ERR_SSH_CONNECT_FAILED/m)
    expect(written).not.toContain('marked-secret')
  })

  test('and without it nothing is written', async () => {
    expect(await standardErrorOf({ NODE_DEBUG: '' })).toBe('')
  })
})
