import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryHandler, SftpServer } from '@ssh/sftp'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ListenOptions, ServerProcess, SshClientConnection } from '../src/index.js'
import { embedded, parrot, userLine } from './embedded-server.js'
import { expectNothingLeftOpen } from './open-handles.js'

expectNothingLeftOpen()

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Somebody logged in to a server with these options. */
async function connected(options: Partial<ListenOptions>): Promise<SshClientConnection> {
  return (await embedded(options)).connect()
}

/** Somebody logged in by a key whose line in authorized_keys begins so. */
function restricted(restrictions: string, options: Partial<ListenOptions>): Promise<SshClientConnection> {
  return connected({ ...options, authorizedClientKeys: `${restrictions} ${userLine}` })
}

/** Tells what a process was given. */
function describeProcess(process: ServerProcess): void {
  const { command, originalCommand, subsystem, termType, termSize, info } = process
  const env = Object.fromEntries(process.env)
  process.stdout.write(
    JSON.stringify({ command, originalCommand, subsystem, termType, termSize, env, user: info.username }),
  )
  process.exit(0)
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-sdk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

describe('processFactory', () => {
  test('is told what runs for whom, with which variables and terminal', async () => {
    const conn = await connected({ processFactory: describeProcess })
    const plain = await conn.run('ls -l', { env: { LANG: 'C' } })
    expect(JSON.parse(plain.stdout)).toEqual({ command: 'ls -l', env: { LANG: 'C' }, user: 'tester' })
    const shell = await conn.createProcess(undefined, {
      requestPty: true,
      termType: 'vt100',
      termSize: [100, 30, 800, 600],
    })
    expect(JSON.parse((await shell.wait()).stdout)).toEqual({
      termType: 'vt100',
      termSize: { columns: 100, rows: 30, widthPixels: 800, heightPixels: 600 },
      env: {},
      user: 'tester',
    })
    const subsystem = await conn.createProcess(undefined, { subsystem: 'netconf' })
    expect(JSON.parse((await subsystem.wait()).stdout)).toMatchObject({ subsystem: 'netconf' })
  })

  test('sends all that was written before the exit', async () => {
    const data = randomBytes(8 * 1024 * 1024)
    const conn = await connected({
      processFactory: (process) => {
        process.stdout.write(data)
        process.stderr.write('the last word')
        process.exit(7)
      },
    })
    const result = await conn.run('x', { encoding: 'buffer' })
    expect(result.stdout.equals(data)).toBe(true)
    expect(result).toMatchObject({ exitStatus: 7, returncode: 7, stderr: Buffer.from('the last word') })
  })

  test('can end as if by a signal', async () => {
    const conn = await connected({
      processFactory: (process) => process.exitWithSignal('SIGSEGV', { coreDumped: true, message: 'oops', lang: 'en' }),
    })
    const remote = await conn.createProcess('x')
    expect(await remote.wait()).toMatchObject({
      exitStatus: null,
      exitSignal: { name: 'SEGV', coreDumped: true, message: 'oops', lang: 'en' },
      returncode: -11,
    })
    expect([remote.exitCode, remote.signalCode]).toEqual([null, 'SIGSEGV'])
  })

  test('hears of sizes, signals and breaks', async () => {
    const heard: unknown[] = []
    const conn = await connected({
      processFactory: (process) => {
        process.on('resize', (size) => heard.push(['resize', size.columns, size.rows, process.termSize?.columns]))
        process.on('break', (lengthMs) => heard.push(['break', lengthMs]))
        process.on('signal', (name) => {
          heard.push(['signal', name])
          process.exit(0)
        })
      },
    })
    const remote = await conn.createProcess(undefined, { requestPty: true })
    remote.resize(120, 40)
    expect(await remote.sendBreak(500)).toBe(true)
    remote.kill('SIGINT')
    expect(await remote.wait()).toMatchObject({ exitStatus: 0 })
    expect(heard).toEqual([
      ['resize', 120, 40, 120],
      ['break', 500],
      ['signal', 'SIGINT'],
    ])
  })

  test('that throws ends its session with status 1, and nothing else', async () => {
    const logged: unknown[] = []
    const conn = await connected({
      logger: { debug: () => {}, warn: ({ event, error }) => logged.push([event, (error as Error).message]) },
      processFactory: (process) => {
        if (process.command === 'good') return parrot(process)
        if (process.command === 'bad') throw new Error('a mistake')
        return Promise.reject(new Error('a late mistake'))
      },
    })
    const [good, bad, late] = await Promise.all([conn.run('good'), conn.run('bad'), conn.run('late')])
    expect([good, bad, late].map(({ exitStatus }) => exitStatus)).toEqual([0, 1, 1])
    expect(logged).toEqual([
      ['handler-failed', 'a mistake'],
      ['handler-failed', 'a late mistake'],
    ])
    expect((await conn.run('good')).exitStatus).toBe(0)
  })

  test('runs a local program, which is hung up on when the client goes away', async () => {
    const children: ChildProcess[] = []
    const { connect } = await embedded({
      processFactory: (process) => {
        const child = spawn(process.command ?? 'sh', { shell: '/bin/sh' })
        children.push(child)
        return process.redirect(child)
      },
    })
    const conn = await connect()
    expect(await conn.run('cat; echo oops >&2; exit 3', { input: 'hello' })).toMatchObject({
      stdout: 'hello',
      stderr: 'oops\n',
      exitStatus: 3,
    })
    expect(await conn.run('kill -9 $$')).toMatchObject({ exitSignal: { name: 'KILL' }, returncode: -9 })
    const remote = await conn.createProcess('exec sleep 1000')
    const child = children.at(-1)
    const exited = new Promise((resolve) => child?.once('exit', (code, signal) => resolve([code, signal])))
    conn.abort()
    expect(await exited).toEqual([null, 'SIGHUP'])
    await expect(remote.wait()).rejects.toBeInstanceOf(Error)
  })

  test('serves many sessions of a connection side by side', async () => {
    const conn = await connected({
      maxSessions: 8,
      processFactory: async (process) => {
        for await (const chunk of process.stdin) process.stdout.write(chunk)
        process.exit(0)
      },
    })
    const inputs = Array.from({ length: 8 }, (_, index) => randomBytes(200_000 + index))
    const remotes = await Promise.all(inputs.map(() => conn.createProcess('cat', { encoding: 'buffer' })))
    const results = await Promise.all(remotes.map((remote, index) => remote.communicate(inputs[index])))
    expect(results.every(({ stdout }, index) => inputs[index] && stdout.equals(inputs[index]))).toBe(true)
  })
})

describe('sessionFactory', () => {
  test('gets the streams, and the session ends with its promise', async () => {
    const conn = await connected({
      sessionFactory: async (stdin, stdout, stderr) => {
        for await (const chunk of stdin) stdout.write(String(chunk).toUpperCase())
        stderr.write('done')
      },
    })
    expect(await conn.run('x', { input: 'hello' })).toMatchObject({ stdout: 'HELLO', stderr: 'done', exitStatus: 0 })
  })

  test('without a promise, ends when its output is ended', async () => {
    const conn = await connected({ sessionFactory: (stdin, stdout) => stdin.pipe(stdout) })
    expect(await conn.run('x', { input: 'hello' })).toMatchObject({ stdout: 'hello', exitStatus: 0 })
  })

  test('that fails ends with status 1', async () => {
    const conn = await connected({ sessionFactory: () => Promise.reject(new Error('no')) })
    expect(await conn.run('x')).toMatchObject({ exitStatus: 1 })
  })

  test('comes after processFactory', async () => {
    const conn = await connected({ processFactory: parrot, sessionFactory: () => Promise.reject(new Error('no')) })
    expect(await conn.run('x')).toMatchObject({ exitStatus: 0 })
  })
})

describe('sessionRequested', () => {
  test('false refuses the session', async () => {
    const conn = await connected({ processFactory: parrot, serverFactory: () => ({ sessionRequested: () => false }) })
    await expect(conn.run('x')).rejects.toMatchObject({ name: 'ChannelOpenError' })
  })

  test('true leaves it to the options', async () => {
    const conn = await connected({ processFactory: parrot, serverFactory: () => ({ sessionRequested: () => true }) })
    expect((await conn.run('hello')).stdout).toBe('hello')
  })

  test('a handler takes it', async () => {
    const conn = await connected({
      processFactory: parrot,
      serverFactory: () => ({ sessionRequested: () => describeProcess }),
    })
    expect(JSON.parse((await conn.run('hello')).stdout)).toMatchObject({ command: 'hello' })
  })
})

describe('sftpFactory', () => {
  test('speaks the version of SFTP that both sides may, 3 unless they say more', async () => {
    const conn = await connected({ sftpFactory: () => new MemoryHandler(), sftpVersion: 5 })
    const versions: number[] = []
    for (const options of [{}, { sftpVersion: 4 }, { sftpVersion: 6 }] as const) {
      await using sftp = await conn.startSftpClient(options)
      versions.push(sftp.version)
    }
    expect(versions).toEqual([3, 4, 5])
    const wrong = { sftpVersion: 7 } as object
    await expect(conn.startSftpClient(wrong)).rejects.toMatchObject({ name: 'OptionsError' })
  })

  test('a folder is all there is to the client', async () => {
    const root = await temporaryFolder()
    await writeFile(join(root, 'note.txt'), 'hello')
    const conn = await connected({ sftpFactory: { root } })
    await using sftp = await conn.startSftpClient()
    expect(await sftp.listdir('/')).toEqual(['note.txt'])
    expect(await sftp.readFile('/../note.txt', { encoding: 'utf8' })).toBe('hello')
    expect(await sftp.exists(root)).toBe(false)
    await expect(conn.run('x')).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
  })

  test('a read-only folder stays as it is', async () => {
    const root = await temporaryFolder()
    await writeFile(join(root, 'note.txt'), 'hello')
    for (const sftpFactory of [{ root, readOnly: true }, () => ({ root, readOnly: true })]) {
      const conn = await connected({ sftpFactory })
      await using sftp = await conn.startSftpClient()
      await expect(sftp.writeFile('/note.txt', 'changed')).rejects.toMatchObject({ code: 'EACCES' })
      await expect(sftp.remove('/note.txt')).rejects.toMatchObject({ code: 'EACCES' })
      expect(await sftp.readFile('/note.txt', { encoding: 'utf8' })).toBe('hello')
    }
  })

  test('true serves the whole file system', async () => {
    const folder = await temporaryFolder()
    const conn = await connected({ sftpFactory: true })
    await using sftp = await conn.startSftpClient()
    await sftp.writeFile(`${folder}/note.txt`, 'hello')
    expect(await readFile(join(folder, 'note.txt'), 'utf8')).toBe('hello')
  })

  test('a function decides for each session, by who logged in', async () => {
    const conn = await connected({
      sftpFactory: async ({ username, connection }) => {
        await turn()
        const files = new MemoryHandler()
        files.mkdir(`/${username} by ${connection.info.authMethods}`, {})
        return files
      },
    })
    await using sftp = await conn.startSftpClient()
    expect(await sftp.listdir('/')).toEqual(['tester by publickey'])
  })

  test('a function that throws, or makes nonsense, ends its session only', async () => {
    const logged: string[] = []
    const made = [() => ({ rot: '/srv' }), () => Promise.reject(new Error('no home'))] as unknown as (() => object)[]
    const conn = await connected({
      processFactory: parrot,
      logger: { debug: () => {}, warn: ({ error }) => logged.push((error as Error).message) },
      sftpFactory: () => made.shift()?.() ?? {},
    })
    for (let session = 0; session < 2; session++) {
      await expect(conn.startSftpClient()).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
    }
    expect(logged).toEqual([
      'Invalid options for what sftpFactory made: unknown option "rot"; did you mean "root"?',
      'no home',
    ])
    expect((await conn.run('hello')).stdout).toBe('hello')
  })

  test('a session that ends well says so', async () => {
    const conn = await connected({ sftpFactory: true })
    const sftp = await conn.createProcess(undefined, { subsystem: 'sftp' })
    expect(await sftp.communicate()).toMatchObject({ exitStatus: 0, subsystem: 'sftp' })
  })

  test('nothing serves SFTP where it is not offered', async () => {
    for (const options of [{ processFactory: parrot }, { processFactory: parrot, sftpFactory: false }]) {
      const conn = await connected(options)
      await expect(conn.startSftpClient()).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED' })
    }
  })
})

describe('sshd_config', () => {
  async function configured(text: string, options: Partial<ListenOptions>): Promise<SshClientConnection> {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'sshd_config'), text)
    const userLookup = () => ({ uid: 1000, homeDirectory: folder, groups: [] })
    return connected({ ...options, config: join(folder, 'sshd_config'), userLookup })
  }

  test('says by Subsystem that files stay as they are', async () => {
    const root = await temporaryFolder()
    const conn = await configured('Subsystem sftp /usr/lib/openssh/sftp-server -R', { sftpFactory: { root } })
    await using sftp = await conn.startSftpClient()
    await expect(sftp.mkdir('/made')).rejects.toMatchObject({ code: 'EACCES' })
  })

  test('says by ForceCommand that files of a ChrootDirectory stay as they are', async () => {
    const root = await temporaryFolder()
    const text = `ChrootDirectory ${root}\nForceCommand internal-sftp -R`
    const conn = await configured(text, { sftpFactory: true })
    await using sftp = await conn.startSftpClient()
    expect(await sftp.listdir('/')).toEqual([])
    await expect(sftp.mkdir('/made')).rejects.toMatchObject({ code: 'EACCES' })
  })

  test('locks nobody in who is made to run a program', async () => {
    const root = await temporaryFolder()
    const processes: unknown[] = []
    const conn = await configured(`ChrootDirectory ${root}`, {
      sftpFactory: true,
      processFactory: (process) => void processes.push(process),
      serverFactory: (connection) => ({ authCompleted: () => connection.setOptions({ forcedCommand: 'backup' }) }),
    })
    await expect(conn.run('x')).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_OPEN_REFUSED' })
    expect(processes).toEqual([])
  })
})

describe('lines of authorized_keys', () => {
  test('a forced command replaces commands, shells and subsystems', async () => {
    const conn = await restricted('command="backup --all"', { processFactory: describeProcess, sftpFactory: true })
    const run = await conn.run('rm -rf /')
    expect(JSON.parse(run.stdout)).toMatchObject({ command: 'backup --all', originalCommand: 'rm -rf /' })
    for (const options of [{}, { subsystem: 'sftp' }]) {
      const remote = await conn.createProcess(undefined, options)
      expect(JSON.parse((await remote.wait()).stdout)).toMatchObject({ command: 'backup --all' })
    }
  })

  test('internal-sftp allows files and nothing else', async () => {
    const root = await temporaryFolder()
    const processes: unknown[] = []
    const conn = await restricted('command="internal-sftp"', {
      sftpFactory: { root },
      processFactory: (process) => void processes.push(process),
    })
    await using sftp = await conn.startSftpClient()
    expect(await sftp.listdir('/')).toEqual([])
    const shell = await conn.createProcess('rm -rf /')
    expect(await shell.communicate()).toMatchObject({ exitStatus: 0, stdout: '' })
    expect(processes).toEqual([])
  })

  test('internal-sftp is held to its options, and refused with those that nobody follows', async () => {
    const root = await temporaryFolder()
    await writeFile(join(root, 'note.txt'), 'hello')
    for (const sftpFactory of [{ root }, () => ({ root }), () => new SftpServer({ root })]) {
      const conn = await restricted('command="internal-sftp -f AUTH -R"', { sftpFactory })
      await using sftp = await conn.startSftpClient()
      await expect(sftp.writeFile('/note.txt', 'changed')).rejects.toMatchObject({ code: 'EACCES' })
      expect(await sftp.readFile('/note.txt', { encoding: 'utf8' })).toBe('hello')
    }
    const masked = await restricted('command="internal-sftp -u 0077 -d /below"', { sftpFactory: { root } })
    await using sftp = await masked.startSftpClient()
    await sftp.mkdir('/below')
    await sftp.writeFile('made', 'x')
    if (process.platform !== 'win32') expect((await stat(join(root, 'below', 'made'))).mode & 0o777).toBe(0o600)
    // A mask cannot be laid over a handler of somebody else's.
    const own = { sftpFactory: () => new SftpServer({ root }) }
    const unmasked = await restricted('command="internal-sftp -u 0077"', own)
    await expect(unmasked.startSftpClient().then((files) => files.mkdir('/made'))).rejects.toThrow()
    expect(existsSync(join(root, 'made'))).toBe(false)
    const refused = await restricted('command="internal-sftp -P write"', { sftpFactory: { root } })
    await expect(refused.startSftpClient()).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_OPEN_REFUSED' })
  })

  test('a forced command holds for scp too, whatever the client asks for', async () => {
    const root = await temporaryFolder()
    await writeFile(join(root, 'note.txt'), 'hello')
    const options = { sftpFactory: { root }, allowScp: true, processFactory: describeProcess }
    const run = async (line: string, command: string, input: string) => {
      const { stdout } = await (await restricted(line, options)).run(command, { input })
      return stdout
    }
    const upload = 'C0644 1 made\nx\0'
    // Another command, our SFTP server, and a read-only side of SCP: none of them takes a file.
    expect(JSON.parse(await run('command="backup"', 'scp -t .', upload))).toMatchObject({ command: 'backup' })
    expect(await run('command="internal-sftp -R"', 'scp -t .', '')).toBe('')
    expect(await run('command="scp -f note.txt"', 'scp -t .', '\0\0\0')).toBe('C0644 5 note.txt\nhello\0')
    expect(existsSync(join(root, 'made'))).toBe(false)
    expect(await run('command="scp -t into"', 'scp -f note.txt', upload)).toBe('\0\0\0')
    expect(existsSync(join(root, 'into'))).toBe(true)
  })

  test('variables of the line win over those of the client', async () => {
    const conn = await restricted('environment="ROLE=guest"', { processFactory: describeProcess })
    const { stdout } = await conn.run('x', { env: { ROLE: 'admin', LANG: 'C' } })
    expect(JSON.parse(stdout).env).toEqual({ ROLE: 'guest', LANG: 'C' })
  })

  test.each(['no-pty', 'restrict'])('%s means no terminal', async (restriction) => {
    const conn = await restricted(restriction, { processFactory: parrot })
    await expect(conn.run('x', { requestPty: true })).rejects.toMatchObject({
      code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED',
      details: { requestType: 'pty-req' },
    })
    expect((await conn.run('x')).stdout).toBe('x')
  })

  test('an address that the client does not come from lets nobody in', async () => {
    await expect(restricted('from="192.0.2.*"', { processFactory: parrot })).rejects.toMatchObject({
      name: 'PermissionDenied',
    })
  })
})

test('allowPty: false means no terminal for anybody', async () => {
  const conn = await connected({ processFactory: parrot, allowPty: false })
  await expect(conn.createProcess(undefined, { requestPty: true })).rejects.toMatchObject({
    code: 'ERR_SSH_CHANNEL_REQUEST_REFUSED',
  })
})
