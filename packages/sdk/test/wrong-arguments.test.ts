import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  connect,
  connectReverse,
  createPool,
  createProcess,
  createReconnecting,
  type LogEntry,
  listen,
  listenReverse,
  readAuthorizedKeys,
  readKnownHosts,
  run,
  runClient,
  runOnHosts,
  runServer,
} from '../src/index.js'
import { clientOptions, embedded, hostKey, serverOptions, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const secretKey = await generatePrivateKey('ssh-ed25519')
const openssh = await secretKey.exportPrivateKey()
const pkcs8 = await secretKey.exportPrivateKey('pkcs8-pem')
const putty = 'PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nPrivate-Lines: 1\nc2VjcmV0\nPrivate-MAC: 00\n'

async function fileWith(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wrong-arguments-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'keys')
  await writeFile(path, text)
  return path
}

function memory() {
  const entries: LogEntry[] = []
  const note = (entry: LogEntry) => void entries.push(entry)
  return { entries, logger: { trace: note, debug: note, info: note, warn: note, error: note } }
}

describe('a private key where public ones should be', () => {
  test.each([
    ['of OpenSSH', openssh],
    ['in PKCS #8', pkcs8],
    ['of PuTTY', putty],
  ])('is refused as authorized or known, %s, and nothing of it is told', async (_, text) => {
    const path = await fileWith(text)
    const { entries, logger } = memory()
    const attempts = [path, text].flatMap((given) => [
      () => listen(serverOptions({ authorizedClientKeys: given, logger })),
      () => connect('tester@127.0.0.1:1', clientOptions({ hostKeyFingerprint: undefined, knownHosts: given, logger })),
    ])
    attempts.push(
      () => readAuthorizedKeys(path) as never,
      () => readKnownHosts(path) as never,
    )
    for (const attempt of attempts) {
      const error: unknown = await attempt().catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        name: 'ConfigParseError',
        message: expect.stringContaining('this is a private key; give the public key (.pub)'),
      })
      const told = JSON.stringify([String(error), entries]).toLowerCase()
      for (const line of text.trim().split('\n').slice(1, -1)) expect(told).not.toContain(line.toLowerCase())
    }
  })
})

describe('authorized keys of which none can be used', () => {
  test('are an error that names the file when nobody else could let anybody in', async () => {
    const path = await fileWith('# mine\nwhatever this is\nssh-ed25519 AAAA\n')
    await expect(listen(serverOptions({ authorizedClientKeys: path }))).rejects.toMatchObject({
      name: 'OptionsError',
      message: expect.stringMatching(/Nobody could log in.*2 line\(s\) of .*keys were left out/),
      details: { file: path, linesLeftOut: 2 },
    })
  })

  test('are told of in the log, with how many lines, where callbacks may still let somebody in', async () => {
    const path = await fileWith('whatever this is\nssh-ed25519 AAAA\n')
    const { entries, logger } = memory()
    const server = await listen(
      serverOptions({
        authorizedClientKeys: [path, userLine],
        logger,
        serverFactory: () => ({ validatePassword: () => true }),
      }),
    )
    await server.close()
    expect(entries.filter(({ event }) => event === 'authorized-keys-unusable')).toEqual([
      expect.objectContaining({ file: path, linesLeftOut: 2 }),
    ])
  })
})

describe('what is no options', () => {
  const calls: readonly [string, (options: never) => unknown][] = [
    ['connect', (options) => connect('127.0.0.1', options)],
    ['run', (options) => run('127.0.0.1', 'true', options)],
    ['createProcess', (options) => createProcess('127.0.0.1', 'true', options)],
    ['runClient', (options) => runClient(new PassThrough(), '127.0.0.1', options)],
    ['listen', (options) => listen(options)],
    ['listenReverse', (options) => listenReverse(options)],
    ['runServer', (options) => runServer(new PassThrough(), options)],
    ['connectReverse', (options) => connectReverse('127.0.0.1', options)],
    ['runOnHosts', (options) => runOnHosts(['127.0.0.1'], 'true', options)],
    ['createPool', (options) => createPool(options)],
    ['createReconnecting', (options) => createReconnecting('127.0.0.1', options)],
    ['run of a pool', (options) => createPool().run('127.0.0.1', 'true', options)],
    ['createProcess of a pool', (options) => createPool().createProcess('127.0.0.1', 'true', options)],
    ['connect of a pool', (options) => createPool().connect('127.0.0.1', options)],
    ['startSftpClient of a pool', (options) => createPool().startSftpClient('127.0.0.1', options)],
  ]

  test.each(calls)('%s refuses as options, and opens nothing', async (_, call) => {
    for (const options of [2301, null, '2301', [2301], new Map([['port', 2301]]), () => {}]) {
      await expect((async () => call(options as never))()).rejects.toMatchObject({
        name: 'OptionsError',
        message: expect.stringContaining('options must be an object'),
      })
    }
  })

  test.each(['connect', 'run', 'createReconnecting'])('%s says where a port belongs', async (name) => {
    const [, call] = calls.find(([known]) => known === name) ?? []
    await expect((async () => call?.(2301 as never))()).rejects.toThrow("for a port write 'host:port'")
  })

  test('an object without a prototype is options', async () => {
    const options: object = Object.assign(Object.create(null), { nonsense: 1 })
    await expect(connect('127.0.0.1', options)).rejects.toThrow('unknown option "nonsense"')
  })
})

describe('run without a command', () => {
  const nothing = undefined as never

  test.each<[string, () => unknown]>([
    ['run', () => run('127.0.0.1:1', nothing)],
    ['of a pool', () => createPool().run('127.0.0.1:1', nothing)],
    ['on many hosts', () => runOnHosts(['127.0.0.1:1'], nothing)],
    ['null', () => run('127.0.0.1:1', null as never)],
  ])('is refused before anything is opened: %s', async (_, call) => {
    await expect((async () => call())()).rejects.toMatchObject({ name: 'OptionsError' })
  })

  test('is refused on a connection and on one that comes back; createProcess starts a shell', async () => {
    const {
      server,
      connect: login,
      destination,
    } = await embedded({
      processFactory: (process) => process.exit(process.command === undefined ? 7 : 8),
    })
    const conn = await login()
    const message = 'run needs a command'
    await expect(conn.run(nothing)).rejects.toThrow(message)
    const shell = await conn.createProcess(nothing)
    expect((await shell.wait()).exitStatus).toBe(7)
    const link = createReconnecting(destination, clientOptions())
    onTestFinished(() => link.close())
    await expect(link.run(nothing)).rejects.toThrow(message)
    const [failed] = await runOnHosts([destination], () => nothing, clientOptions())
    expect(failed?.error).toMatchObject({ name: 'OptionsError', message: expect.stringContaining(message) })
    await server.close()
  })
})

describe('an option that nobody knows', () => {
  const { authorizedClientKeys: _, ...nobody } = serverOptions()
  test.each<[string, () => unknown, string]>([
    [
      'goes before that nobody could log in',
      () => listen({ ...nobody, authorizedKeys: userLine } as object),
      'Invalid options for listen: unknown option "authorizedKeys"',
    ],
    [
      'may be one of sessions, misspelt',
      () => listen(serverOptions({ procesFactory: () => {} } as object)),
      'Invalid options for listen: unknown option "procesFactory"; did you mean "processFactory"?',
    ],
    [
      'may be one of the protocol, misspelt',
      () => runServer(new PassThrough(), { serverHostKeys: hostKey, authorizedClientKey: userLine } as never),
      'Invalid options for runServer: unknown option "authorizedClientKey"; did you mean "authorizedClientKeys"?',
    ],
    [
      'may be how many hosts at once, misspelt',
      () => runOnHosts(['127.0.0.1:1'], 'true', { concurency: 2 } as object),
      'Invalid options for runOnHosts: unknown option "concurency"; did you mean "concurrency"?',
    ],
    [
      'may be one of commands on many hosts, misspelt',
      () => runOnHosts(['127.0.0.1:1'], 'true', { chek: true } as object),
      'Invalid options for runOnHosts: unknown option "chek"; did you mean "check"?',
    ],
    [
      'may be how to come back, misspelt',
      () => createReconnecting('127.0.0.1:1', { maxDelya: 5 } as object),
      'Invalid options for createReconnecting: unknown option "maxDelya"; did you mean "maxDelay"?',
    ],
    [
      'may be one of the connection of a command, misspelt',
      () => run('127.0.0.1:1', 'true', { pasword: 'x' } as object),
      'Invalid options for run: unknown option "pasword"; did you mean "password"?',
    ],
  ])('%s', async (_, call, message) => {
    await expect((async () => call())()).rejects.toMatchObject({ name: 'OptionsError', message })
  })
})
