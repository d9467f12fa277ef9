/** The example servers, and what a client must meet there. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import {
  ChannelOpenError,
  type ClientOptions,
  connect,
  expect,
  PermissionDenied,
  type PrivateKey,
  SftpError,
  scp,
} from '@ssh/sdk'
import { runExample, type Surroundings } from './run-program.js'

/** How to reach an example server that has just started. */
export interface Visit {
  readonly port: number
  /** Trust in it, and the key that it lets in. */
  readonly options: ClientOptions
  /** A key that only some examples know. */
  readonly otherKey: PrivateKey
  /** `user@host:port` of another server. */
  readonly inner: string
  readonly where: Surroundings
  /** What the example has printed so far. */
  output(): string
  /** Settles when the example has ended by itself. */
  readonly ended: Promise<unknown>
}

export interface ServerExample {
  /** File name without `.ts`. */
  readonly name: string
  /** Arguments behind the port. @param destination of another server */
  args?(destination: string): readonly string[]
  /** Visits it. @throws AssertionError */
  check(visit: Visit): Promise<void>
}

const at = (username: string, { port }: Visit) => `${username}@127.0.0.1:${port}`

export const serverExamples: readonly ServerExample[] = [
  {
    name: 'server-simple',
    async check(visit) {
      await using conn = await connect(at('ada', visit), visit.options)
      const { stdout, exitStatus } = await conn.run('make tea')
      assert.equal(stdout, 'Hello ada, you asked for: make tea\n')
      assert.equal(exitStatus, 0)
    },
  },
  {
    name: 'server-authentication',
    async check(visit) {
      const welcome = async (username: string, credentials: ClientOptions) => {
        await using conn = await connect(at(username, visit), { ...visit.options, clientKeys: null, ...credentials })
        return (await conn.run('hello', { check: true })).stdout
      }
      assert.equal(await welcome('alan', { clientKeys: [visit.otherKey] }), 'Welcome alan, let in by publickey\n')
      assert.equal(
        await welcome('ada', { password: 'analytical engine', preferredAuth: 'password' }),
        'Welcome ada, let in by password\n',
      )
      assert.equal(
        await welcome('grace', { keyboardInteractive: () => ['123456'] }),
        'Welcome grace, let in by keyboard-interactive\n',
      )
      await assert.rejects(welcome('ada', { password: 'guess' }), PermissionDenied)
      await assert.rejects(welcome('grace', { clientKeys: [visit.otherKey] }), PermissionDenied)
    },
  },
  {
    name: 'server-shell',
    async check(visit) {
      await using conn = await connect(at('ada', visit), visit.options)
      const { stdout, stderr, exitStatus } = await conn.run('echo "$LANG $LD_PRELOAD"; echo oops >&2; exit 5', {
        env: { LANG: 'C.UTF-8', LD_PRELOAD: 'evil.so' },
      })
      assert.deepEqual({ stdout, stderr, exitStatus }, { stdout: 'C.UTF-8 \n', stderr: 'oops\n', exitStatus: 5 })
      const shell = await conn.createProcess()
      assert.equal((await shell.communicate('echo from the shell\n')).stdout, 'from the shell\n')
    },
  },
  {
    name: 'server-terminal',
    async check(visit) {
      const printed = await runExample('client-terminal', [at('demo', visit)], visit.where)
      assert.equal(printed, 'rows and columns: 30 100\nrows and columns: 40 120\n')
      await using conn = await connect(at('ada', visit), visit.options)
      assert.equal((await conn.run('no terminal')).exitStatus, 1)
    },
  },
  {
    name: 'server-sftp-per-user',
    async check(visit) {
      const filesOf = async (username: string, work: (path: string) => string) => {
        await using conn = await connect(at(username, visit), visit.options)
        await using sftp = await conn.startSftpClient()
        await sftp.writeFile(work('mine.txt'), username)
        return (await sftp.listdir('/')).join()
      }
      assert.equal(await filesOf('ada', (name) => name), 'mine.txt')
      assert.equal(await filesOf('grace', (name) => `../../${name}`), 'mine.txt')
      await assert.rejects(filesOf('../etc', (name) => name))
    },
  },
  {
    name: 'server-sftp-memory',
    async check(visit) {
      await using one = await connect(at('ada', visit), visit.options)
      await using other = await connect(at('grace', visit), visit.options)
      await using writer = await one.startSftpClient()
      await using reader = await other.startSftpClient()
      await writer.makedirs('notes/2026')
      await writer.writeFile('notes/2026/a.txt', 'kept in memory')
      assert.equal(await reader.readFile('/notes/2026/a.txt', { encoding: 'utf8' }), 'kept in memory')
      await assert.rejects(reader.stat('/etc/passwd'), SftpError)
    },
  },
  {
    name: 'server-scp',
    async check(visit) {
      const destination = at('ada', visit)
      const folder = visit.where.folder
      await writeFile(join(folder, 'note.txt'), 'by SCP')
      await scp(join(folder, 'note.txt'), { connection: destination, path: '../../sent.txt' }, visit.options)
      await scp(`scp://${destination}/sent.*`, folder, visit.options)
      assert.equal(await readFile(join(folder, 'sent.txt'), 'utf8'), 'by SCP')
      await using conn = await connect(destination, visit.options)
      await using sftp = await conn.startSftpClient()
      assert.equal(await sftp.readFile('sent.txt', { encoding: 'utf8' }), 'by SCP')
      await assert.rejects(conn.run('date'), /refused to run the command/)
    },
  },
  {
    name: 'server-forward-policy',
    async check(visit) {
      await using conn = await connect(at('ada', visit), visit.options)
      const clock = await conn.openConnection('clock.internal', 13)
      assert.equal(await text(clock), `${new Date().getFullYear()}\n`)
      await assert.rejects(conn.openConnection('example.com', 80), /only this machine can be reached/)
      await using listener = await conn.startServer((stream) => stream.end('behind the server'), 'localhost', 0)
      assert.equal(await text(await conn.openConnection('localhost', listener.port)), 'behind the server')
      await assert.rejects(conn.startServer(() => {}, 'localhost', 80))
    },
  },
  {
    name: 'server-environment',
    async check(visit) {
      await using conn = await connect(at('ada', visit), visit.options)
      const { stdout } = await conn.run('show', {
        env: { LANG: 'C.UTF-8', LC_TIME: 'en_GB.UTF-8', LD_PRELOAD: 'evil.so' },
      })
      assert.equal(stdout, 'LANG=C.UTF-8\nLC_TIME=en_GB.UTF-8\n')
    },
  },
  {
    name: 'server-input',
    async check(visit) {
      await using conn = await connect(at('ada', visit), visit.options)
      const { stdout, stderr } = await conn.run('sum', { input: '1\n2\nx\n39\n' })
      assert.equal(stdout, 'Enter numbers, one on a line, or an empty line when done:\nTheir sum is 42\n')
      assert.equal(stderr, 'no number: x\n')
    },
  },
  {
    name: 'server-chat',
    async check(visit) {
      await using ofAda = await connect(at('ada', visit), visit.options)
      await using ofGrace = await connect(at('grace', visit), visit.options)
      const ada = await ofAda.createProcess(undefined, { requestPty: true })
      await expect(ada, 'Welcome ada, 0 others are here')
      const grace = await ofGrace.createProcess(undefined, { requestPty: true })
      await expect(grace, 'Welcome grace, 1 others are here')
      await expect(ada, 'grace has come')
      grace.stdin.write('hello all\r')
      await expect(ada, 'grace: hello all')
      grace.stdin.end('\x04')
      await expect(ada, 'grace has left')
      ada.stdin.end('\x04')
      assert.deepEqual([(await grace.wait()).exitStatus, (await ada.wait()).exitStatus], [0, 0])
    },
  },
  {
    name: 'server-editor',
    async check(visit) {
      await using conn = await connect(at('ada', visit), visit.options)
      const shell = await conn.createProcess(undefined, { requestPty: true, termType: 'xterm', termSize: [80, 24] })
      await expect(shell, 'ada> ')
      // Typed with a mistake that is taken back, and completed by Tab.
      shell.stdin.write('hx\x7fe\t\r')
      await expect(shell, 'help passwd quit time')
      shell.stdin.write('passwd\r')
      await expect(shell, 'New password: ')
      shell.stdin.write('secret\r')
      const { before: shown } = await expect(shell, '6 characters')
      assert.doesNotMatch(shown, /secret/)
      shell.stdin.write('\x03')
      await expect(shell, 'no way out')
      shell.stdin.write('quit\r')
      assert.equal((await shell.wait()).exitStatus, 0)
    },
  },
  {
    name: 'server-bastion',
    args: (destination) => [destination],
    async check(visit) {
      await using gateway = await connect(at('ada', visit), visit.options)
      const [, inner = ''] = visit.inner.split(':')
      const stream = await gateway.openConnection('localhost', Number(inner))
      const [greeting] = await once(stream, 'data')
      assert.match(greeting.toString(), /^SSH-2\.0-/)
      stream.destroy()
      await assert.rejects(gateway.openConnection('example.com', 22), ChannelOpenError)
      await assert.rejects(gateway.run('true'), ChannelOpenError)
    },
  },
  {
    name: 'client-listen-reverse',
    async check(visit) {
      await runExample('server-connect-reverse', [`127.0.0.1:${visit.port}`], visit.where)
      await visit.ended
      assert.match(visit.output(), /\nstatus: all is well\n$/)
    },
  },
]
