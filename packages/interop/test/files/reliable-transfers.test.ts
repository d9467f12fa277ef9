/** Transfers that go on, replace in one step and check themselves, on servers that are killed, full or forbidding. */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import diagnostics from 'node:diagnostics_channel'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { SftpClient, SftpError, type SftpTransferOptions } from '@ssh/sdk'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { StdioChannel } from '../../../sftp/src/bin/stdio-channel.js'
import { seededRandom } from '../../../testkit/src/seeded-random.js'
import {
  canMount,
  connectTo,
  isRoot,
  lacks,
  mustRun,
  peer,
  startDropbear,
  startLibrary,
  startProftpd,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../../src/index.js'
import { describeLibrary, inFolder, theirServer, type Workbench } from '../libraries/workbench.js'

const size = 24 * 2 ** 20 + 4321
const content = Buffer.from(seededRandom('reliable').bytes(size))
const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
const whole = createHash('sha256').update(content).digest('hex')

let here: TemporaryFolder
beforeEach(() => {
  here = temporaryFolder()
  writeFileSync(join(here.path, 'source'), content)
})
afterEach(() => here.remove())

/** A client of a server that can be killed. */
interface Mortal {
  readonly sftp: SftpClient
  /** SIGKILL, to whatever holds the file open. */
  kill(): void | Promise<void>
  /** Once it was killed, or is not wanted any more. */
  done(): Promise<void>
}

interface MortalServer {
  /** A folder the server writes into. */
  readonly folder: string
  start(): Promise<Mortal>
  stop(): Promise<void>
}

async function sftpServerOnPipes(): Promise<MortalServer> {
  const folder = temporaryFolder()
  const start = async (): Promise<Mortal> => {
    const child = spawn(peer('sftp-server'), [], { stdio: ['pipe', 'pipe', 'inherit'] })
    const sftp = await SftpClient.start(new StdioChannel(child.stdout, child.stdin))
    return { sftp, kill: () => void child.kill('SIGKILL'), done: () => sftp.close() }
  }
  return { folder: folder.path, start, stop: async () => folder.remove() }
}

async function sshd(): Promise<MortalServer> {
  const server = await startSshd()
  const start = async (): Promise<Mortal> => {
    const conn = await connectTo(server)
    const { stdout } = await conn.run('echo $PPID')
    const sftp = await conn.startSftpClient()
    return { sftp, kill: () => void process.kill(Number(stdout), 'SIGKILL'), done: () => conn.close() }
  }
  return { folder: server.folder, start, stop: server.stop }
}

/** Resolves when a file has so many bytes, or `isOver` says that it never will. */
async function untilSize(path: string, bytes: number, isOver: () => boolean): Promise<void> {
  while (!isOver() && (statSync(path, { throwIfNoEntry: false })?.size ?? -1) < bytes) await nextTurn()
}

/** Kills the server when `watched` has so many bytes. @returns what the transfer failed with; undefined when it did not */
async function killAt(mortal: Mortal, watched: string, bytes: number, transfer: Promise<void>): Promise<unknown> {
  let isOver = false
  const outcome = transfer.then(
    () => undefined,
    (error: unknown) => error,
  )
  outcome.then(() => {
    isOver = true
  })
  await untilSize(watched, bytes, () => isOver)
  await mortal.kill()
  return outcome
}

/** R6. */
function describeKills(startServer: () => Promise<MortalServer>, rounds = 20): void {
  test(`R6: an upload that is killed at ${rounds} places goes on and is whole`, async () => {
    const server = await startServer()
    const random = seededRandom('upload')
    let killed = 0
    for (let round = 0; round < rounds; round++) {
      const there = join(server.folder, `up${round}`)
      const mortal = await server.start()
      const putting = mortal.sftp.put(join(here.path, 'source'), there, { resume: true, blockSize: 32768 })
      const failure = await killAt(mortal, there, random.integer(size), putting)
      await mortal.done()
      if (failure !== undefined) killed++
      if (failure !== undefined) expect(failure).toBeInstanceOf(SftpError)
      const next = await server.start()
      await next.sftp.put(join(here.path, 'source'), there, { resume: true })
      await next.done()
      expect(hash(there)).toBe(whole)
      rmSync(there)
    }
    await server.stop()
    expect(killed).toBeGreaterThan(rounds / 2)
  }, 120_000)

  test(`R6: a download that is killed at ${rounds} places goes on and is whole`, async () => {
    const server = await startServer()
    const random = seededRandom('download')
    const there = join(server.folder, 'file')
    writeFileSync(there, content)
    chmodSync(there, 0o644)
    let killed = 0
    for (let round = 0; round < rounds; round++) {
      const target = join(here.path, `down${round}`)
      const mortal = await server.start()
      const getting = mortal.sftp.get(there, target, { resume: true, blockSize: 32768 })
      const failure = await killAt(mortal, target, random.integer(size), getting)
      await mortal.done()
      if (failure !== undefined) killed++
      // Cut off where the first hole would be.
      const half = existsSync(target) ? readFileSync(target) : Buffer.alloc(0)
      expect(half.equals(content.subarray(0, half.length))).toBe(true)
      const next = await server.start()
      await next.sftp.get(there, target, { resume: true })
      await next.done()
      expect(hash(target)).toBe(whole)
    }
    await server.stop()
    expect(killed).toBeGreaterThan(rounds / 2)
  }, 120_000)

  test('R26: an atomic upload that is killed at 10 places leaves the old file or the new one', async () => {
    const server = await startServer()
    const random = seededRandom('atomic')
    const there = join(server.folder, 'file')
    let killed = 0
    for (let round = 0; round < 10; round++) {
      for (const name of readdirSync(server.folder)) rmSync(join(server.folder, name))
      const setUp = await server.start()
      await setUp.sftp.writeFile(there, 'old')
      const mortal = await server.start()
      const putting = mortal.sftp.put(join(here.path, 'source'), there, { atomic: true })
      const beside = () => readdirSync(server.folder).find((name) => name.endsWith('.tmp')) ?? 'none yet'
      let isOver = false
      const outcome = putting.then(
        () => undefined,
        (error: unknown) => error,
      )
      outcome.then(() => {
        isOver = true
      })
      const bytes = random.integer(size)
      while (!isOver && beside() === 'none yet') await nextTurn()
      await untilSize(join(server.folder, beside()), bytes, () => isOver)
      await mortal.kill()
      const failure = await outcome
      await mortal.done()
      if (failure !== undefined) killed++
      const found = readFileSync(there)
      expect(found.equals(content) || found.toString() === 'old').toBe(true)
      if (failure === undefined) expect(found.equals(content)).toBe(true)
      await setUp.done()
    }
    await server.stop()
    expect(killed).toBeGreaterThan(5)
  }, 120_000)
}

describe.skipIf(lacks('sftp-server'))("OpenSSH's sftp-server on pipes", () => {
  describeKills(sftpServerOnPipes)
})

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('sshd', () => {
  describeKills(sshd)
})

/** A client of sftp-server that is a process of its own: an upload or a download, from its arguments. */
const transferProgram = `
  import { spawn } from 'node:child_process'
  import { SftpClient } from '@ssh/sdk'
  import { StdioChannel } from ${JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../../sftp/src/bin/stdio-channel.ts')).href)}
  const [server, operation, from, to] = process.argv.slice(1)
  const child = spawn(server, [], { stdio: ['pipe', 'pipe', 'inherit'] })
  const sftp = await SftpClient.start(new StdioChannel(child.stdout, child.stdin))
  await sftp[operation](from, to, { resume: true, blockSize: 32768 })
  await sftp.close()
`

describe.skipIf(lacks('sftp-server'))('a client that is killed itself', () => {
  test.each(['put', 'get'] as const)(
    'at 5 places of %s is gone on for by the next one',
    async (operation) => {
      const random = seededRandom(`client ${operation}`)
      const server = await sftpServerOnPipes()
      const source = join(here.path, 'source')
      const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
      const node = ['--conditions=@ssh/source', '--import', loader, '--input-type=module', '--eval', transferProgram]
      let killed = 0
      for (let round = 0; round < 5; round++) {
        const target = join(server.folder, `${operation}${round}`)
        const argv = [...node, peer('sftp-server'), operation, source, target]
        const child = spawn(process.execPath, argv, { cwd: import.meta.dirname, stdio: 'inherit' })
        const ended = new Promise<boolean>((resolve) => child.once('exit', (_code, signal) => resolve(signal !== null)))
        let isOver = false
        ended.then(() => {
          isOver = true
        })
        await untilSize(target, random.integer(size), () => isOver)
        child.kill('SIGKILL')
        if (await ended) killed++
        const { sftp, done } = await server.start()
        await sftp[operation](source, target, { resume: true })
        await done()
        expect(hash(target)).toBe(whole)
      }
      await server.stop()
      expect(killed).toBeGreaterThan(1)
    },
    120_000,
  )
})

await describeLibrary('go', 'pkg/sftp, which works on many requests at once', (bench) => {
  const start = async (): Promise<MortalServer> => {
    const folder = inFolder(bench, `reliable${readdirSync(bench.folder.path).length}`)
    mkdirSync(folder)
    const startOne = async (): Promise<Mortal> => {
      const program = await startLibrary('go')
      if (program === undefined) throw new Error('Go was here a moment ago')
      const conn = await connectTo(await theirServer({ ...bench, peer: program }))
      const sftp = await conn.startSftpClient()
      const done = async (): Promise<void> => {
        await conn.close()
        await program.kill()
      }
      return { sftp, kill: () => program.kill(), done }
    }
    return { folder, start: startOne, stop: async () => {} }
  }
  // It has no fsync, which is done without.
  describeKills(start, 20)
})

/** Operations that a piece of work asks of servers. */
async function operationsOf(work: () => Promise<unknown>): Promise<string[]> {
  const operations: string[] = []
  const listen = (message: unknown): void => {
    if (typeof message === 'object' && message !== null && 'operation' in message) {
      operations.push(String(message.operation))
    }
  }
  diagnostics.subscribe('tracing:ssh:sftp-request:start', listen)
  try {
    await work()
  } finally {
    diagnostics.unsubscribe('tracing:ssh:sftp-request:start', listen)
  }
  return operations
}

/** Checks a copy each way, and says how it was checked. */
function testHashes(
  title: string,
  open: () => Promise<{ sftp: SftpClient; folder: string; stop(): Promise<void> }>,
  request: string,
) {
  test(`${title} hashes files for verify and resume, so that nothing is read again`, async () => {
    const { sftp, folder, stop } = await open()
    const there = join(folder, 'hashed')
    const source = join(here.path, 'source')
    const put = await operationsOf(() => sftp.put(source, there, { verify: true }))
    expect(put).toContain(request)
    expect(put).not.toContain('read')
    const target = join(here.path, 'target')
    const asked = await operationsOf(() => sftp.get(there, target, { verify: true }))
    expect(asked).toContain(request)
    expect(hash(target)).toBe(whole)
    await sftp.writeFile(there, content.subarray(0, 20_000_000))
    const resumed = await operationsOf(() => sftp.put(source, there, { resume: true }))
    expect(resumed).toContain(request)
    expect(resumed).not.toContain('read')
    expect(hash(there)).toBe(whole)
    await stop()
  }, 60_000)
}

describe.skipIf(lacks('proftpd', 'ssh-keygen'))('ProFTPD', () => {
  testHashes(
    'it',
    async () => {
      const server = await startProftpd()
      const conn = await connectTo(server)
      const stop = async (): Promise<void> => {
        await conn.close()
        await server.stop()
      }
      return { sftp: await conn.startSftpClient(), folder: server.folder, stop }
    },
    'check-file-handle',
  )
})

await describeLibrary('paramiko', 'Paramiko', (bench: Workbench) => {
  testHashes(
    'it',
    async () => {
      const conn = await connectTo(await theirServer(bench))
      const folder = inFolder(bench, 'hashes')
      mkdirSync(folder)
      return { sftp: await conn.startSftpClient(), folder, stop: () => conn.close() }
    },
    'check-file',
  )
})

describe.each([
  ['sshd', startSshd, ['sshd', 'sftp-server', 'ssh-keygen']],
  ['Dropbear', startDropbear, ['dropbear', 'sftp-server', 'ssh-keygen']],
  ['ProFTPD', startProftpd, ['proftpd', 'ssh-keygen']],
] as const)('options together on %s', (_name, startServer, programs) => {
  const combinations: SftpTransferOptions[] = [
    { atomic: true },
    { verify: true },
    { atomic: true, verify: true, preserve: true },
    { atomic: true, resume: true, verify: true },
    { resume: true, preserve: true },
  ]
  test.skipIf(lacks(...programs))(
    'keep trees whole, both ways, twice',
    async () => {
      await using server = await startServer()
      await using conn = await connectTo(server)
      await using sftp = await conn.startSftpClient()
      const tree = join(here.path, 'tree')
      mkdirSync(join(tree, 'sub'), { recursive: true })
      const files = { empty: 0, one: 1, 'sub/block': 32768, 'sub/more': 1_000_003 }
      for (const [name, length] of Object.entries(files)) writeFileSync(join(tree, name), content.subarray(0, length))
      for (const [index, options] of combinations.entries()) {
        const there = join(server.folder, `tree${index}`)
        const back = join(here.path, `back${index}`)
        for (let time = 0; time < 2; time++) {
          await sftp.put(tree, time === 0 ? there : server.folder, { ...options, recurse: true })
          if (time > 0) await sftp.rmtree(there)
          const from = time === 0 ? there : join(server.folder, 'tree')
          await sftp.get(from, time === 0 ? back : here.path, { ...options, recurse: true })
          for (const [name, length] of Object.entries(files)) {
            const path = join(time === 0 ? back : tree, name)
            expect(readFileSync(path).equals(content.subarray(0, length))).toBe(true)
          }
          expect((await sftp.listdir(join(from, 'sub'))).sort()).toEqual(['block', 'more'])
          expect(readdirSync(time === 0 ? back : tree).sort()).toEqual(['empty', 'one', 'sub'])
        }
      }
    },
    60_000,
  )
})

describe('R12: a full disk', () => {
  test.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))(
    'behind sshd keeps what fits, or nothing with atomic',
    async (context) => {
      if (!(await canMount())) return context.skip()
      await using server = await startSshd({ diskSize: '1m' })
      await using conn = await connectTo(server)
      await using sftp = await conn.startSftpClient()
      const there = join(server.folder, 'file')
      const failure = await sftp.put(join(here.path, 'source'), there).catch((error: unknown) => error)
      expect(failure).toMatchObject({
        code: expect.stringMatching(/^(ENOSPC|ERR_SFTP_FAILURE)$/),
        path: there,
        dstpath: there,
        details: { offset: expect.any(Number), written: expect.any(Number) },
      })
      const kept = await sftp.readFile(there)
      expect(kept.length).toBeLessThanOrEqual(2 ** 20)
      expect(failure).toMatchObject({ details: { written: kept.length } })
      expect(kept.equals(content.subarray(0, kept.length))).toBe(true)
      await sftp.writeFile(there, 'old')
      await expect(sftp.put(join(here.path, 'source'), there, { atomic: true })).rejects.toBeInstanceOf(SftpError)
      expect(await sftp.listdir(server.folder)).toEqual(['file'])
      expect(await sftp.readFile(there, { encoding: 'utf8' })).toBe('old')
    },
  )

  test.skipIf(lacks('sftp-server'))('on this machine says ENOSPC and where, and leaves nothing', async (context) => {
    const disk = join(here.path, 'disk')
    mkdirSync(disk)
    const isMounted = await mustRun(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk]).then(
      () => true,
      () => false,
    )
    if (!isMounted) return context.skip()
    const server = await sftpServerOnPipes()
    try {
      const { sftp, done } = await server.start()
      for (const options of [{}, { atomic: true }]) {
        writeFileSync(join(disk, 'other'), 'kept')
        await expect(sftp.get(join(here.path, 'source'), join(disk, 'file'), options)).rejects.toMatchObject({
          code: 'ENOSPC',
          srcpath: join(here.path, 'source'),
          dstpath: join(disk, 'file'),
          details: { offset: expect.any(Number), written: expect.any(Number) },
        })
        expect(readdirSync(disk)).toEqual(['other'])
      }
      await expect(sftp.get(join(here.path, 'source'), join(disk, 'file'), { resume: true })).rejects.toMatchObject({
        code: 'ENOSPC',
      })
      const kept = readFileSync(join(disk, 'file'))
      expect(kept.equals(content.subarray(0, kept.length))).toBe(true)
      expect(kept.length).toBeGreaterThan(500_000)
      await done()
    } finally {
      await server.stop()
      await mustRun(['umount', disk])
    }
  })
})

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('R13: folders of sshd that the user may not enter', () => {
  test('are told one by one, and all else comes and goes', async (context) => {
    // Only then is the user another one, whom modes keep out.
    if (!isRoot()) return context.skip()
    await using server = await startSshd()
    await using conn = await connectTo(server)
    await using sftp = await conn.startSftpClient()
    const tree = join(server.folder, 'tree')
    for (const name of ['closed', 'open', 'open/closed']) mkdirSync(join(tree, name), { recursive: true })
    for (const name of ['a', 'open/b', 'open/secret', 'open/closed/c']) writeFileSync(join(tree, name), name)
    for (const name of ['closed', 'open/closed', 'open/secret']) chmodSync(join(tree, name), 0o000)
    const got: SftpError[] = []
    const collect = (errors: SftpError[]) => (error: Error) => void (error instanceof SftpError && errors.push(error))
    await sftp.get(tree, join(here.path, 'tree'), { recurse: true, onError: collect(got) })
    expect(got.map(({ code, srcpath, dstpath }) => [code, srcpath, dstpath]).sort()).toEqual(
      ['closed', 'open/closed', 'open/secret'].map((name) => [
        'EACCES',
        join(tree, name),
        join(here.path, 'tree', name),
      ]),
    )
    expect(readFileSync(join(here.path, 'tree/open/b'), 'utf8')).toBe('open/b')
    const sent: SftpError[] = []
    // The same names the other way: the folder and the files in it are the server's root's.
    await sftp.put(join(here.path, 'tree'), server.folder, { recurse: true, onError: collect(sent) })
    expect(sent.map(({ code }) => code)).toEqual(sent.map(() => 'EACCES'))
    expect(sent.map(({ dstpath }) => dstpath).sort()).toEqual([join(tree, 'a'), join(tree, 'open/b')])
    await expect(sftp.get(tree, join(here.path, 'again'), { recurse: true })).rejects.toMatchObject({ code: 'EACCES' })
  })
})
