import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ClientOptions, connect, connectReverse, type Destination, listenReverse } from '../src/index.js'
import { clientOptions, embedded, hostKey, parrot, userKey, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

/** A program that carries its standard input and output to a port of this machine. */
const relay = (...args: string[]) => [
  process.execPath,
  '-e',
  'const s = require("net").connect(process.argv[2], process.argv[1]); process.stdin.pipe(s).pipe(process.stdout)',
  ...args,
]

const hermetic = (options: ClientOptions) => clientOptions({ config: null, ...options })

describe('a program in place of TCP', () => {
  test('carries the connection, and is gone with it', async () => {
    const { destination } = await embedded({ processFactory: parrot })
    const conn = await connect(destination, hermetic({ proxyCommand: relay('%h', '%p') }))
    expect((await conn.run('hello')).stdout).toBe('hello')
    expect(conn.info.remoteAddress).toBeUndefined()
    await conn.close()
    await expect(conn.closed).resolves.toBeUndefined()
  })

  test.runIf(platform() !== 'win32')('may be a command of the shell', async () => {
    const { destination } = await embedded({ processFactory: parrot })
    const [node = '', _e, script = ''] = relay()
    const proxyCommand = `"${node}" -e '${script}' %h %p 2>/dev/null`
    await using conn = await connect(destination, hermetic({ proxyCommand }))
    expect((await conn.run('hello')).stdout).toBe('hello')
  })

  test('does not keep the process when the connection does not', async () => {
    const { destination } = await embedded()
    const active = () => process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length
    await using conn = await connect(destination, hermetic({ proxyCommand: relay('%h', '%p') }))
    const before = active()
    conn.unref()
    expect(active()).toBe(before - 1)
    conn.ref()
    expect(active()).toBe(before)
  })

  test('that ends too early says why, with its status and last words', async () => {
    const cases: [string, number | null, string][] = [
      ['console.error("no route to", ...process.argv.slice(1)); process.exit(4)', 4, 'it said: no route to h 22 me %'],
      ['process.exit(0)', 0, 'ended with status 0 before the connection was up'],
      ['process.stdout.write("SSH-2.0-x\\r\\n", () => process.exit(9))', 9, 'ended with status 9'],
      ['process.kill(process.pid, "SIGKILL")', null, 'was ended by SIGKILL'],
    ]
    for (const [script, exitStatus, said] of cases) {
      const proxyCommand = [process.execPath, '-e', script, '%h', '%p', '%r', '%%']
      await expect(connect('me@h', hermetic({ proxyCommand }))).rejects.toMatchObject({
        name: 'ConnectError',
        code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
        message: expect.stringContaining(said),
        details: { exitStatus },
      })
    }
    await expect(connect('h', hermetic({ proxyCommand: ['/no/such/program'] }))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
      cause: expect.objectContaining({ code: 'ENOENT' }),
    })
  })

  test('that says nothing, or no SSH, is ended in time and by signal', async () => {
    const silent = [process.execPath, '-e', 'process.stdin.resume()']
    await expect(connect('h', hermetic({ proxyCommand: silent, connectTimeout: 300 }))).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_TIMEOUT',
    })
    const signal = AbortSignal.timeout(100)
    await expect(connect('h', hermetic({ proxyCommand: silent, signal }))).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const babbling = [process.execPath, '-e', 'process.stdout.write("HTTP/1.1 400 Bad Request\\r\\n\\r\\n")']
    await expect(connect('h', hermetic({ proxyCommand: babbling }))).rejects.toMatchObject({
      code: 'ERR_SSH_TRANSPORT_NOT_SSH',
    })
  })

  test('carries a server to its client, too', async () => {
    const listener = await listenReverse({
      host: '127.0.0.1',
      port: 0,
      destination: 'tester@device',
      clientKeys: userKey,
      knownHosts: `device ${hostKey.exportPublicKey()}\n`,
      config: null,
    })
    onTestFinished(() => listener.close())
    const serving = { serverHostKeys: hostKey, authorizedClientKeys: userLine, processFactory: parrot }
    const proxyCommand = relay('%h', '%p')
    const [next, served] = await Promise.all([
      listener[Symbol.asyncIterator]().next(),
      connectReverse({ host: '127.0.0.1', port: listener.port }, { ...serving, proxyCommand }),
    ])
    expect((await next.value?.run('x'))?.stdout).toBe('x')
    await served.close()
    const failing = [process.execPath, '-e', 'process.exit(5)']
    await expect(connectReverse('h', { ...serving, proxyCommand: failing })).rejects.toMatchObject({
      code: 'ERR_SSH_CONNECT_PROXY_COMMAND_FAILED',
      details: { exitStatus: 5 },
    })
  })
})

describe('nothing that a destination says', () => {
  const touch = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    return join(folder, 'touched')
  }

  test('reaches a shell', async () => {
    const file = await touch()
    const names = [
      `$(touch ${file})`,
      `;touch ${file}`,
      `\`touch ${file}\``,
      `x|touch ${file}`,
      '$HOME',
      "'",
      '*',
      '~root',
    ]
    for (const name of names) {
      const places: Destination[] = [{ host: name }, { host: 'h', username: name }, `${name}@h`]
      for (const destination of places) {
        const error = await connect(destination, hermetic({ proxyCommand: 'echo %h %n %r %p >&2; exit 1' })).catch(
          (reason: unknown) => reason,
        )
        expect(error, String(JSON.stringify(destination))).toMatchObject({ name: 'OptionsError' })
      }
    }
    expect(existsSync(file)).toBe(false)
  })

  test('is an option of a program', async () => {
    for (const destination of [
      '-oProxyCommand=x',
      'user@-oProxyCommand=x',
      '-lroot@h',
      { host: '-oProxyCommand=x' },
      { host: 'h', username: '-oProxyCommand=x' },
    ]) {
      for (const proxyCommand of ['echo %h %r >&2', [process.execPath, '-e', '0', '%h', '%r']]) {
        await expect(connect(destination, hermetic({ proxyCommand }))).rejects.toMatchObject({ name: 'OptionsError' })
      }
    }
  })

  test('is more than one argument of a program that runs without a shell', async () => {
    const proxyCommand = [
      process.execPath,
      '-e',
      'console.error(JSON.stringify(process.argv.slice(1)))',
      '%r@%h',
      '%%h',
    ]
    const error = await connect({ host: 'h', username: '$(x) ; "y"' }, hermetic({ proxyCommand })).catch((e) => e)
    expect(error.details.stderr).toBe(JSON.stringify(['$(x) ; "y"@h', '%h']))
  })

  test('stands for a token that means nothing', async () => {
    await expect(connect('h', hermetic({ proxyCommand: ['true', '%z'] }))).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringContaining('%z means nothing here'),
    })
  })
})
