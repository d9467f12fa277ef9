/**
 * Every call of our SFTP client, against one server after the other. What a server lacks is named by its traits, and is
 * expected to be a typed error.
 */

import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openFlags, type SftpClient, SftpError, type SftpProgress } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TemporaryFolder, temporaryFolder } from '../../src/index.js'
import { describeTree, hashOf, makeTree } from './trees.js'

/** A server with files. */
export interface FileServer {
  /** Starts a session; there may be several at a time. */
  start(): Promise<SftpClient>
  /** An empty folder, as the server names it. */
  readonly folder: string
  stop(): Promise<void>
}

/** What a server does otherwise than OpenSSH's. */
export interface FileServerTraits {
  /** Its files are not in this machine's file system. */
  readonly isElsewhere?: boolean
  /** Operations beyond the draft that it does not know. */
  readonly lacks?: readonly Extra[]
  /** READLINK makes targets absolute. */
  readonly resolvesLinks?: boolean
  /** LSTAT follows links that lead somewhere; a listing tells them all the same. */
  readonly followsInLstat?: boolean
  /** RENAME replaces what is there, which version 3 forbids. */
  readonly renameReplaces?: boolean
  /** Modes and times that are set are kept, of folders too. Default true. */
  readonly keepsAttributes?: boolean
  /** Access times are told; else it tells modification times in their place. Default true. */
  readonly tellsAccessTimes?: boolean
  /** Answers home-directory with a packet that is none, which ends the session. */
  readonly breaksOverHomes?: boolean
  /** RMDIR removes files too. */
  readonly mixesUpRemovals?: boolean
  /** Names may be any bytes. Default true. */
  readonly takesAnyName?: boolean
  /** A file whose size is set keeps nothing of what was in it. */
  readonly truncationErases?: boolean
  /** Size of the large file. Default 64 MiB and one byte. */
  readonly largeSize?: number
}

/** Operations beyond the draft. */
export const extras = [
  ...(['posixRename', 'link', 'statvfs', 'fstatvfs', 'sync', 'lsetstat', 'limits', 'copyData'] as const),
  ...(['expandPath', 'homeDirectory', 'usersGroupsById'] as const),
]
export type Extra = (typeof extras)[number]

const largest = 64 * 2 ** 20 + 1
const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')
/** Servers of version 3 have one status for all of these. */
const inTheWay = { code: expect.stringMatching(/^(?:ERR_SFTP_FAILURE|EEXIST|ENOTEMPTY|EISDIR|ENOTDIR|EACCES)$/) }

/** What is made once for all servers of a test file: it takes longer than what is done with it. */
const shared = temporaryFolder()
const many = join(shared.path, 'many')
const manyNames = Array.from({ length: 5000 }, (_, n) => `file number ${n}`).sort()
mkdirSync(many)
for (const name of manyNames) writeFileSync(join(many, name), '')
afterAll(() => shared.remove())

export function describeClientFiles(startServer: () => Promise<FileServer>, traits: FileServerTraits = {}): void {
  const { isElsewhere = false, lacks = [], keepsAttributes = true, takesAnyName = true } = traits
  const { resolvesLinks = false, followsInLstat = false, renameReplaces = false, mixesUpRemovals = false } = traits
  const {
    truncationErases = false,
    breaksOverHomes = false,
    tellsAccessTimes = true,
    largeSize: size = largest,
  } = traits
  const expectedAtime = tellsAccessTimes ? 1_000_000_000 : 1_234_567_890
  const has = (extra: Extra): boolean => !lacks.includes(extra)
  let server: FileServer
  let sftp: SftpClient
  let here: TemporaryFolder
  const at = (...names: readonly string[]): string => join(server.folder, ...names)
  const local = (...names: readonly string[]): string => join(here.path, ...names)
  /** What is in a file there, seen without the session under test where that can be. */
  const content = async (path: string): Promise<Buffer> =>
    isElsewhere ? sftp.readFile(path) : readFileSync(bytesOf(path))
  const text = async (path: string): Promise<string> => (await content(path)).toString()
  const names = async (path: string): Promise<string[]> =>
    (isElsewhere ? await sftp.listdir(path) : readdirSync(path)).sort()
  /** The call works where the server has it, and says ENOTSUP where not. @returns whether the server has it */
  const whereKnown = async (extra: Extra, call: Promise<unknown>): Promise<boolean> => {
    if (has(extra)) await call
    else await expect(call).rejects.toMatchObject({ code: 'ENOTSUP' })
    return has(extra)
  }

  beforeAll(async () => {
    here = temporaryFolder()
    writeFileSync(local('big'), randomBytes(size))
    server = await startServer()
    sftp = await server.start()
  })
  afterAll(async () => {
    await sftp?.close()
    await server?.stop()
    here?.remove()
  })

  describe('files', () => {
    test('of 64 MiB are the same after put and get', async () => {
      const events: SftpProgress[] = []
      const progress = (event: SftpProgress) => void events.push(event)
      await sftp.put(local('big'), at('big'), { progress })
      if (!isElsewhere) expect(hashOf(at('big'))).toBe(hashOf(local('big')))
      await sftp.get(at('big'), local('big back'), { progress })
      expect(hashOf(local('big back'))).toBe(hashOf(local('big')))
      expect(events.at(-1)).toMatchObject({ transferred: size, total: size, bytes: { done: size, total: size } })
      expect(await sftp.getSize(at('big'))).toBe(size)
      await sftp.remove(at('big'))
    })

    test('of any size come and go whole, the boundaries of a block included', async () => {
      for (const length of [0, 1, 32_767, 32_768, 32_769, 65_537, 261_120, 262_145, 1_000_003]) {
        const data = randomBytes(length)
        await sftp.put(here.write(`size ${length}`, data), at(`size ${length}`))
        expect((await content(at(`size ${length}`))).equals(data)).toBe(true)
        await sftp.get(at(`size ${length}`), local('size back'))
        expect(readFileSync(local('size back')).equals(data)).toBe(true)
        expect((await sftp.readFile(at(`size ${length}`))).equals(data)).toBe(true)
      }
    })

    test('may have any name', async () => {
      const given = [' with blanks ', 'grün – жук – 木', '-rf', "it's", 'a\\b', 'new\nline', '*?[x]', 'x'.repeat(255)]
      // Bytes of Latin-1, and half a character of UTF-8.
      if (takesAnyName) given.push('gr\udcfcn', '\udce6\udc9c', '\udcff')
      await sftp.mkdir(at('names'))
      for (const name of given) {
        await sftp.writeFile(at('names', name), name)
        expect(await text(at('names', name))).toBe(Buffer.from(name).toString())
        expect(await sftp.readFile(at('names', name), { encoding: 'utf8' })).toBe(Buffer.from(name).toString())
        expect((await sftp.stat(at('names', name))).isFile()).toBe(true)
      }
      expect((await sftp.listdir(at('names'))).sort()).toEqual(given.toSorted())
      expect((await sftp.glob(`${at('names')}/*`)).map((path) => basename(path)).sort()).toEqual(given.toSorted())
      // Never written below a local folder: elsewhere it would part names.
      await sftp.remove(at('names', given.splice(given.indexOf('a\\b'), 1)[0] ?? ''))
      await sftp.get(at('names'), local('names'), { recurse: true })
      expect(readdirSync(local('names'), { encoding: 'buffer' }).map(String).sort()).toEqual(
        given.map((name) => String(bytesOf(name))).sort(),
      )
      await sftp.put(local('names'), at('names again'), { recurse: true })
      expect((await sftp.listdir(at('names again'))).sort()).toEqual(given.toSorted())
      for (const name of given.slice(1)) await sftp.rename(at('names', name), at('names', `${name.slice(0, 9)}2`))
      await sftp.rmtree(at('names'))
      expect(await names(at())).not.toContain('names')
    })

    test('are opened in every way', async () => {
      const path = at('opened')
      await expect(sftp.open(path, 'r')).rejects.toMatchObject({ code: 'ENOENT', path })
      await expect(sftp.open(path, 'r+')).rejects.toMatchObject({ code: 'ENOENT', path })
      const opened = async (flags: Parameters<SftpClient['open']>[1], data: string): Promise<string> => {
        await using file = await sftp.open(path, flags)
        await file.write(data)
        return text(path)
      }
      expect(await opened('wx', 'one')).toBe('one')
      await expect(sftp.open(path, 'wx')).rejects.toMatchObject(inTheWay)
      expect(await opened('r+', 'T')).toBe('Tne')
      expect(await opened('a', ' two')).toBe('Tne two')
      expect(await opened('w', 'three')).toBe('three')
      expect(await opened(openFlags.write | openFlags.create, 'TH')).toBe('THree')
      await using both = await sftp.open(path, 'w+')
      await both.write('both')
      expect(String(await both.read(4, 0))).toBe('both')
    })

    test('are read and written at any place, in any order', async () => {
      const model = randomBytes(700_000)
      const path = at('places')
      await sftp.writeFile(path, model)
      const places = Array.from({ length: 64 }, (_, n) => ({ start: n * 10_900, data: randomBytes(1 + n * 170) }))
      await using file = await sftp.open(path, 'r+')
      await Promise.all(places.map(({ start, data }) => file.write(data, start)))
      for (const { start, data } of places) data.copy(model, start)
      const parts = await Promise.all(places.map(({ start, data }) => file.read(data.length + 50, start)))
      parts.forEach((part, n) => {
        const { start = 0, data = Buffer.alloc(0) } = places[n] ?? {}
        expect(part.equals(model.subarray(start, start + data.length + 50))).toBe(true)
      })
      expect((await content(path)).equals(model)).toBe(true)
      expect(await file.read(100, model.length)).toHaveLength(0)
      expect(await file.read(100, model.length - 1)).toHaveLength(1)
      expect(await file.seek(-5, 'end')).toBe(model.length - 5)
      expect((await file.read()).equals(model.subarray(-5))).toBe(true)
      expect(await file.tell()).toBe(model.length)
      expect(await file.seek(10)).toBe(10)
      expect((await file.read(10)).equals(model.subarray(10, 20))).toBe(true)
      expect((await file.readFile()).equals(model)).toBe(true)
    })

    test('are written to at their end', async () => {
      const path = at('appended')
      await sftp.appendFile(path, 'a')
      await sftp.appendFile(path, 'b')
      await using file = await sftp.open(path, 'a+')
      await file.write('c'.repeat(100_000))
      await file.write('d')
      expect(await text(path)).toBe(`ab${'c'.repeat(100_000)}d`)
      expect(await file.tell()).toBe(100_003)
      expect(String(await file.read(3, 0))).toBe('abc')
    })

    test('are read and written as streams', async () => {
      const data = randomBytes(1_000_000)
      await pipeline(
        Readable.from([data.subarray(0, 500_000), data.subarray(500_000)]),
        sftp.createWriteStream(at('s')),
      )
      expect((await content(at('s'))).equals(data)).toBe(true)
      const all = await sftp.createReadStream(at('s')).toArray()
      expect(Buffer.concat(all).equals(data)).toBe(true)
      const part = await sftp.createReadStream(at('s'), { start: 1000, end: 99_999 }).toArray()
      expect(Buffer.concat(part).equals(data.subarray(1000, 100_000))).toBe(true)
      await sftp.put(Readable.from([data.subarray(7)]), at('s2'))
      const received: Buffer[] = []
      const into = new Writable({
        write(chunk: Buffer, _, done) {
          received.push(chunk)
          done()
        },
      })
      await sftp.get(at('s2'), into)
      expect(Buffer.concat(received).equals(data.subarray(7))).toBe(true)
    })

    test('have a size, a mode, times and an owner, which can be changed by path', async () => {
      const path = at('facts')
      await sftp.writeFile(path, 'x'.repeat(1000))
      const stats = await sftp.stat(path)
      expect([stats.size, stats.isFile(), stats.isDirectory()]).toEqual([1000, true, false])
      await sftp.chmod(path, 0o640)
      await sftp.utime(path, 1_000_000_000, 1_234_567_890)
      if (stats.uid !== undefined && stats.gid !== undefined) await sftp.chown(path, stats.uid, stats.gid)
      if (keepsAttributes) {
        const { permissions } = await sftp.lstat(path)
        const times = [await sftp.getAtime(path), await sftp.getMtime(path)]
        expect([permissions, ...times]).toEqual([0o100640, expectedAtime, 1_234_567_890])
        if (!isElsewhere) expect(statSync(path)).toMatchObject({ mode: 0o100640, mtimeMs: 1_234_567_890_000 })
        await sftp.setstat(path, { permissions: 0o600 })
        expect(((await sftp.stat(path)).permissions ?? 0) & 0o777).toBe(0o600)
      }
      await sftp.truncate(path, 100)
      expect(await text(path)).toBe((truncationErases ? '\0' : 'x').repeat(100))
      await sftp.truncate(path, 200)
      expect(await sftp.getSize(path)).toBe(200)
      await sftp.truncate(path)
      expect(await sftp.getSize(path)).toBe(0)
    })

    test('have them changed while they are open', async () => {
      const path = at('open facts')
      await using file = await sftp.open(path, 'w+')
      await file.write('0123456789')
      expect((await file.stat()).size).toBe(10)
      await file.chmod(0o604)
      await file.utime(new Date(1_000_000_000_000), new Date(1_234_567_890_000))
      if (keepsAttributes) {
        const { permissions, atime, mtime } = await file.stat()
        expect([permissions, atime, mtime]).toEqual([0o100604, expectedAtime, 1_234_567_890])
      }
      const { uid, gid } = await file.stat()
      if (uid !== undefined && gid !== undefined) await file.chown(uid, gid)
      await whereKnown('sync', file.sync())
      if (await whereKnown('fstatvfs', file.statvfs())) expect((await file.statvfs()).bsize).toBeGreaterThan(0)
      await file.truncate(4)
      expect(await text(path)).toBe(truncationErases ? '\0'.repeat(4) : '0123')
    })

    test('are renamed and removed', async () => {
      await sftp.writeFile(at('old'), 'moved')
      await sftp.rename(at('old'), at('new'))
      expect([await text(at('new')), await sftp.exists(at('old'))]).toEqual(['moved', false])
      await sftp.writeFile(at('other'), 'other')
      const onto = sftp.rename(at('other'), at('new'))
      if (renameReplaces) await onto
      else await expect(onto).rejects.toMatchObject(inTheWay)
      await sftp.writeFile(at('other'), 'replaced')
      if (await whereKnown('posixRename', sftp.posixRename(at('other'), at('new')))) {
        expect([await text(at('new')), await sftp.exists(at('other'))]).toEqual(['replaced', false])
      }
      await sftp.unlink(at('new'))
      expect(await names(at())).not.toContain('new')
    })

    test('are linked to', async () => {
      await sftp.writeFile(at('target'), 'pointed at')
      await sftp.symlink('target', at('link'))
      if (!isElsewhere) expect(readlinkSync(at('link'))).toBe('target')
      expect(await sftp.readlink(at('link'))).toBe(resolvesLinks ? at('target') : 'target')
      const link = (await sftp.readdir(at())).find(({ name }) => name === 'link')
      expect(link?.attrs.isSymbolicLink()).toBe(true)
      expect((await sftp.lstat(at('link'))).isSymbolicLink()).toBe(!followsInLstat)
      expect((await sftp.stat(at('link'))).isFile()).toBe(true)
      expect(await sftp.readFile(at('link'), { encoding: 'utf8' })).toBe('pointed at')
      expect([await sftp.isLink(at('link')), await sftp.isLink(at('target'))]).toEqual([!followsInLstat, false])
      await sftp.symlink('nowhere', at('dangling'))
      expect([await sftp.exists(at('dangling')), await sftp.lexists(at('dangling'))]).toEqual([false, true])
      if (await whereKnown('link', sftp.link(at('target'), at('second')))) {
        await sftp.appendFile(at('second'), '!')
        expect(await text(at('target'))).toBe('pointed at!')
      }
      const ofLink = sftp.utime(at('link'), 5, 6, { followSymlinks: false })
      if (await whereKnown('lsetstat', ofLink)) expect((await sftp.lstat(at('link'))).mtime).toBe(6)
      await sftp.remove(at('link'))
      expect(await text(at('target'))).toMatch(/^pointed at/)
    })

    test('are in folders that are made, resolved and removed', async () => {
      await sftp.mkdir(at('folder'))
      expect((await sftp.stat(at('folder'))).isDirectory()).toBe(true)
      await expect(sftp.mkdir(at('folder'))).rejects.toMatchObject(inTheWay)
      expect(await sftp.realpath(at('folder', '..', 'folder', '.'))).toBe(at('folder'))
      await sftp.makedirs(at('folder', 'a', 'b', 'c'))
      await expect(sftp.makedirs(at('folder', 'a', 'b'))).rejects.toMatchObject({ code: 'EEXIST' })
      await sftp.makedirs(at('folder', 'a', 'b'), { existOk: true })
      expect(await sftp.isDir(at('folder', 'a', 'b', 'c'))).toBe(true)
      await expect(sftp.rmdir(at('folder'))).rejects.toMatchObject(inTheWay)
      await sftp.symlink('a', at('folder', 'to a'))
      await sftp.writeFile(at('folder', 'a', 'kept'), 'kept')
      await sftp.mkdir(at('outside'))
      await sftp.writeFile(at('outside', 'kept'), 'kept')
      await sftp.symlink('../../outside', at('folder', 'a', 'way out'))
      await sftp.rmtree(at('folder'))
      expect([await sftp.lexists(at('folder')), await text(at('outside', 'kept'))]).toEqual([false, 'kept'])
      await sftp.remove(at('outside', 'kept'))
      await sftp.rmdir(at('outside'))
      expect(await names(at())).not.toContain('outside')
    })

    test('are found from the folder that is the current one', async () => {
      const session = await server.start()
      expect((await session.stat('.')).isDirectory()).toBe(true)
      await session.mkdir(at('current'))
      await session.chdir(at('current'))
      expect(await session.getcwd()).toBe(at('current'))
      await session.writeFile('file', 'relative')
      expect(await text(at('current', 'file'))).toBe('relative')
      expect(await session.listdir()).toEqual(['file'])
      await session.chdir('..')
      expect(await session.isFile('current/file')).toBe(true)
      await expect(session.chdir('current/file')).rejects.toMatchObject({ code: 'ENOTDIR' })
      await session.close()
    })

    test('are listed, however many there are', async () => {
      if (isElsewhere) await sftp.mkdir(at('many'))
      if (isElsewhere) await Promise.all(manyNames.map((name) => sftp.writeFile(at('many', name), '')))
      const path = isElsewhere ? at('many') : many
      const entries = await sftp.readdir(path)
      expect(entries.map(({ name }) => name).sort()).toEqual(manyNames)
      expect(entries.every(({ attrs }) => attrs.isFile() && attrs.size === 0)).toBe(true)
      const first: string[] = []
      for await (const { name } of sftp.scandir(path)) if (first.push(name) === 10) break
      expect(first).toHaveLength(10)
    })

    test('go both ways as whole trees, with modes, times, links and empty folders', async () => {
      makeTree(local('tree'))
      await sftp.put(local('tree'), at('tree'), { recurse: true, preserve: keepsAttributes })
      await sftp.get(at('tree'), local('tree back'), { recurse: true, preserve: true })
      const facts = { modes: keepsAttributes, times: keepsAttributes }
      const back = describeTree(local('tree back'), facts)
      const link = { link: resolvesLinks ? at('tree', 'one') : 'one' }
      expect(back).toEqual({ ...describeTree(local('tree'), facts), link })
      if (!isElsewhere) expect(describeTree(at('tree'))).toEqual(describeTree(local('tree')))
      await sftp.put(local('tree'), at('followed'), { recurse: true, followSymlinks: true })
      expect(await text(at('followed', 'link'))).toBe('one')
      expect(await sftp.isLink(at('followed', 'link'))).toBe(false)
      await expect(sftp.get(at('tree'), local('no'))).rejects.toMatchObject({ code: 'EISDIR' })
    })

    test('that match patterns come and go', async () => {
      makeTree(local('patterns'))
      await sftp.mput(`${local('patterns')}/**/*.{gz,txt}`, at('matched'))
      expect(await names(at('matched'))).toEqual(['three.txt', 'two words.gz'])
      await sftp.makedirs(at('logs', 'x', 'y'))
      for (const name of ['a.gz', 'x/b.gz', 'x/y/c.gz', 'x/d.txt']) await sftp.writeFile(at('logs', name), name)
      await sftp.mget([`${at('logs')}/**/*.gz`, `${at('logs')}/x/*.txt`], local('fetched'))
      expect(readdirSync(local('fetched')).sort()).toEqual(['a.gz', 'b.gz', 'c.gz', 'd.txt'])
      expect(readFileSync(local('fetched', 'c.gz'), 'utf8')).toBe('x/y/c.gz')
      expect((await sftp.glob(`${at('logs')}/x/*/`)).map((path) => path.replace(/\/$/, ''))).toEqual([
        at('logs', 'x', 'y'),
      ])
      await expect(sftp.mget(`${at('logs')}/*.nothing`, local('fetched'))).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('by the hundred, small, come and go at once', async () => {
      mkdirSync(local('small'))
      for (let n = 0; n < 300; n++) writeFileSync(local('small', `${n}`), `file ${n}\n`.repeat(n))
      await sftp.put(local('small'), at('small'), { recurse: true, concurrency: 64 })
      await sftp.get(at('small'), local('small back'), { recurse: true, concurrency: 64 })
      for (let n = 0; n < 300; n++) {
        expect(readFileSync(local('small back', `${n}`), 'utf8')).toBe(`file ${n}\n`.repeat(n))
      }
      const back = await Promise.all(Array.from({ length: 300 }, (_, n) => sftp.readFile(at('small', `${n}`))))
      expect(back.map(({ length }) => length)).toEqual(Array.from({ length: 300 }, (_, n) => n * `file ${n}\n`.length))
      await Promise.all(Array.from({ length: 300 }, (_, n) => sftp.writeFile(at('small', `w${n}`), `${n}`)))
      expect(await names(at('small'))).toHaveLength(600)
    })

    test('go on where they were cut off', async () => {
      const data = randomBytes(9_000_000)
      const whole = here.write('whole', data)
      const options = { resume: true, verify: true }
      await sftp.writeFile(at('resumed'), data.subarray(0, 5_000_000))
      await sftp.put(whole, at('resumed'), options)
      expect(hash(await content(at('resumed')))).toBe(hash(data))
      writeFileSync(local('resumed'), data.subarray(0, 5_000_000))
      await sftp.get(at('resumed'), local('resumed'), options)
      expect(hashOf(local('resumed'))).toBe(hash(data))
      // Nothing to go on with: other content, and a file that is longer.
      writeFileSync(local('resumed'), randomBytes(9_500_000))
      await sftp.get(at('resumed'), local('resumed'), options)
      expect(hashOf(local('resumed'))).toBe(hash(data))
    })

    test('are put in place in one step', async () => {
      await sftp.mkdir(at('atomic'))
      await sftp.put(here.write('first', 'first'), at('atomic', 'file'), { atomic: true, verify: true })
      expect(await text(at('atomic', 'file'))).toBe('first')
      const again = sftp.put(here.write('second', 'second'), at('atomic', 'file'), { atomic: true })
      if (has('posixRename') || renameReplaces) await again
      else await expect(again).rejects.toMatchObject({ code: 'ENOTSUP' })
      expect(await text(at('atomic', 'file'))).toBe(has('posixRename') || renameReplaces ? 'second' : 'first')
      expect(await names(at('atomic'))).toEqual(['file'])
      await sftp.get(at('atomic', 'file'), local('first'), { atomic: true })
      expect(readFileSync(local('first'))).toEqual(await content(at('atomic', 'file')))
    })

    test('with holes come and go whole', async () => {
      const path = local('sparse')
      writeFileSync(path, '')
      truncateSync(path, 6_000_000)
      const file = openSync(path, 'r+')
      for (const position of [0, 2_500_000, 5_999_000]) writeSync(file, randomBytes(1000), 0, 1000, position)
      closeSync(file)
      await sftp.put(path, at('sparse'))
      await sftp.put(path, at('dense'), { sparse: false })
      expect([hash(await content(at('sparse'))), hash(await content(at('dense')))]).toEqual([
        hashOf(path),
        hashOf(path),
      ])
      await sftp.get(at('sparse'), local('sparse back'))
      expect(hashOf(local('sparse back'))).toBe(hashOf(path))
    })

    test('are copied from there to there, by the server where it can', async () => {
      makeTree(local('original'))
      await sftp.put(local('original'), at('original'), { recurse: true, preserve: keepsAttributes })
      const data = randomBytes(3_000_000)
      await sftp.writeFile(at('original', 'large'), data)
      await sftp.copy(at('original'), at('copied'), { recurse: true, preserve: keepsAttributes })
      expect((await content(at('copied', 'large'))).equals(data)).toBe(true)
      expect(await names(at('copied', 'deep', 'deeper'))).toEqual(['three.txt'])
      if (!isElsewhere && !resolvesLinks) expect(describeTree(at('copied'))).toEqual(describeTree(at('original')))
      await sftp.mcopy(`${at('original')}/**/*.{gz,txt}`, at('flat'))
      expect(await names(at('flat'))).toEqual(['three.txt', 'two words.gz'])
      expect(sftp.supportsRemoteCopy).toBe(has('copyData'))
      await whereKnown('copyData', sftp.copy(at('original', 'one'), at('copy'), { remoteOnly: true }))
      const part = { srcOffset: 1000, srcLength: 2000, dstOffset: 1 }
      await sftp.writeFile(at('part'), '0123')
      if (!(await whereKnown('copyData', sftp.remoteCopy(at('original', 'large'), at('part'), part)))) return
      expect((await content(at('part'))).subarray(1, 2001).equals(data.subarray(1000, 3000))).toBe(true)
      expect(await text(at('copy'))).toBe('one')
    })

    test('have owners with names and homes, where that can be asked', async () => {
      if (await whereKnown('expandPath', sftp.expandPath('~'))) {
        expect(await sftp.expandPath('~/x')).toBe(join(await sftp.expandPath('~'), 'x'))
      }
      await using session = await server.start()
      if (breaksOverHomes) await expect(session.homeDirectory()).rejects.toMatchObject({ code: 'ERR_SFTP_PROTOCOL' })
      else if (await whereKnown('homeDirectory', session.homeDirectory())) {
        expect(await session.homeDirectory()).toMatch(/^\//)
      }
      if (await whereKnown('usersGroupsById', sftp.usersGroupsById([0], [0]))) {
        const { users, groups } = await sftp.usersGroupsById([0, 4_000_000_000], [0])
        expect([users.get(0), groups.get(0), users.size]).toEqual(['root', 'root', 1])
      }
    })

    test('are looked at with their patterns, in parts and to the nanosecond', async () => {
      const path = at('looked at')
      const data = randomBytes(500_000)
      await sftp.writeFile(path, data)
      const [entry] = await sftp.globEntries(`${at('looked')}*`)
      expect([entry?.path, entry?.attrs.size]).toEqual([path, data.length])
      expect(await sftp.getMtimeNs(path)).toBe(BigInt(await sftp.getMtime(path)) * 1_000_000_000n)
      await using file = await sftp.open(path)
      const parts = new Map<number, Buffer>()
      for await (const part of file.readParallel(400_000, 50_000)) parts.set(part.position, part.data)
      const inOrder = [...parts].sort(([one], [other]) => one - other).map(([, part]) => part)
      expect(Buffer.concat(inOrder).equals(data.subarray(50_000, 450_000))).toBe(true)
      // Locks came with version 6.
      expect(sftp.version).toBe(3)
      await expect(file.lock()).rejects.toMatchObject({ code: 'ENOTSUP' })
    })

    test('that are not there, or in the way, are errors that tell which', async () => {
      await sftp.writeFile(at('in the way'), 'kept')
      const missing = { code: 'ENOENT', path: at('missing') }
      const calls = [
        sftp.stat(at('missing')),
        sftp.lstat(at('missing')),
        sftp.readFile(at('missing')),
        sftp.remove(at('missing')),
        sftp.rmdir(at('missing')),
        sftp.readdir(at('missing')),
        sftp.readlink(at('missing')),
        sftp.chmod(at('missing'), 0o600),
        sftp.rename(at('missing'), at('elsewhere')),
        sftp.get(at('missing'), local('nothing')),
        sftp.rmtree(at('missing')),
      ]
      for (const [n, result] of (await Promise.allSettled<unknown>(calls)).entries()) {
        expect([n, result]).toMatchObject([n, { status: 'rejected', reason: missing }])
        expect(result.status === 'rejected' && result.reason).toBeInstanceOf(SftpError)
      }
      expect(readdirSync(here.path)).not.toContain('nothing')
      await expect(sftp.mkdir(at('in the way'))).rejects.toMatchObject(inTheWay)
      if (!mixesUpRemovals) await expect(sftp.rmdir(at('in the way'))).rejects.toBeInstanceOf(SftpError)
      await expect(sftp.symlink('x', at('in the way'))).rejects.toMatchObject(inTheWay)
      await expect(sftp.writeFile(at('missing', 'file'), '')).rejects.toMatchObject({ code: 'ENOENT' })
      expect([await sftp.exists(at('missing')), await text(at('in the way'))]).toEqual([false, 'kept'])
    })

    test('that fail in a tree are told, and the others come all the same', async () => {
      await sftp.mkdir(at('partly'))
      for (const name of ['a', 'b', 'c']) await sftp.writeFile(at('partly', name), name)
      await sftp.symlink('nothing', at('partly', 'broken'))
      const errors: Error[] = []
      const onError = (error: Error) => void errors.push(error)
      await sftp.get(at('partly'), local('partly'), { recurse: true, followSymlinks: true, onError })
      expect(errors).toMatchObject([{ code: 'ENOENT', srcpath: at('partly', 'broken') }])
      expect(readdirSync(local('partly')).sort()).toEqual(['a', 'b', 'c'])
    })

    test('are on a file system, and the server has limits', async () => {
      const path = isElsewhere ? '/' : at()
      if (await whereKnown('statvfs', sftp.statvfs(path))) {
        const { bsize, frsize, blocks, bfree, namemax } = await sftp.statvfs(path)
        for (const number of [bsize, frsize, blocks, bfree, namemax]) expect(number).toBeGreaterThan(0)
      }
      const limits = await sftp.limits()
      expect(limits.maxReadLength).toBeGreaterThanOrEqual(32_768)
      expect(sftp.extensions.has('limits@openssh.com')).toBe(has('limits'))
    })

    test('stop coming and going when that is given up, and the session goes on', async () => {
      const path = at('given up')
      await sftp.put(local('big back'), path)
      for (const transfer of ['get', 'put'] as const) {
        const controller = new AbortController()
        const options = { signal: controller.signal, progress: () => controller.abort(), blockSize: 32_768 }
        const call = transfer === 'get' ? sftp.get(path, local('cut'), options) : sftp.put(local('big'), path, options)
        await expect(call).rejects.toMatchObject({ name: 'AbortError' })
        expect(await sftp.exists(path)).toBe(true)
      }
      expect(readdirSync(here.path)).not.toContain('cut')
      const calls = Array.from({ length: 20 }, () => {
        const controller = new AbortController()
        const read = sftp.readFile(path, { signal: controller.signal })
        setImmediate(() => controller.abort())
        return read
      })
      for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
      await sftp.writeFile(path, 'alive')
      expect(await sftp.readFile(path, { encoding: 'utf8' })).toBe('alive')
    })

    test('are taken care of in several sessions at once', async () => {
      const sessions = await Promise.all(Array.from({ length: 4 }, () => server.start()))
      const texts = await Promise.all(
        sessions.map(async (session, n) => {
          await session.writeFile(at(`session ${n}`), `${n}`)
          const found = await session.readFile(at(`session ${n}`), { encoding: 'utf8' })
          await session.close()
          return found
        }),
      )
      expect(texts).toEqual(['0', '1', '2', '3'])
    })
  })
}

/** The bytes of a name for `fs`, which knows no lone surrogates. */
function bytesOf(name: string): Buffer {
  return Buffer.concat(
    [...name].map((character) => {
      const unit = character.charCodeAt(0)
      return unit >= 0xdc80 && unit <= 0xdcff ? Buffer.from([unit & 0xff]) : Buffer.from(character)
    }),
  )
}
