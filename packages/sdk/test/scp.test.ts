import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ListenOptions,
  OptionsError,
  type ScpOptions,
  type SftpProgress,
  SftpServer,
  type SshClientConnection,
  scp,
} from '../src/index.js'
import { clientOptions, embedded, parrot, userKey } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

function folder(): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'scp-')))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Options of a connection that `scp` opens by itself. */
const own = clientOptions() as ScpOptions

/** A server with a folder, and a place here. */
async function bench(options: Partial<ListenOptions> = {}) {
  const [root, here] = [folder(), folder()]
  const server = await embedded({ sftpFactory: { root }, allowScp: true, ...options })
  return { ...server, root, here }
}

describe('scp', () => {
  test('copies there, back, and between two, over connections of the caller', async () => {
    const [one, other] = [await bench(), await bench()]
    const [first, second] = [await one.connect(), await other.connect()]
    writeFileSync(join(one.here, 'x'), 'content')
    await scp(join(one.here, 'x'), [first, 'a'])
    await scp({ connection: first, path: 'a' }, [second, 'b'])
    await scp([second, '/b'], join(one.here, 'c'))
    expect(readFileSync(join(one.here, 'c'), 'utf8')).toBe('content')
    await scp([first, 'a'], [first, 'again'])
    expect(readdirSync(one.root)).toEqual(['a', 'again'])
    expect([first.isClosed, second.isClosed]).toEqual([false, false])
  })

  test('opens connections of its own, one for each destination, and closes them', async () => {
    let connections = 0
    const { destination, root, here, server } = await bench({
      serverFactory: () => ({ connectionMade: () => void connections++ }),
    })
    const { port } = destination
    for (const name of ['a', 'b']) writeFileSync(join(here, name), name)
    const uri = (path: string): string => `scp://tester@127.0.0.1:${port}/${path}`
    await scp([join(here, 'a'), join(here, 'b')], uri(''), own)
    expect(readdirSync(root)).toEqual(['a', 'b'])
    await scp([uri('a'), uri('b'), [destination, '*']], join(here, 'back'), { ...own, onError: () => {} })
    expect(readdirSync(join(here, 'back')).sort()).toEqual(['a', 'b'])
    // One for each call: text and parts are the same destination.
    expect(connections).toBe(2)
    while (server.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
  })

  test('expands patterns and braces, unless paths are literal', async () => {
    const { connect, root, here } = await bench()
    const conn = await connect()
    for (const name of ['a.txt', 'b.txt', 'c.log', '*.txt', '{x,y}']) writeFileSync(join(root, name), name)
    const got = async (path: string, options?: ScpOptions): Promise<string[]> => {
      const into = join(here, 'into')
      rmSync(into, { recursive: true, force: true })
      mkdirSync(into)
      await scp([conn, path], into, options)
      return readdirSync(into).sort()
    }
    expect(await got('?.txt')).toEqual(['*.txt', 'a.txt', 'b.txt'])
    expect(await got('{a,b}.txt')).toEqual(['a.txt', 'b.txt'])
    expect(await got('\\*.txt')).toEqual(['*.txt'])
    expect(await got('*.txt', { literalPaths: true })).toEqual(['*.txt'])
    expect(await got('{x,y}', { literalPaths: true })).toEqual(['{x,y}'])
    writeFileSync(join(here, 'l1'), '')
    writeFileSync(join(here, 'l2'), '')
    mkdirSync(join(root, 'up'))
    await scp(join(here, 'l*'), [conn, 'up'])
    expect(readdirSync(join(root, 'up'))).toEqual(['l1', 'l2'])
    await expect(scp(join(here, 'l*'), [conn, 'up'], { literalPaths: true })).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('keeps modes and times with preserve, and copies trees with recurse', async () => {
    const { connect, root, here } = await bench()
    const conn = await connect()
    mkdirSync(join(here, 'd/e'), { recursive: true })
    writeFileSync(join(here, 'd/e/x'), 'x')
    chmodSync(join(here, 'd/e/x'), 0o751)
    await expect(scp(join(here, 'd'), [conn, ''])).rejects.toMatchObject({ code: 'EISDIR' })
    await scp(join(here, 'd'), [conn, ''], { recurse: true, preserve: true })
    const [before, after] = [statSync(join(here, 'd/e/x')), statSync(join(root, 'd/e/x'))]
    expect([after.mode, Math.floor(after.mtimeMs / 1000)]).toEqual([before.mode, Math.floor(before.mtimeMs / 1000)])
    mkdirSync(join(here, 'all'))
    await scp([conn, ''], join(here, 'all'), { recurse: true })
    expect(readdirSync(join(here, 'all'), { recursive: true }).sort()).toEqual(['d', 'd/e', 'd/e/x'])
  })

  test('tells how far it is, over all sources', async () => {
    const { connect, here } = await bench()
    const conn = await connect()
    writeFileSync(join(here, 'a'), 'a'.repeat(1000))
    writeFileSync(join(here, 'b'), 'b'.repeat(500))
    await scp([join(here, 'a'), join(here, 'b')], [conn, ''])
    const events: SftpProgress[] = []
    await scp(
      [
        [conn, 'a'],
        [conn, 'b'],
      ],
      here,
      { progress: (event) => events.push(event) },
    )
    expect(events.filter(({ files }) => files.done === files.total)).toMatchObject([
      { src: 'a', dst: join(here, 'a'), transferred: 1000, total: 1000, files: { done: 1, total: 1 } },
      { src: 'b', dst: join(here, 'b'), files: { done: 2, total: 2 }, bytes: { done: 1500, total: 1500 } },
    ])
  })

  test('tells what is wrong with each, and copies the rest when errors are taken', async () => {
    const { connect, here, root } = await bench()
    const conn = await connect()
    writeFileSync(join(root, 'good'), '')
    const errors: Error[] = []
    const sources = [
      [conn, 'none'],
      [conn, 'good'],
    ] as const
    await scp(sources, here, { onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([
      { code: 'ENOENT', srcpath: 'none', serverText: 'scp: none: No such file or directory' },
    ])
    expect(readdirSync(here)).toEqual(['good'])
    await expect(scp(sources, here)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(scp([conn, 'good'], [conn, 'no/such/place'])).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('names in errors what was to go where, as the caller named it', async () => {
    const { connect, here, root } = await bench()
    const conn = await connect()
    const file = join(here, 'x')
    writeFileSync(file, 'x')
    mkdirSync(join(root, 'd/x'), { recursive: true })
    // The target may be a file or a directory: only the other side knows.
    await expect(scp(file, [conn, 'no/y'])).rejects.toMatchObject({ code: 'ENOENT', srcpath: file, dstpath: 'no/y' })
    const events: SftpProgress[] = []
    await scp(file, [conn, 'y'], { progress: (event) => events.push(event) })
    await scp([conn, 'y'], [conn, 'z'], { progress: (event) => events.push(event) })
    expect([...new Set(events.map(({ dst }) => dst))]).toEqual(['y', 'z'])
    await expect(scp(file, [conn, 'd/'])).rejects.toMatchObject({ srcpath: file, dstpath: 'd/x' })
    await expect(scp([file], [conn, 'd'])).rejects.toMatchObject({ srcpath: file })
    writeFileSync(join(here, 'w'), 'w')
    const errors: Error[] = []
    await scp([file, join(here, 'w')], [conn, 'd'], { onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ srcpath: file, dstpath: 'd/x' }])
    const readOnly = await (await bench({ sftpFactory: { root, readOnly: true } })).connect()
    for (const onError of [undefined, () => {}]) {
      await expect(scp(file, [readOnly, 'y'], { onError })).rejects.toMatchObject({
        code: 'EROFS',
        srcpath: file,
        dstpath: 'y',
      })
    }
    await expect(scp([conn, 'y'], [readOnly, 'z'])).rejects.toMatchObject({ srcpath: 'y', dstpath: 'z' })
  })

  test('tells how a server without scp says so', async () => {
    const { connect, here } = await bench({
      allowScp: false,
      processFactory: (process) => {
        process.stderr.write('sh: 1: scp: not found\n')
        process.exit(127)
      },
    })
    const conn = await connect()
    const expected = {
      code: 'ERR_SFTP_REMOTE_PROGRAM',
      details: { exitStatus: 127, stderr: 'sh: 1: scp: not found' },
      message: expect.stringMatching(/status 127: sh: 1: scp: not found\. Is scp installed/),
    }
    await expect(scp([conn, 'x'], here)).rejects.toMatchObject(expected)
    writeFileSync(join(here, 'x'), '')
    await expect(scp(join(here, 'x'), [conn, 'x'])).rejects.toMatchObject(expected)
    await expect(scp([conn, 'x'], [conn, 'y'])).rejects.toMatchObject(expected)
  })

  test('refuses what it cannot mean before it connects', async () => {
    const here = folder()
    writeFileSync(join(here, 'a'), '')
    await expect(scp(join(here, 'a'), join(here, 'b'))).rejects.toThrow(OptionsError)
    await expect(scp([], 'host:x')).rejects.toThrow(OptionsError)
    await expect(scp('a', 'host:x', { recursive: true } as never)).rejects.toThrow(/recurse/)
    await expect(scp('a', 'host:x', { preserve: 'yes' } as never)).rejects.toThrow(/preserve/)
    await expect(scp('a', 'host:x', { blockSize: '0' })).rejects.toThrow(/blockSize/)
  })

  test('a signal ends it: while connecting, and in the middle of a file', async () => {
    const { connect, here, root } = await bench()
    const conn = await connect()
    await expect(scp([conn, 'x'], here, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    writeFileSync(join(root, 'large'), Buffer.alloc(8_000_000))
    const abort = new AbortController()
    const options = { signal: abort.signal, blockSize: '64k', progress: () => abort.abort() }
    await expect(scp([conn, 'large'], here, options)).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(readdirSync(here)).toEqual([])
    expect(conn.isClosed).toBe(false)
  })

  test('a connection that breaks is told, with nothing half left', async () => {
    const { connect, here, root } = await bench()
    const conn = await connect()
    writeFileSync(join(root, 'large'), Buffer.alloc(8_000_000))
    await expect(scp([conn, 'large'], here, { progress: () => conn.abort() })).rejects.toMatchObject({
      code: 'ERR_SFTP_CONNECTION_LOST',
    })
    expect(readdirSync(here)).toEqual([])
  })
})

describe('allowScp', () => {
  const exec = async (conn: SshClientConnection, command: string, input = '') => {
    const { stdout, exitStatus } = await conn.run(command, { input })
    return [exitStatus, stdout]
  }

  test('answers scp -t and scp -f, and leaves every other command to the handler', async () => {
    const { connect, root } = await bench({ processFactory: parrot })
    const conn = await connect()
    expect(await exec(conn, 'scp -t x', 'C0644 1 x\nx\0')).toEqual([0, '\0\0\0'])
    expect(readFileSync(join(root, 'x'), 'utf8')).toBe('x')
    expect(await exec(conn, 'scp -f x', '\0\0\0')).toEqual([0, 'C0644 1 x\nx\0'])
    for (const command of ['scp a b', 'scp', 'scp -t x; id', 'scp -S id -t x', 'ls']) {
      expect(await exec(conn, command)).toEqual([0, command])
    }
  })

  test('is off by default: scp is a command like any other', async () => {
    const { connect } = await bench({ allowScp: false })
    const conn = await connect()
    await expect(conn.run('scp -t x')).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
    const handled = await bench({ allowScp: false, processFactory: parrot })
    expect(await exec(await handled.connect(), 'scp -t x')).toEqual([0, 'scp -t x'])
  })

  test('refuses other commands where nothing runs them', async () => {
    const conn = await (await bench()).connect()
    await expect(conn.run('ls')).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
  })

  test('needs files', async () => {
    await expect(embedded({ allowScp: true })).rejects.toThrow(/sftpFactory/)
    await expect(embedded({ allowScp: true, sftpFactory: false })).rejects.toThrow(/sftpFactory/)
  })

  test('goes by the rules of sftpFactory: its root, its mode mask, what is read-only, a handler of one’s own', async () => {
    const { connect, root, here } = await bench({ sftpFactory: () => ({ root: folder(), readOnly: true }) })
    const conn = await connect()
    writeFileSync(join(here, 'x'), '')
    await expect(scp(join(here, 'x'), [conn, 'x'])).rejects.toMatchObject({ code: 'EROFS' })
    expect(readdirSync(root)).toEqual([])
    const asked: string[] = []
    class Upload extends SftpServer {
      override async mapPath(path: string, followLast: boolean): Promise<string> {
        asked.push(path)
        return super.mapPath(path, followLast)
      }
    }
    const place = folder()
    const custom = await bench({
      sftpFactory: ({ username }) => {
        asked.push(username)
        return new Upload({ root: place })
      },
    })
    await scp(join(here, 'x'), [await custom.connect(), 'y'])
    expect(asked[0]).toBe('tester')
    expect(asked).toContain('y')
    expect(readdirSync(place)).toEqual(['y'])
  })

  test('a forced command is what counts', async () => {
    const { userLine } = await import('./embedded-server.js')
    const forced = (command: string) => bench({ authorizedClientKeys: `command="${command}" ${userLine}` })
    const upload = await forced('scp -t in')
    const conn = await upload.connect()
    expect(await exec(conn, 'anything', 'C0644 1 x\nx\0')).toEqual([0, '\0\0\0'])
    expect(readFileSync(join(upload.root, 'in'), 'utf8')).toBe('x')
    expect(await exec(conn, 'scp -f in', 'C0644 1 x\ny\0')).toEqual([0, '\0\0\0'])
    const other = await (await forced('id')).connect()
    await expect(other.run('scp -f x')).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
  })
})

test('the key of the server is checked, as by connect', async () => {
  const { destination, here } = await bench()
  const options = { ...own, hostKeyFingerprint: userKey.getFingerprint() }
  await expect(scp([destination, 'x'], here, options)).rejects.toMatchObject({ name: 'HostKeyNotVerifiable' })
})
