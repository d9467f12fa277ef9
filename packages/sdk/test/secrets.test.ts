/** H8: nothing secret in what is printed, serialised, logged, traced or thrown. */

import { Console } from 'node:console'
import { createPrivateKey } from 'node:crypto'
import { tracingChannel } from 'node:diagnostics_channel'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Duplex, Writable } from 'node:stream'
import { inspect } from 'node:util'
import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { fromDuplex } from '@ssh/streams'
import { describe, expect, onTestFinished, test } from 'vitest'
import { KeyRing, ScriptedAgent } from '../../conn/test/agent/scripted-agent.js'
import { streamPair } from '../../conn/test/loopback.js'
import { httpProxy, socksProxy } from '../../conn/test/proxies.js'
import {
  type ClientOptions,
  connect,
  createPool,
  createReconnecting,
  importPrivateKey,
  importPublicKey,
  type LogEntry,
  type Logger,
  listen,
  runOnHosts,
  type ServerConnection,
  type ServerProcess,
} from '../src/index.js'
import { clientOptions, embedded, hostKey, parrot } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

/** What every secret text begins with. */
const mark = 'MARKED'

const keys: Record<string, PrivateKey> = {
  ed25519: await generatePrivateKey('ssh-ed25519', { comment: 'ed25519' }),
  ecdsa: await generatePrivateKey('ecdsa-sha2-nistp256', { comment: 'ecdsa' }),
  rsa: await generatePrivateKey('ssh-rsa', { bits: 2048, comment: 'rsa' }),
}

const passphrase = `${mark}-passphrase`
const encrypted = await generatePrivateKey('ssh-ed25519', { comment: 'encrypted' })
const encryptedText = String(await encrypted.exportPrivateKey('openssh', { passphrase, rounds: 1 }))

/** Private numbers of a key, as bytes. */
async function privateNumbers(key: PrivateKey): Promise<Buffer[]> {
  const jwk = createPrivateKey(String(await key.exportPrivateKey('pkcs8-pem'))).export({ format: 'jwk' })
  return [jwk.d, jwk.p, jwk.q].flatMap((number) => (number === undefined ? [] : [Buffer.from(number, 'base64url')]))
}

const numbers = (await Promise.all([...Object.values(keys), encrypted, hostKey].map(privateNumbers))).flat()

/** Ways in which bytes get into text, far enough to be no chance. */
function writings(bytes: Buffer): string[] {
  const start = bytes.subarray(0, 9)
  return [
    start.toString('hex'),
    start.toString('base64').slice(0, 11),
    start.toString('base64url').slice(0, 11),
    [...start].map((byte) => byte.toString(16).padStart(2, '0')).join(' '),
    [...start].join(', '),
    [...start].join(','),
  ]
}

const forbidden: readonly string[] = [
  mark,
  Buffer.from(mark).toString('hex'),
  [...Buffer.from(mark)].map((byte) => byte.toString(16)).join(' '),
  [...Buffer.from(mark)].join(', '),
  [...Buffer.from(mark)].join(','),
  Buffer.from(mark).toString('base64').slice(0, 8),
  ...numbers.flatMap(writings),
  // What key files hold, whichever way they are written.
  ...encryptedText.split('\n').slice(6, 8),
]

/** Everything that may become of an object on its way to somebody's eyes. */
function faces(value: unknown): Record<string, string> {
  let printed = ''
  const sink = new Writable({
    write(chunk, _encoding, done) {
      printed += chunk
      done()
    },
  })
  new Console(sink, sink).log(value)
  return {
    'util.inspect': inspect(value, {
      depth: 10,
      showHidden: true,
      getters: false,
      maxArrayLength: null,
      maxStringLength: null,
    }),
    'what its getters give': inspect(getters(value), { depth: 6, showHidden: true, maxArrayLength: null }),
    'JSON.stringify': stringify(value),
    String: text(value),
    'console.log': printed,
    message: value instanceof Error ? `${value.message}\n${value.stack}` : '',
  }
}

function isOfClass(value: unknown): value is object {
  return typeof value === 'object' && value !== null && value !== Object.prototype
}

/** What the getters of an object and of its classes give. */
function getters(value: unknown): Record<string, unknown> {
  const given: Record<string, unknown> = {}
  for (let each = value; isOfClass(each); each = Object.getPrototypeOf(each)) {
    for (const [name, { get }] of Object.entries(Object.getOwnPropertyDescriptors(each))) {
      try {
        if (get !== undefined) given[name] = get.call(value)
      } catch {
        // Not for this object.
      }
    }
  }
  return given
}

function text(value: unknown): string {
  try {
    return String(value)
  } catch {
    return ''
  }
}

function stringify(value: unknown): string {
  const seen = new Set<unknown>()
  const plain = (_: string, inner: unknown): unknown => {
    if (typeof inner === 'bigint' || typeof inner === 'function') return String(inner)
    if (typeof inner !== 'object' || inner === null) return inner
    if (seen.has(inner)) return '[seen]'
    seen.add(inner)
    return inner instanceof Error ? { ...inner, message: inner.message, cause: inner.cause } : inner
  }
  return JSON.stringify(value, plain) ?? ''
}

function expectNoSecret(what: string, value: unknown): void {
  for (const [face, shown] of Object.entries(faces(value))) {
    for (const secret of forbidden) {
      const at = shown.indexOf(secret)
      expect(at === -1 ? undefined : shown.slice(Math.max(0, at - 200), at + 60), `${what}: ${face}`).toBeUndefined()
    }
  }
}

test('what is looked for would be found, wherever it is', () => {
  const [number = Buffer.alloc(0)] = numbers
  const hidden: Record<string, unknown> = {
    text: { a: { b: { c: [`x ${mark}-y`] } } },
    'a symbol and no enumerable property': Object.defineProperty({}, Symbol('s'), { value: `${mark}` }),
    'an error': new Error(`wrong: ${mark}`),
    'the cause of an error': new Error('wrong', { cause: { password: mark } }),
    'bytes of text': { bytes: Buffer.from(mark) },
    'an array of bytes': { bytes: new Uint8Array(Buffer.from(mark)) },
    'text in base64': Buffer.from(mark).toString('base64'),
    'a private number': { d: number },
    'a private number in hex': number.toString('hex'),
    'a private number in base64url': { jwk: { d: number.toString('base64url') } },
    'a private number in an array': new Uint8Array(number),
    'a map': new Map([['key', mark]]),
    'a getter': new (class {
      get password() {
        return mark
      }
    })(),
    'a method': { toString: () => mark },
    'what JSON makes of it': { toJSON: () => mark },
    'an encrypted file': encryptedText,
  }
  for (const [what, value] of Object.entries(hidden)) expect(() => expectNoSecret(what, value), what).toThrow()
  expectNoSecret('nothing', { a: 1, b: ['text'], c: new Uint8Array(100) })
})

/** An error and those behind it. */
function causes(error: unknown): unknown[] {
  const chain: unknown[] = []
  for (let each = error; each instanceof Error && !chain.includes(each); each = each.cause) chain.push(each)
  return chain
}

const outcome = (promise: PromiseLike<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

async function expectNoSecretInError(what: string, work: PromiseLike<unknown>): Promise<void> {
  const error = await outcome(work)
  expect(error, what).toBeInstanceOf(Error)
  for (const each of causes(error)) expectNoSecret(what, each)
}

/** Keeps all that is logged and traced while the test runs, as whoever writes it down would see it. */
function listening() {
  const entries: LogEntry[] = []
  const contexts: unknown[] = []
  const keep = (entry: LogEntry) => void entries.push(entry)
  const logger: Logger = { debug: keep, info: keep, warn: keep }
  for (const name of ['connect', 'kex', 'auth', 'channel-open', 'exec', 'sftp-request', 'sftp-transfer']) {
    const channel = tracingChannel(`ssh:${name}`)
    for (const kind of ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const) {
      const listener = (context: unknown) => void contexts.push(context)
      channel[kind].subscribe(listener)
      onTestFinished(() => void channel[kind].unsubscribe(listener))
    }
  }
  const check = () => {
    expect(entries.length).toBeGreaterThan(0)
    expect(contexts.length).toBeGreaterThan(0)
    for (const entry of entries) expectNoSecret(`log entry ${entry.event}`, entry)
    for (const context of contexts) expectNoSecret('trace', context)
  }
  return { logger, check }
}

/** A server that knows every way in, and what it and its callbacks saw. */
async function server(logger: Logger) {
  const seen = { connections: [] as ServerConnection[], processes: [] as ServerProcess[] }
  const { server, destination } = await embedded({
    logger,
    authorizedClientKeys: [...Object.values(keys), encrypted].map((key) => key.exportPublicKey()).join('\n'),
    processFactory: (process) => {
      seen.processes.push(process)
      if (process.command === 'hang') return
      parrot(process)
    },
    sftpFactory: true,
    serverFactory: (connection) => {
      seen.connections.push(connection)
      return {
        validatePassword: (_, password) =>
          password === `${mark}-expired`
            ? { changeRequired: { prompt: 'Time for a new one' } }
            : password === `${mark}-password`,
        changePassword: (_, old, password) => old === `${mark}-expired` && password === `${mark}-new`,
        getKbdintChallenge: () => ({ prompts: [{ prompt: 'One: ' }, { prompt: 'Two: ' }] }),
        validateKbdintResponse: (_, [one]) => one === `${mark}-answer`,
      }
    },
  })
  return { server, destination, seen }
}

/** A connection to an agent in this process that has all keys. */
function agentOfThisProcess(): Duplex {
  const [here, there] = streamPair()
  new ScriptedAgent(fromDuplex(there), new KeyRing(...Object.values(keys)).answer)
  return here
}

/** One way to log in, and what is secret about it. */
const logins: Record<string, ClientOptions> = {
  'a password': { clientKeys: null, password: `${mark}-password`, preferredAuth: ['password'] },
  'a password that is asked for': { clientKeys: null, password: () => `${mark}-password`, preferredAuth: ['password'] },
  'answers to prompts': {
    clientKeys: null,
    keyboardInteractive: () => [`${mark}-answer`, `${mark}-other`],
    preferredAuth: ['keyboard-interactive'],
  },
  'a password that is changed': {
    clientKeys: null,
    password: `${mark}-expired`,
    passwordChange: () => ({ oldPassword: `${mark}-expired`, newPassword: `${mark}-new` }),
    preferredAuth: ['password'],
  },
  'an agent': {
    clientKeys: [],
    agentPath: agentOfThisProcess,
    agentIdentities: Object.values(keys).map(({ publicKey }) => publicKey),
  },
  'key objects': { clientKeys: Object.values(keys) },
  'a key in an encrypted file': { clientKeys: encryptedText, passphrase },
  'a key whose passphrase is asked for': { clientKeys: encryptedText, passphrase: () => passphrase },
}

describe.each(Object.entries(logins))('with %s', (_, login) => {
  test('no object of a connection shows it, and no log entry and trace', async () => {
    const { logger, check } = listening()
    const { server: ssh, destination, seen } = await server(logger)
    const options = { ...clientOptions(), ...login, logger }
    const conn = await connect(destination, options)
    onTestFinished(() => conn.close())
    const process = await conn.createProcess('hang')
    const sftp = await conn.startSftpClient()
    const file = await sftp.open(import.meta.filename)
    const result = await conn.run('hello')
    const lease = createPool({ connect: options })
    onTestFinished(() => lease.close())
    const leased = await lease.connect(destination)
    const link = createReconnecting(destination, options)
    onTestFinished(() => link.close())
    await link.run('hello')
    const runs = runOnHosts([destination], 'hello', options)
    const shown = {
      connection: conn,
      'info of a connection': conn.info,
      'host key': conn.getServerHostKey(),
      process,
      channel: process.channel,
      result,
      sftp,
      file,
      pool: lease,
      'stats of a pool': lease.stats,
      lease: leased,
      'a link that comes back': link,
      'work on many hosts': runs,
      results: await runs,
      server: ssh,
      'connection of a server': seen.connections,
      'info of a connection of a server': seen.connections.map(({ info }) => info),
      'process of a server': seen.processes,
      options: undefined,
    }
    for (const [what, value] of Object.entries(shown)) expectNoSecret(what, value)
    await file.close()
    await sftp.close()
    await process.close()
    check()
  })
})

test('no error of a login shows what was tried', async () => {
  const { logger, check } = listening()
  const { destination } = await server(logger)
  const common = { ...clientOptions(), logger }
  const wrong: Record<string, ClientOptions> = {
    'a wrong password': { clientKeys: null, password: `${mark}-wrong` },
    'wrong answers': {
      clientKeys: null,
      keyboardInteractive: () => [`${mark}-wrong`, `${mark}-wrong`],
      preferredAuth: ['keyboard-interactive'],
    },
    'too many answers': {
      clientKeys: null,
      keyboardInteractive: () => [`${mark}-wrong`],
      preferredAuth: ['keyboard-interactive'],
    },
    'a key nobody knows': { clientKeys: await generatePrivateKey('ssh-ed25519') },
    'a wrong passphrase': { clientKeys: encryptedText, passphrase: `${mark}-other` },
    'a host key that is not believed': { password: `${mark}-wrong`, hostKeyFingerprint: 'SHA256:other' },
    'no common algorithm': { password: `${mark}-wrong`, kexAlgs: ['diffie-hellman-group1-sha1'] },
  }
  for (const [what, options] of Object.entries(wrong)) {
    await expectNoSecretInError(what, connect(destination, { ...common, ...options }))
  }
  check()
})

test('no error about options shows what was in them', async () => {
  const damaged = encryptedText.replace(/\n.{10}/, `\n${mark}=====`)
  const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'damaged')
  await writeFile(file, damaged)
  const wrong: Record<string, object> = {
    'a password of the wrong kind': { password: { value: `${mark}-password` } },
    'a passphrase of the wrong kind': { passphrase: [`${mark}-passphrase`] },
    'a name mistyped': { pasword: `${mark}-password` },
    'a key that is damaged': { clientKeys: damaged, passphrase },
    'a key file that is damaged': { clientKeys: file, passphrase },
    'keys of the wrong kind': { clientKeys: { pem: `${mark}-key` } },
    'an encrypted key without its passphrase': { clientKeys: encryptedText },
    'a proxy that is none': { proxy: `gopher://user:${mark}-proxy@127.0.0.1:1` },
    'a proxy with a wrong port': { proxy: `http://user:${mark}-proxy@127.0.0.1:99999` },
    'a policy that is none': { hostKeyPolicy: 'never', password: `${mark}-password` },
  }
  for (const [what, options] of Object.entries(wrong)) {
    const given = { ...clientOptions(), ...options } as ClientOptions
    const work = (async () => connect({ host: '127.0.0.1', port: 1, username: 'x' }, given))()
    await expectNoSecretInError(what, work)
    const pool = createPool()
    await expectNoSecretInError(
      `${what}, in a pool`,
      pool.run({ host: '127.0.0.1', port: 1, username: 'x' }, 'x', given),
    )
    await pool.close()
    const link = outcome(
      (async () => {
        await using made = createReconnecting(
          { host: '127.0.0.1', port: 1, username: 'x' },
          { ...given, maxAttempts: 1 },
        )
        await made.connected
      })(),
    )
    await expectNoSecretInError(
      `${what}, in a link`,
      link.then((error) => Promise.reject(error)),
    )
  }
  await expectNoSecretInError(
    'a password in an address',
    (async () => connect(`ssh://user:${mark}-password@127.0.0.1`))(),
  )
  await expectNoSecretInError(
    'a server with a damaged host key',
    (async () => listen({ port: 0, serverHostKeys: damaged, passphrase, authorizedClientKeys: 'x' }))(),
  )
  await expectNoSecretInError('a key that is damaged', (async () => importPrivateKey(damaged, { passphrase }))())
  await expectNoSecretInError('a private key in place of a public one', (async () => importPublicKey(encryptedText))())
})

test('no error of a proxy shows who we are to it, and no connection through one', async () => {
  const { logger, check } = listening()
  const { destination } = await server(logger)
  const login = `user:${mark}-proxy`
  const options = { ...clientOptions(), clientKeys: keys.ed25519 as PrivateKey, logger }
  for (const [scheme, proxy] of [
    ['http', await httpProxy({ login })],
    ['socks5', await socksProxy({ login })],
  ] as const) {
    const through = (who: string) => ({ ...options, proxy: `${scheme}://${who}@127.0.0.1:${proxy.port}` })
    await using conn = await connect(destination, through(login))
    expectNoSecret(`a connection through ${scheme}`, conn)
    expectNoSecret(`its result through ${scheme}`, await conn.run('hello'))
    await expectNoSecretInError(`${scheme}, refused`, connect(destination, through(`user:${mark}-wrong`)))
    await expectNoSecretInError(`${scheme}, nowhere`, connect({ ...destination, port: 1 }, through(login)))
  }
  check()
})

test('no key object shows its private half, and none of its errors', async () => {
  for (const [what, key] of Object.entries({ ...keys, encrypted })) {
    expectNoSecret(what, key)
    expectNoSecret(`${what} in an object`, { nested: { key, list: [key] } })
    expectNoSecret(`public ${what}`, key.publicKey)
    await expectNoSecretInError(
      `${what}, exported to nonsense`,
      (async () => key.exportPrivateKey('nonsense' as 'openssh'))(),
    )
    await expectNoSecretInError(`${what}, signing by nonsense`, (async () => key.sign(new Uint8Array(1), 'nonsense'))())
  }
})

test('a connection that breaks while it logs in, and what was running on one, tell nothing', async () => {
  const { logger, check } = listening()
  const { server: ssh, destination } = await embedded({
    logger,
    processFactory: () => {},
    serverFactory: (connection) => ({
      validatePassword: (_, password) => {
        if (password === `${mark}-cut`) connection.abort(new Error('cut'))
        return true
      },
    }),
  })
  const options = { ...clientOptions(), clientKeys: null, logger }
  await expectNoSecretInError('a login that is cut', connect(destination, { ...options, password: `${mark}-cut` }))
  const conn = await connect(destination, { ...options, password: `${mark}-password` })
  const process = await conn.createProcess('hang')
  for (const connection of ssh.connections) connection.abort(new Error('cut'))
  await expectNoSecretInError('a process that is cut', process.wait())
  await outcome(conn.closed)
  expectNoSecret('a connection that is closed', conn)
  check()
})
