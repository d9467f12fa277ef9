/** The example programs beside OpenSSH: clients against its server, servers visited by its client. */

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientExamples } from '../../examples/src/run-all/clients.js'
import { runExample, withServer } from '../../examples/src/run-all/run-program.js'
import { startTargets, type Targets } from '../../examples/src/run-all/targets.js'
import {
  type ForeignServer,
  knownHostsOf,
  type LoginTarget,
  lacks,
  makeKey,
  type OpensshOptions,
  scp,
  sftp,
  ssh,
  startSshAgent,
  startSshd,
  temporaryFolder,
  withoutComment,
} from '../src/index.js'

/** As `tsx` runs them, wherever the working directory is. */
const typescript = [
  '--conditions=@ssh/source',
  '--import',
  pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
]

/** What sshd cannot be asked for here, and what to look at instead. */
const notForSshd = new Map([
  ['client-keyboard-interactive', 'sshd asks questions only through PAM; see the tests of PuTTY and AsyncSSH'],
])

describe.skipIf(lacks('sshd', 'sftp-server'))('against sshd', () => {
  const folder = temporaryFolder()
  let server: ForeignServer
  let targets: Targets
  beforeAll(async () => {
    server = await startSshd()
    targets = await startTargets(join(server.folder, 'there.sock'))
    const dotSsh = join(folder.path, '.ssh')
    mkdirSync(dotSsh)
    copyFileSync(server.clientKey.path, join(dotSsh, 'id_ed25519'))
    folder.write('.ssh/known_hosts', knownHostsOf(server))
  })
  afterAll(async () => {
    targets?.close()
    await server?.stop()
    folder.remove()
  })

  test.for(clientExamples.filter(({ name }) => !notForSshd.has(name)))(
    '$name',
    async ({ name, args, stdin, check }) => {
      const destination = `${server.username}@${server.host}:${server.port}`
      const own = join(folder.path, name)
      mkdirSync(own)
      const programArguments = args?.(destination, targets) ?? [destination]
      const where = { folder: own, home: folder.path }
      check(await runExample(name, programArguments, where, { stdin, nodeArguments: typescript }))
    },
  )
})

test.skipIf(lacks('sshd', 'ssh-agent', 'ssh-add'))('client-agent with the keys of ssh-agent', async () => {
  using folder = temporaryFolder()
  await using server = await startSshd()
  await using agent = await startSshAgent()
  await agent.sshAdd([server.clientKey.path])
  mkdirSync(join(folder.path, '.ssh'))
  folder.write('.ssh/known_hosts', knownHostsOf(server))
  const destination = `${server.username}@${server.host}:${server.port}`
  const output = await runExample(
    'client-agent',
    [destination],
    { folder: folder.path, home: folder.path },
    { env: { SSH_AUTH_SOCK: agent.path }, nodeArguments: typescript },
  )
  const [fingerprint] = await agent.fingerprints()
  expect(output).toBe(`ssh-ed25519 ${fingerprint}\nseen from there: 1\n`)
})

/** What OpenSSH's client does with an example server. */
interface Visit {
  readonly name: string
  visit(target: LoginTarget, inner: ForeignServer | undefined): Promise<void>
  /** Another sshd, behind the example. */
  readonly needsInner?: boolean
}

async function printed(target: LoginTarget, command: string | undefined, options?: OpensshOptions): Promise<string> {
  const { status, stdout, stderr } = await ssh(target, command, options)
  expect([status, stderr]).toEqual([0, expect.any(String)])
  return stdout.toString()
}

const terminal = { extraArguments: ['-tt'], env: { TERM: 'xterm' } }

const visits: readonly Visit[] = [
  {
    name: 'server-simple',
    visit: async (target) => expect(await printed(target, 'tea')).toBe('Hello ada, you asked for: tea\n'),
  },
  {
    name: 'server-environment',
    visit: async (target) => {
      const config = { SetEnv: 'LANG=C.UTF-8 LD_PRELOAD=evil.so' }
      expect(await printed(target, 'show', { config })).toBe('LANG=C.UTF-8\n')
    },
  },
  {
    name: 'server-input',
    visit: async (target) => expect(await printed(target, 'sum', { input: '40\n2\n' })).toContain('Their sum is 42\n'),
  },
  {
    name: 'server-shell',
    visit: async (target) => {
      const { status, stdout, stderr } = await ssh(target, 'cat; echo oops >&2; exit 5', { input: 'in' })
      expect([status, stdout.toString(), stderr]).toEqual([5, 'in', 'oops\n'])
      expect(await printed(target, 'test -t 0 && tput cols', terminal)).toMatch(/^\d+\r\n$/)
    },
  },
  {
    name: 'server-terminal',
    visit: async (target) => {
      expect(await printed(target, undefined, { ...terminal, input: 'q' })).toMatch(/^Your terminal is of type xterm/)
      expect((await ssh(target, undefined, { input: 'q' })).status).toBe(1)
    },
  },
  {
    name: 'server-authentication',
    visit: async (target) => {
      const password = { ...target, clientKey: undefined, password: 'analytical engine' }
      expect(await printed(password, 'x', { usePassword: true })).toContain('Welcome ada, let in by')
      const { status, stderr } = await ssh({ ...password, password: 'guess' }, 'x', { usePassword: true })
      expect([status, stderr]).toEqual([255, expect.stringContaining('Permission denied')])
    },
  },
  {
    name: 'server-chat',
    visit: async (target) => {
      const output = await printed(target, undefined, { ...terminal, input: 'anybody?\r\x04' })
      expect(output).toContain('Welcome ada, 0 others are here')
    },
  },
  {
    name: 'server-editor',
    visit: async (target) => {
      const output = await printed(target, undefined, { ...terminal, input: 'hx\x7fe\t\rpasswd\rsecret\rquit\r' })
      expect(output).toContain('help passwd quit time')
      expect(output).toContain('6 characters')
      expect(output).not.toContain('secret')
    },
  },
  {
    name: 'server-forward-policy',
    visit: async (target) => {
      const through = (to: string) => ssh(target, undefined, { extraArguments: ['-W', to] })
      expect((await through('clock.internal:13')).stdout.toString()).toBe(`${new Date().getFullYear()}\n`)
      const refused = await through('example.com:80')
      expect([refused.status, refused.stderr]).toEqual([
        255,
        expect.stringContaining('only this machine can be reached'),
      ])
    },
  },
  {
    name: 'server-bastion',
    needsInner: true,
    visit: async (target, inner) => {
      const through = { extraArguments: ['-W', `localhost:${inner?.port}`], input: 'no SSH client\r\n' }
      expect((await ssh(target, undefined, through)).stdout.toString()).toMatch(/^SSH-2\.0-OpenSSH/)
      expect((await ssh(target, 'true')).status).toBe(255)
    },
  },
  {
    name: 'server-sftp-per-user',
    visit: async (target) => {
      const { status, stdout, stderr } = await sftp(target, ['mkdir box', 'rename box ../../chest', 'ls -1 /'])
      expect([status, stdout.toString(), stderr]).toEqual([0, expect.stringMatching(/\/chest\n$/), ''])
    },
  },
  {
    name: 'server-scp',
    visit: async (target) => {
      const program = fileURLToPath(import.meta.url)
      for (const mode of ['-O', '-s']) {
        const { status, stderr } = await scp(target, (remote) => [mode, program, remote(`copied${mode}.ts`)])
        expect([status, stderr]).toEqual([0, ''])
      }
      const { stdout } = await sftp(target, ['ls -1'])
      expect(stdout.toString()).toMatch(/copied-O\.ts\s+copied-s\.ts\n$/)
    },
  },
  {
    name: 'server-sftp-memory',
    visit: async (target) => {
      const { status, stdout } = await sftp(target, ['mkdir notes', 'ls -1'])
      expect([status, stdout.toString()]).toEqual([0, expect.stringMatching(/notes\n$/)])
    },
  },
]

describe.skipIf(lacks('ssh', 'sftp', 'scp', 'ssh-keygen'))('visited by ssh', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  test.for(visits)('$name', async ({ name, visit, needsInner = false }, { skip }) => {
    if (needsInner && lacks('sshd')) skip('sshd is not installed')
    const own = join(folder.path, name)
    const dotSsh = join(own, '.ssh')
    mkdirSync(dotSsh, { recursive: true })
    const hostKey = await makeKey(own, 'ssh_host_ed25519_key', 'ed25519')
    const clientKey = await makeKey(own, 'client', 'ed25519')
    for (const file of ['authorized_keys', 'alan.pub']) writeFileSync(join(own, file), `${clientKey.publicLine}\n`)
    await using inner = needsInner ? await startSshd() : undefined
    if (inner !== undefined) {
      copyFileSync(inner.clientKey.path, join(dotSsh, 'id_ed25519'))
      writeFileSync(join(dotSsh, 'known_hosts'), knownHostsOf(inner))
    }
    const args = inner === undefined ? [] : [`${inner.username}@${inner.host}:${inner.port}`]
    const where = { folder: own, home: own }
    await withServer(
      name,
      args,
      where,
      ({ port }) => {
        const hostKeys = [withoutComment(hostKey.publicLine)]
        return visit({ host: '127.0.0.1', port, username: 'ada', hostKeys, clientKey }, inner)
      },
      typescript,
    )
  })
})
