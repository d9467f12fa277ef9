/** OpenSSH's ssh against our server: logins, sessions, endings, terminals. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { signatureAlgorithms } from '@ssh/crypto'
import type { ServerProcess } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type KeyFile,
  type KeySpec,
  knownHostsOf,
  lacks,
  makeKey,
  mustRun,
  type SdkServer,
  ssh,
  startProgram,
  startSdkServer,
  temporaryFolder,
  withoutComment,
} from '../src/index.js'

const specs: readonly KeySpec[] = [
  'ed25519',
  ...[256, 384, 521].map((bits) => ({ type: 'ecdsa', bits }) as const),
  { type: 'rsa', bits: 2048 },
]

describe.skipIf(lacks('ssh', 'ssh-keygen'))('ssh on our server', () => {
  const folder = temporaryFolder()
  const keys = new Map<KeySpec, KeyFile>()
  let server: SdkServer
  beforeAll(async () => {
    for (const spec of specs) keys.set(spec, await makeKey(folder.path, `key_${keys.size}`, spec))
    server = await startSdkServer({
      moreAuthorizedKeys: [...keys.values()].map(({ publicLine }) => publicLine),
      banner: 'Welcome, stranger\n',
      maxAuthTries: 3,
    })
  })
  afterAll(async () => {
    await server?.stop()
    folder.remove()
  })

  test.for(specs)('logs in with a key of type %j', async (spec) => {
    const { status, stdout } = await ssh({ ...server, clientKey: keys.get(spec) }, 'echo in')
    expect([status, stdout.toString()]).toEqual([0, 'in\n'])
  })

  test.for(['rsa-sha2-512', 'rsa-sha2-256'])('logs in with an RSA key and a signature of %s', async (name) => {
    const clientKey = keys.get(specs.at(-1) ?? 'rsa')
    const config = { PubkeyAcceptedAlgorithms: name }
    expect((await ssh({ ...server, clientKey }, 'echo in', { config })).stdout.toString()).toBe('in\n')
  })

  test('logs in with a password, and not with a wrong one', async () => {
    expect((await ssh(server, 'echo in', { usePassword: true })).stdout.toString()).toBe('in\n')
    const { status, stdout, stderr } = await ssh({ ...server, password: 'wrong' }, 'echo in', { usePassword: true })
    expect([status, stdout.length]).toEqual([255, 0])
    expect(stderr).toMatch(/Permission denied \(publickey,keyboard-interactive,password\)/)
    const config = { PreferredAuthentications: 'keyboard-interactive' }
    expect((await ssh(server, 'echo in', { usePassword: true, config })).stdout.toString()).toBe('in\n')
  })

  test('is refused with a key that nobody authorized', async () => {
    const clientKey = await makeKey(folder.path, 'stranger', 'ed25519')
    const { status, stderr } = await ssh({ ...server, clientKey }, 'true')
    expect(status).toBe(255)
    expect(stderr).toMatch(/Permission denied/)
  })

  test('is sent away after too many attempts', async () => {
    const strangers = await Promise.all([1, 2, 3, 4, 5].map((n) => makeKey(folder.path, `many_${n}`, 'ed25519')))
    const files = strangers.flatMap(({ path }) => ['-i', path])
    const { status, stderr } = await ssh({ ...server, clientKey: undefined }, 'true', { extraArguments: files })
    expect(status).toBe(255)
    expect(stderr).toMatch(/Received disconnect .*:14: no more auth methods available/)
  })

  test('shows our banner', async () => {
    expect((await ssh(server, 'true')).stderr).toContain('Welcome, stranger')
  })

  test('agrees with us on strict key exchange (CVE-2023-48795)', async () => {
    const { stderr } = await ssh(server, 'true', { extraArguments: ['-vvv'] })
    expect(stderr).toMatch(/strict KEX ordering/i)
  })

  test('learns what signatures we take, and our host key again', async () => {
    const { stderr } = await ssh(server, 'true', { extraArguments: ['-vv'] })
    expect(stderr).toMatch(/server-sig-algs=<[^>]*rsa-sha2-512/)
  })

  test('ends as the command did, by status or by signal', async () => {
    for (const status of [0, 1, 42, 255]) expect((await ssh(server, `exit ${status}`)).status).toBe(status)
    const { status, stderr } = await ssh(server, 'kill -TERM $$', { extraArguments: ['-v'] })
    expect(status).toBe(255)
    expect(stderr).toMatch(/rtype exit-signal/)
  })

  test('keeps the two outputs apart, and gives the command its input to the end', async () => {
    const { stdout, stderr } = await ssh(server, 'cat; echo err >&2', { input: 'in\n', extraArguments: ['-q'] })
    expect([stdout.toString(), stderr]).toEqual(['in\n', 'err\n'])
  })

  test('gets a shell when it names no command', async () => {
    const { stdout, status } = await ssh(server, undefined, { input: 'echo $((6 * 7))\nexit 4\n' })
    expect([stdout.toString(), status]).toEqual(['42\n', 4])
  })

  test('sends variables', async () => {
    const { stdout } = await ssh(server, 'echo "$GREETING"', { config: { SetEnv: 'GREETING=hello' } })
    expect(stdout.toString()).toBe('hello\n')
  })

  test('runs many commands at once over one connection', async () => {
    const control = { ControlPath: join(folder.path, 'control'), ControlMaster: 'auto', ControlPersist: 20 }
    await ssh(server, 'true', { config: control })
    const numbers = Array.from({ length: 8 }, (_, index) => index)
    const results = await Promise.all(
      numbers.map((number) => ssh(server, `cat; echo ${number}; exit ${number}`, { config: control, input: 'x' })),
    )
    expect(results.map(({ status, stdout }) => [status, stdout.toString()])).toEqual(numbers.map((n) => [n, `x${n}\n`]))
    expect(server.server.connections.size).toBe(1)
    await ssh(server, undefined, { config: control, extraArguments: ['-O', 'exit'] })
  })

  test('stays through a silence with keepalives on both sides', async () => {
    await using alert = await startSdkServer({ keepaliveInterval: 200, keepaliveCountMax: 5 })
    const { stdout } = await ssh(alert, 'sleep 2; echo still here', { config: { ServerAliveInterval: 1 } })
    expect(stdout.toString()).toBe('still here\n')
  })
})

describe.skipIf(lacks('ssh', 'ssh-keygen'))('endings that a handler chooses', () => {
  async function run(handler: (process: ServerProcess) => unknown, command = 'x') {
    await using server = await startSdkServer({ processFactory: handler })
    return await ssh(server, command, { extraArguments: ['-v'] })
  }

  test('a signal is told with its name', async () => {
    const { status, stderr } = await run((process) => process.exitWithSignal('SIGSEGV', { coreDumped: true }))
    expect(status).toBe(255)
    expect(stderr).toMatch(/rtype exit-signal/)
  })

  test('no status at all is a failure for ssh', async () => {
    const { status, stdout } = await run((process) => {
      process.stdout.write('out')
      return process.close()
    })
    expect([status, stdout.toString()]).toEqual([255, 'out'])
  })

  test('a handler that throws ends the session with status 1', async () => {
    const { status } = await run(() => {
      throw new Error('a mistake')
    })
    expect(status).toBe(1)
  })

  test('a session that is refused leaves the connection as it is', async () => {
    await using server = await startSdkServer({ processFactory: undefined, sftpFactory: false })
    const { status, stderr } = await ssh(server, 'x')
    expect(status).toBe(255)
    expect(stderr).toMatch(/exec request failed|administratively prohibited|open failed/)
  })
})

test.skipIf(lacks('ssh', 'ssh-keygen')).for(['ssh-ed25519', 'rsa-sha2-256'])(
  'ssh learns our other host keys after a key exchange with %s, and forgets those we have no more',
  async (HostKeyAlgorithms) => {
    await using server = await startSdkServer({
      hostKeyTypes: ['ed25519', 'rsa', 'ecdsa', 'ed25519'],
      sendServerHostKeys: true,
    })
    using folder = temporaryFolder()
    const former = withoutComment((await makeKey(folder.path, 'former', 'ed25519')).publicLine)
    const [ed25519 = '', rsa = ''] = server.hostKeys
    const UserKnownHostsFile = folder.write(
      'known_hosts',
      knownHostsOf({ ...server, hostKeys: [HostKeyAlgorithms === 'ssh-ed25519' ? ed25519 : rsa, former] }),
    )
    const { defaultNames } = signatureAlgorithms
    const config = {
      UserKnownHostsFile,
      UpdateHostKeys: 'yes',
      // Keys of types that it would not take are of no interest to ssh.
      HostKeyAlgorithms: [HostKeyAlgorithms, ...defaultNames.filter((name) => name !== HostKeyAlgorithms)].join(),
    }
    const { status, stderr } = await ssh(server, 'true', { config, extraArguments: ['-v'] })
    expect(stderr).toContain(`host key algorithm: ${HostKeyAlgorithms}`)
    expect(status).toBe(0)
    const learnt = readFileSync(UserKnownHostsFile, 'utf8').trim().split('\n')
    expect(learnt.sort()).toEqual(knownHostsOf(server).trim().split('\n').sort())
  },
)

describe.skipIf(lacks('ssh', 'ssh-keygen'))('a terminal of ssh', () => {
  const patience = { timeout: 20_000 }

  test('tells its type, its size, and its new size after a resize', async () => {
    await using server = await startSdkServer({
      processFactory: (process) => {
        const size = () => `${process.termSize?.columns}x${process.termSize?.rows}`
        process.stdout.write(`${process.termType} ${size()}\r\n`)
        process.on('resize', () => {
          process.stdout.write(`now ${size()}\r\n`)
          // stty sets rows and columns one after the other.
          if (size() === '80x25') process.exit(0)
        })
      },
    })
    using folder = temporaryFolder()
    const knownHosts = folder.write(
      'known_hosts',
      server.hostKeys.map((key) => `[127.0.0.1]:${server.port} ${key}\n`).join(''),
    )
    const login = `-F none -i ${server.clientKey.path} -o UserKnownHostsFile=${knownHosts} -p ${server.port} ${server.username}@127.0.0.1`
    const name = join(folder.path, 'tty')
    await using terminal = startProgram([
      ...['script', '--quiet', '--return', '--command'],
      `stty rows 43 cols 132; tty > ${name}; TERM=vt100 ssh -tt ${login} x`,
      '/dev/null',
    ])
    await expect.poll(terminal.log, patience).toContain('vt100 132x43')
    await mustRun(['stty', '-F', readFileSync(name, 'utf8').trim(), 'rows', '25', 'cols', '80'])
    await expect.poll(terminal.log, patience).toContain('now 80x25')
  })
})
