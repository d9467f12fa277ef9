/** SFTP in versions 3 to 6 against others that speak them: AsyncSSH both ways, lftp as a client, ProFTPD as a server. */

import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, readlinkSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { accessFlags, accessMask, MemoryHandler, type SftpClient, SftpServer } from '@ssh/sdk'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connectTo, type LoginTarget, lacks, lftp, type SftpStep, startProftpd, startSdkServer } from '../src/index.js'
import { describeLibrary, inFolder, ourServer, theirClient, theirServer } from './libraries/workbench.js'

const versions = [3, 4, 5, 6] as const
type Version = (typeof versions)[number]

const big = randomBytes(8 * 2 ** 20 + 1)

/** What each version answers where a name is taken, and for a directory that is not empty. */
const taken = { 3: 4, 4: 11, 5: 11, 6: 11 } as const
const notEmpty = { 3: 4, 4: 4, 5: 4, 6: 18 } as const

await describeLibrary('asyncssh', 'AsyncSSH', (bench) => {
  describe.each(versions)('as a client, in version %d', (version) => {
    /** Serves a folder that has some files in it; what AsyncSSH's client finds and does there. */
    async function session(name: string) {
      const root = inFolder(bench, `client-${version}-${name}`)
      mkdirSync(root)
      writeFileSync(join(root, 'a'), 'hello')
      utimesSync(join(root, 'a'), 1_600_000_000.25, 1_500_000_000.5)
      class Named extends SftpServer {
        override formatUser = (uid: number): string => `user-${uid}`
        override formatGroup = (gid: number): string => `group-${gid}`
        override parseUser = (user: string): number | undefined =>
          user.startsWith('user-') ? Number(user.slice(5)) : undefined
        override parseGroup = (group: string): number | undefined =>
          group.startsWith('group-') ? Number(group.slice(6)) : undefined
      }
      const server = await ourServer(bench, { sftpFactory: () => new Named({ root }), sftpVersion: 6 })
      onTestFinished(() => server.close())
      const { connection } = await theirClient(bench, server)
      const run = async (...steps: readonly SftpStep[]) => {
        const { version: spoken, results } = await bench.peer.call('sftpCalls', { connection, version, steps })
        expect(spoken).toBe(version)
        return results
      }
      return { root, run }
    }

    test('finds files with their times, owners and types', async () => {
      const { root, run } = await session('stat')
      const { uid, gid } = statSync(join(root, 'a'))
      const results = await run(
        { method: 'stat', arguments: ['a'] },
        { method: 'lstat', arguments: ['a'] },
        { method: 'readdir', arguments: ['.'] },
        { method: 'open', arguments: ['a', 'r'], as: 'file' },
        { method: 'stat', on: 'file' },
      )
      const names = results[2]?.value as { filename: string; attrs: object }[]
      const listed = names.find(({ filename }) => filename === 'a')?.attrs
      expect(names.map(({ filename }) => filename).toSorted()).toEqual(['.', '..', 'a'])
      const seconds = { type: 1, size: 5, atime: 1_600_000_000, mtime: 1_500_000_000 }
      const later = {
        ...seconds,
        atime_ns: 250_000_000,
        mtime_ns: 500_000_000,
        owner: `user-${uid}`,
        group: `group-${gid}`,
      }
      const expected = { 3: { ...seconds, uid, gid }, 4: later, 5: later, 6: { ...later, nlink: 1 } }[version]
      for (const attrs of [results[0]?.value, results[1]?.value, listed, results[4]?.value]) {
        expect(attrs).toMatchObject(expected)
      }
    })

    test('sets times to the nanosecond that a double has, modes, sizes, and owners by name', async () => {
      const { root, run } = await session('setstat')
      const { uid, gid } = statSync(join(root, 'a'))
      const owner = version === 3 ? [uid, gid] : [null, null, `user-${uid}`, `group-${gid}`]
      const results = await run(
        { method: 'utime', arguments: ['a'], options: { ns: [1_650_000_000_500_000_000, 1_550_000_000_250_000_000] } },
        { method: 'chmod', arguments: ['a', 0o640] },
        { method: 'chown', arguments: ['a', ...owner] },
        { method: 'truncate', arguments: ['a', 3] },
        { method: 'utime', arguments: ['a'], options: { ns: [1_650_000_000_500_000_000, 1_550_000_000_250_000_000] } },
      )
      expect(results.map(({ error }) => error)).toEqual(Array.from(results, () => undefined))
      const { atimeMs, mtimeMs, mode, size } = statSync(join(root, 'a'))
      expect([atimeMs, mtimeMs]).toEqual(
        version === 3 ? [1_650_000_000_000, 1_550_000_000_000] : [1_650_000_000_500, 1_550_000_000_250],
      )
      expect([mode & 0o777, size]).toEqual([0o640, 3])
    })

    test.skipIf(version === 3)('is told of a user who does not exist', async () => {
      const { run } = await session('nobody')
      const [result] = await run({ method: 'chown', arguments: ['a', null, null, 'nobody-knows', 'me-neither'] })
      expect(result?.error).toBe({ 3: 0, 4: 4, 5: 16, 6: 29 }[version])
    })

    test('opens files in each way', async () => {
      const { root, run } = await session('open')
      const results = await run(
        { method: 'open', arguments: ['new', 'x'], as: 'new' },
        { method: 'write', on: 'new', arguments: ['one'] },
        { method: 'close', on: 'new' },
        { method: 'open', arguments: ['new', 'x'], as: 'again' },
        { method: 'open', arguments: ['new', 'a'], as: 'end' },
        { method: 'write', on: 'end', arguments: [' two'] },
        { method: 'close', on: 'end' },
        { method: 'open', arguments: ['new', 'r+'], as: 'both' },
        { method: 'read', on: 'both', arguments: [7, 0] },
        { method: 'write', on: 'both', arguments: ['ONE', 0] },
        { method: 'close', on: 'both' },
        { method: 'open', arguments: ['missing', 'r'], as: 'missing' },
        { method: 'open', arguments: ['a', 'w'], as: 'emptied' },
      )
      expect(results[3]?.error).toBe(taken[version])
      expect(results[8]?.value).toBe('one two')
      expect(results[11]?.error).toBe(2)
      expect(readFileSync(join(root, 'new'), 'utf8')).toBe('ONE two')
      expect(statSync(join(root, 'a')).size).toBe(0)
    })

    test.skipIf(version < 5)('opens files by rights', async () => {
      const { root, run } = await session('open56')
      const { readData, writeData, appendData } = accessMask
      const { createNew, openExisting, truncateExisting, blockWrite } = accessFlags
      const results = await run(
        { method: 'open56', arguments: ['new', writeData, createNew], as: 'new' },
        { method: 'write', on: 'new', arguments: ['one'] },
        { method: 'open56', arguments: ['new', writeData, createNew], as: 'again' },
        { method: 'open56', arguments: ['new', appendData, openExisting | accessFlags.appendData], as: 'end' },
        { method: 'write', on: 'end', arguments: [' two', 0] },
        { method: 'open56', arguments: ['a', readData | writeData, truncateExisting], as: 'emptied' },
        { method: 'open56', arguments: ['a', readData, openExisting | blockWrite], as: 'locked' },
      )
      expect(results.map(({ error }) => error)).toEqual([undefined, undefined, 11, undefined, undefined, undefined, 8])
      expect(readFileSync(join(root, 'new'), 'utf8')).toBe('one two')
      expect(statSync(join(root, 'a')).size).toBe(0)
    })

    test('renames over a file only when asked to, makes links of both kinds, and follows paths', async () => {
      const { root, run } = await session('names')
      writeFileSync(join(root, 'b'), 'old')
      const results = await run(
        { method: 'rename', arguments: ['a', 'b'] },
        { method: 'rename', arguments: ['a', 'b'], options: { flags: 1 } },
        { method: 'posix_rename', arguments: ['b', 'a'] },
        { method: 'symlink', arguments: ['to/there', 'soft'] },
        { method: 'readlink', arguments: ['soft'] },
        { method: 'link', arguments: ['a', 'hard'] },
        { method: 'mkdir', arguments: ['d'] },
        { method: 'realpath', arguments: ['d', '../a'] },
        { method: 'realpath', arguments: ['d'], options: { check: 3 } },
        { method: 'realpath', arguments: ['none'], options: { check: 3 } },
        { method: 'realpath', arguments: ['none'], options: { check: 2 } },
      )
      expect(results[0]?.error).toBe(taken[version])
      expect(results.slice(1, 9).map(({ error }) => error)).toEqual(Array(8).fill(undefined))
      expect(readFileSync(join(root, 'a'), 'utf8')).toBe('hello')
      expect(results[4]?.value).toBe('to/there')
      expect(readlinkSync(join(root, 'soft'))).toBe('to/there')
      expect(statSync(join(root, 'hard')).nlink).toBe(2)
      expect(results[7]?.value).toBe('/a')
      expect(results[8]?.value).toMatchObject({ filename: '/d', attrs: { type: 2 } })
      expect(results[9]?.error).toBe(2)
      expect(results[10]?.value).toMatchObject({ filename: '/none' })
    })

    test('is told what went wrong in the words of the version', async () => {
      const { root, run } = await session('errors')
      mkdirSync(join(root, 'full'))
      writeFileSync(join(root, 'full', 'x'), '')
      const results = await run(
        { method: 'mkdir', arguments: ['full'] },
        { method: 'rmdir', arguments: ['full'] },
        { method: 'stat', arguments: ['a/b'] },
        { method: 'stat', arguments: ['none'] },
        { method: 'open', arguments: ['full', 'w'], as: 'directory' },
        { method: 'readlink', arguments: ['a'] },
      )
      expect(results.map(({ error }) => error)).toEqual([
        taken[version],
        notEmpty[version],
        version === 6 ? 19 : 2,
        2,
        version === 6 ? 24 : 4,
        version === 6 ? 23 : 5,
      ])
    })

    test('sends and fetches a big file', async () => {
      const { root, run } = await session('big')
      const local = inFolder(bench, `client-${version}-local`)
      writeFileSync(local, big)
      const results = await run(
        { method: 'put', arguments: [local, 'big'] },
        { method: 'get', arguments: ['big', `${local}-back`], options: { preserve: true } },
      )
      expect(results.map(({ error }) => error)).toEqual([undefined, undefined])
      expect(readFileSync(join(root, 'big')).equals(big)).toBe(true)
      expect(readFileSync(`${local}-back`).equals(big)).toBe(true)
    })

    test('locks ranges of files, in version 6', async () => {
      const handler = new MemoryHandler()
      const server = await ourServer(bench, { sftpFactory: () => handler, sftpVersion: 6 })
      onTestFinished(() => server.close())
      const { connection } = await theirClient(bench, server)
      const { results } = await bench.peer.call('sftpCalls', {
        connection,
        version,
        steps: [
          { method: 'open', arguments: ['a', 'w+'], as: 'one' },
          { method: 'open', arguments: ['a', 'r+'], as: 'two' },
          { method: 'write', on: 'one', arguments: ['0123456789', 0] },
          { method: 'lock', on: 'one', arguments: [2, 3, 0xc0] },
          { method: 'lock', on: 'two', arguments: [4, 1, 0xc0] },
          { method: 'read', on: 'two', arguments: [3, 1] },
          { method: 'read', on: 'two', arguments: [2, 0] },
          { method: 'unlock', on: 'two', arguments: [2, 3] },
          { method: 'unlock', on: 'one', arguments: [2, 3] },
          { method: 'lock', on: 'two', arguments: [4, 1, 0xc0] },
        ],
      })
      if (version < 6) return expect(results[3]?.error).toBe(8)
      expect(results.map(({ error }) => error)).toEqual([
        undefined,
        undefined,
        undefined,
        undefined,
        25,
        25,
        undefined,
        31,
        undefined,
        undefined,
      ])
      expect(results[6]?.value).toBe('01')
    })
  })

  describe.each(versions)('as a server, in version %d', (version) => {
    async function session(name: string) {
      const folder = inFolder(bench, `server-${version}-${name}`)
      mkdirSync(folder)
      const server = await theirServer(bench, { sftpVersion: version, sftpLocks: true })
      const sftp = await clientOf(server, version)
      await sftp.chdir(folder)
      return { sftp, folder, server }
    }

    test('tells who it is and what it can do', async () => {
      const { sftp } = await session('announced')
      expect(sftp.version).toBe(version)
      expect(sftp.announcements).toMatchObject({ newline: '\n', vendor: { productName: 'AsyncSSH' } })
      const supported = { attributeMask: 0x1ad, openFlags: 0xf, accessMask: 0x187, maxReadSize: 4 * 2 ** 20 }
      if (version >= 5) expect(sftp.announcements.supported).toMatchObject(supported)
      else expect(sftp.announcements.supported).toBeUndefined()
    })

    testsOfOurClient(version, session)

    test('keeps owners by name from version 4 on', async () => {
      const { sftp } = await session('owners')
      await sftp.writeFile('a', '')
      const { username } = userInfo()
      const stats = await sftp.stat('a')
      if (version === 3) {
        expect(stats.uid).toBe(userInfo().uid)
        return
      }
      expect(stats.owner).toBe(username)
      await sftp.chown('a', username, stats.group ?? '')
      await expect(sftp.chown('a', 'nobody-knows', 'x')).rejects.toMatchObject({
        code: { 4: 'ERR_SFTP_FAILURE', 5: 'ERR_SFTP_FAILURE', 6: 'ERR_SFTP_OWNER_INVALID' }[version],
      })
    })

    test.skipIf(version < 6)('locks ranges', async () => {
      const { sftp, server, folder } = await session('locks')
      await sftp.writeFile('a', '0123456789')
      const other = await clientOf(server, version)
      await using one = await sftp.open('a', 'r+')
      await using two = await other.open(join(folder, 'a'), 'r+')
      await one.lock(2, 3)
      await expect(two.lock(4, 0)).rejects.toMatchObject({ code: 'ERR_SFTP_LOCK_CONFLICT', status: 25 })
      await expect(two.unlock(2, 3)).rejects.toMatchObject({ code: 'ERR_SFTP_NO_MATCHING_LOCK', status: 31 })
      await one.unlock(2, 3)
      await two.lock(4, 0)
    })

    test.skipIf(version < 6)('answers canonical paths with attributes', async () => {
      const { sftp, folder } = await session('realpath')
      await sftp.makedirs('d/e')
      await sftp.writeFile('d/f', 'four')
      expect(await sftp.realpathStat('d', { compose: ['e', '../f'] })).toMatchObject({
        path: join(folder, 'd', 'f'),
        attrs: { size: 4, type: 'file' },
      })
      expect(await sftp.realpathStat('none')).toEqual({ path: join(folder, 'none'), attrs: undefined })
      await expect(sftp.realpathStat('none', { check: 'always' })).rejects.toMatchObject({ code: 'ENOENT' })
    })
  })
})

describe.skipIf(lacks('proftpd', 'ssh-keygen'))('ProFTPD', () => {
  describe.each(versions)('as a server, in version %d', (version) => {
    async function session() {
      const server = await startProftpd()
      onTestFinished(() => server.stop())
      const sftp = await clientOf(server, version)
      await sftp.chdir(server.folder)
      return { sftp, folder: server.folder }
    }

    test('is met at the version that was offered, and tells which it knows', async () => {
      const { sftp } = await session()
      expect(sftp.version).toBe(version)
      expect(sftp.announcements.versions).toEqual([2, 3, 4, 5, 6])
      expect(sftp.announcements.supported?.extensions.includes('copy-file') ?? false).toBe(version > 4)
    })

    testsOfOurClient(version, session, {
      keepsNanoseconds: false,
      keepsTargets: false,
      tellsLinks: false,
      setsBothTimes: version === 3,
    })
  })
})

describe.skipIf(lacks('lftp', 'ssh', 'ssh-keygen'))('lftp', () => {
  test.each(versions)(
    'in version %d stores, lists, renames, removes and fetches what our server has',
    async (version) => {
      await using server = await startSdkServer({ sftpVersion: 6 })
      const at = (...names: readonly string[]): string => join(server.folder, ...names)
      const local = mkdirIn(server.folder, 'local')
      const remote = mkdirIn(server.folder, 'remote')
      writeFileSync(join(local, 'big'), big)
      utimesSync(join(local, 'big'), 1_500_000_000, 1_500_000_000)
      const result = await lftp(
        server,
        [
          `cd ${remote}`,
          `lcd ${local}`,
          'put big',
          'get big -o back',
          'mkdir -p d/e',
          'put big -o d/small',
          'chmod 640 d/small',
          'mv d/small d/e/moved',
          'ln -s d/e/moved soft',
          'cls -l',
          'mirror d mirrored',
          'rm big',
          'rm -r d/e',
          'rmdir d',
        ],
        { settings: { 'sftp:protocol-version': version } },
      )
      expect(result).toMatchObject({ status: 0 })
      expect(readFileSync(at('local', 'back')).equals(big)).toBe(true)
      expect(readFileSync(at('local', 'mirrored', 'e', 'moved')).equals(big)).toBe(true)
      expect(statSync(at('local', 'back')).mtimeMs).toBe(1_500_000_000_000)
      expect(readlinkSync(at('remote', 'soft'))).toBe('d/e/moved')
      expect(result.stdout.toString()).toMatch(/big/)
    },
  )
})

/** A client of ours on a connection that ends with the test. */
async function clientOf(server: LoginTarget, sftpVersion: Version): Promise<SftpClient> {
  const conn = await connectTo(server)
  onTestFinished(() => conn.close())
  return conn.startSftpClient({ sftpVersion })
}

function mkdirIn(folder: string, name: string): string {
  const path = join(folder, name)
  mkdirSync(path)
  return path
}

interface ServerTraits {
  /** It tells and sets parts of a second where the version has them. Default true. */
  readonly keepsNanoseconds?: boolean
  /** It stores and tells targets of symbolic links as they are given. Default true. */
  readonly keepsTargets?: boolean
  /** Its LSTAT follows no link. Default true. */
  readonly tellsLinks?: boolean
  /** It sets the time of access as well as that of change when both are given. Default true. */
  readonly setsBothTimes?: boolean
}

/** What every server that speaks a version gives our client, whose directory is empty. */
function testsOfOurClient(
  version: Version,
  session: (name: string) => Promise<{ sftp: SftpClient; folder: string }>,
  { keepsNanoseconds = true, keepsTargets = true, tellsLinks = true, setsBothTimes = true }: ServerTraits = {},
): void {
  test('lists and tells of files: types, sizes, times', async () => {
    const { sftp, folder } = await session('list')
    writeFileSync(join(folder, 'a'), 'hello')
    utimesSync(join(folder, 'a'), 1_600_000_000.25, 1_500_000_000.5)
    await sftp.mkdir('d')
    await sftp.symlink('a', 's')
    const entries = await sftp.readdir()
    const types = entries.map(({ name, attrs }) => [name, attrs.type])
    expect(types.toSorted()).toEqual([
      ['a', 'file'],
      ['d', 'directory'],
      ['s', 'symlink'],
    ])
    expect(entries.every(({ longName }) => (longName === undefined) === version > 3)).toBe(true)
    const listed = entries.find(({ name }) => name === 'a')?.attrs
    const seconds = { type: 'file', size: 5, atime: 1_600_000_000, mtime: 1_500_000_000 }
    const exact = { ...seconds, atimeNs: 250_000_000, mtimeNs: 500_000_000 }
    await using file = await sftp.open('a')
    for (const attrs of [
      await sftp.stat('a'),
      await sftp.lstat('a'),
      await sftp.stat('s'),
      listed,
      await file.stat(),
    ]) {
      expect(attrs).toMatchObject(version > 3 && keepsNanoseconds ? exact : seconds)
      expect(attrs?.isFile()).toBe(true)
    }
    if (tellsLinks) expect((await sftp.lstat('s')).isSymbolicLink()).toBe(true)
  })

  test('sets times, modes and sizes', async () => {
    const { sftp, folder } = await session('setstat')
    await sftp.writeFile('a', 'hello')
    await sftp.chmod('a', 0o640)
    await sftp.truncate('a', 3)
    await sftp.utime('a', 1_650_000_000_500_000_000n, 1_550_000_000_250_000_000n)
    const { atimeMs, mtimeMs, mode, size } = statSync(join(folder, 'a'))
    const parts = version > 3 && keepsNanoseconds ? [500, 250] : [0, 0]
    expect(mtimeMs - 1_550_000_000_000).toBe(parts[1])
    if (setsBothTimes) expect(atimeMs - 1_650_000_000_000).toBe(parts[0])
    expect([mode & 0o777, size]).toEqual([0o640, 3])
  })

  test('opens files in each way', async () => {
    const { sftp } = await session('open')
    await sftp.writeFile('a', 'one', { flags: 'wx' })
    await expect(sftp.open('a', 'wx')).rejects.toThrow()
    await sftp.appendFile('a', ' two')
    {
      await using file = await sftp.open('a', 'r+')
      await file.write('ONE', 0)
    }
    expect(await sftp.readFile('a', { encoding: 'utf8' })).toBe('ONE two')
    await sftp.writeFile('a', '')
    expect(await sftp.getSize('a')).toBe(0)
    await expect(sftp.open('missing')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('renames, over a file only when asked to, and makes links', async () => {
    const { sftp, folder } = await session('names')
    await sftp.writeFile('a', 'new')
    await sftp.writeFile('b', 'old')
    await sftp.rename('a', 'b', { overwrite: true })
    expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('new')
    await sftp.writeFile('a', 'newer')
    await sftp.posixRename('a', 'b')
    expect(readFileSync(join(folder, 'b'), 'utf8')).toBe('newer')
    await sftp.rename('b', 'c')
    await sftp.symlink('to/there', 'soft')
    const target = keepsTargets ? /^to\/there$/ : /to\/there$/
    expect(await sftp.readlink('soft')).toMatch(target)
    expect(readlinkSync(join(folder, 'soft'))).toMatch(target)
    await sftp.link('c', 'hard')
    expect(statSync(join(folder, 'hard')).nlink).toBe(2)
    await sftp.mkdir('d')
    expect(await sftp.realpath('.', { compose: ['d', '../hard'] })).toBe(join(folder, 'hard'))
  })

  test('sends and fetches a big file', async () => {
    const { sftp, folder } = await session('big')
    await sftp.put(big, 'big')
    expect(readFileSync(join(folder, 'big')).equals(big)).toBe(true)
    expect((await sftp.readFile('big')).equals(big)).toBe(true)
  })

  test('tells what went wrong', async () => {
    const { sftp, folder } = await session('errors')
    mkdirSync(join(folder, 'full'))
    writeFileSync(join(folder, 'full', 'x'), '')
    await expect(sftp.stat('none')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(sftp.rmdir('full')).rejects.toMatchObject({
      code: expect.stringMatching(version === 6 ? /^ENOTEMPTY$/ : /^(ENOTEMPTY|ERR_SFTP_FAILURE)$/),
    })
    const taken = version === 3 ? /^(EEXIST|ERR_SFTP_FAILURE)$/ : /^EEXIST$/
    await expect(sftp.mkdir('full')).rejects.toMatchObject({ code: expect.stringMatching(taken) })
  })
}
