/** What the SFTP client does beyond single requests (copies, holes, reasons, names), on OpenSSH, Dropbear and AsyncSSH. */

import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { SftpClient } from '@ssh/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { canServeDropbear, connectTo, lacks, startDropbear, startSshd, temporaryFolder } from '../../src/index.js'
import { describeLibrary, inFolder, ourServer, theirClient, theirServer } from '../libraries/workbench.js'

/** A session, and an empty folder that is on this machine too. */
interface Session {
  readonly sftp: SftpClient
  readonly folder: string
  stop(): Promise<void>
}

interface Traits {
  /** Announces expand-path, home-directory and users-groups-by-id. Default true. */
  readonly tellsUsers?: boolean
}

/** Names that some program somewhere cannot bear, as the client has them: bytes that are no UTF-8 escaped. */
const oddNames: readonly string[] = [
  'new\nline',
  'quo"te\'s `$(x)`',
  '-rf',
  '--',
  ' blanks ',
  '*?[a-z]{b,c}!#',
  '~',
  '%s%n',
  '\udcff\udc80', // two bytes that never are UTF-8
  'half\udce2\udc82', // a character that is cut off
  'caf\u00e9', // NFC
  'cafe\u0301', // NFD
  '\u{1f680} жук',
  'x'.repeat(255),
]

const bytesOf = (name: string): Buffer =>
  Buffer.concat(
    name
      .split(/(\p{Surrogate})/u)
      .map((piece) =>
        /^\p{Surrogate}$/u.test(piece) ? Buffer.from([piece.charCodeAt(0) & 0xff]) : Buffer.from(piece),
      ),
  )
const namesIn = (folder: string): string[] =>
  readdirSync(folder, { encoding: 'buffer' })
    .map((name) => name.toString('hex'))
    .sort()
const expectedNames = oddNames.map((name) => bytesOf(name).toString('hex')).sort()

function describeClientApi(start: () => Promise<Session>, { tellsUsers = true }: Traits = {}): void {
  let session: Session
  let sftp: SftpClient
  let folder: string
  let count = 0
  const at = (...names: readonly string[]): string => join(folder, ...names)
  beforeAll(async () => {
    session = await start()
    sftp = session.sftp
    return () => session.stop()
  })
  beforeEach(async () => {
    folder = join(session.folder, `test ${count++}`)
    await sftp.mkdir(folder)
  })

  test('copies trees on the server, into directories and over what is there', async () => {
    const data = randomBytes(5_000_000)
    await sftp.makedirs(at('src/sub'))
    await sftp.writeFile(at('src/sub/big'), data)
    await sftp.writeFile(at('src/small'), 'small')
    await sftp.writeFile(at('src/empty'), '')
    await sftp.symlink('small', at('src/link'))
    await sftp.utime(at('src/small'), 1_000_000_000, 1_100_000_000)
    await sftp.copy(at('src'), at('dst'), { recurse: true, preserve: true, remoteOnly: true })
    expect(readFileSync(at('dst/sub/big')).equals(data)).toBe(true)
    expect(readFileSync(at('dst/link'), 'utf8')).toBe('small')
    expect(statSync(at('dst/empty')).size).toBe(0)
    expect(statSync(at('dst/small')).mtimeMs).toBe(1_100_000_000_000)
    await sftp.mcopy(at('src/s*'), at('matches'), { recurse: true })
    expect(readdirSync(at('matches')).sort()).toEqual(['small', 'sub'])
    await sftp.copy(at('src/small'), at('dst/sub/big'))
    expect(readFileSync(at('dst/sub/big'), 'utf8')).toBe('small')
  })

  test('copies nothing onto or into itself', async () => {
    await sftp.mkdir(at('tree'))
    await sftp.writeFile(at('tree/file'), 'precious')
    for (const [src, dst] of [
      ['tree/file', 'tree/file'],
      ['tree/file', 'tree'],
      ['tree', 'tree/sub'],
      ['tree', '.'],
    ] as const) {
      await expect(sftp.copy(at(src), at(dst), { recurse: true })).rejects.toMatchObject({ code: 'EINVAL' })
    }
    await sftp.link(at('tree/file'), at('same'))
    await sftp.copy(at('tree/file'), at('same'))
    await sftp.remoteCopy(at('tree/file'), at('same'))
    expect(readFileSync(at('tree/file'), 'utf8')).toBe('precious')
    expect(readdirSync(at('tree'))).toEqual(['file'])
  })

  test('copies bytes from and to any place, of paths and of open files', async () => {
    expect(sftp.supportsRemoteCopy).toBe(true)
    await sftp.writeFile(at('src'), '0123456789')
    await sftp.writeFile(at('dst'), 'abcdefghij')
    await sftp.remoteCopy(at('src'), at('dst'), { srcOffset: 2, srcLength: 3, dstOffset: 4 })
    expect(readFileSync(at('dst'), 'utf8')).toBe('abcd234hij')
    await using src = await sftp.open(at('src'))
    await using dst = await sftp.open(at('dst'), 'r+')
    await sftp.remoteCopy(src, dst, { srcOffset: 9 })
    expect(readFileSync(at('dst'), 'utf8')).toBe('9bcd234hij')
  })

  test('says what is in the way where the server has no status for it', async () => {
    await sftp.makedirs(at('full'))
    await sftp.writeFile(at('full/file'), 'x')
    await sftp.mkdir(at('empty'))
    await sftp.writeFile(at('file'), 'x')
    // From the server's words, or from looking.
    const reason = (code: string) => ({ code, status: 4 })
    await expect(sftp.mkdir(at('full'))).rejects.toMatchObject(reason('EEXIST'))
    await expect(sftp.mkdir(at('file'))).rejects.toMatchObject(reason('EEXIST'))
    await expect(sftp.rmdir(at('full'))).rejects.toMatchObject(reason('ENOTEMPTY'))
    await expect(sftp.remove(at('empty'))).rejects.toMatchObject(reason('EISDIR'))
    await expect(sftp.rename(at('file'), at('full/file'))).rejects.toMatchObject(reason('EEXIST'))
    await expect(sftp.rename(at('full'), at('empty'))).rejects.toMatchObject(reason('EEXIST'))
    await expect(sftp.posixRename(at('empty'), at('full'))).rejects.toMatchObject(reason('ENOTEMPTY'))
    await expect(sftp.posixRename(at('file'), at('empty'))).rejects.toMatchObject(reason('EISDIR'))
    await expect(sftp.open(at('file'), 'wx')).rejects.toMatchObject(reason('EEXIST'))
    await expect(sftp.open(at('empty'), 'w')).rejects.toMatchObject(reason('EISDIR'))
    await expect(sftp.writeFile(at('empty'), 'x')).rejects.toMatchObject(reason('EISDIR'))
    await expect(sftp.symlink('x', at('file'))).rejects.toMatchObject(reason('EEXIST'))
    await expect(sftp.link(at('file'), at('full/file'))).rejects.toMatchObject(reason('EEXIST'))
    await expect(sftp.makedirs(at('full'))).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(sftp.makedirs(at('file'), { existOk: true })).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(sftp.readFile(at('full'))).rejects.toMatchObject({ code: 'EISDIR' })
    using here = temporaryFolder()
    mkdirSync(join(here.path, 'file'))
    writeFileSync(join(here.path, 'empty'), 'x')
    const errors: unknown[] = []
    const onError = (error: Error): void => void errors.push(error)
    await sftp.put(
      ['file', 'empty'].map((name) => join(here.path, name)),
      folder,
      { recurse: true, onError },
    )
    expect(errors).toMatchObject([
      { code: 'EEXIST', dstpath: at('file') },
      { code: 'EISDIR', dstpath: at('empty') },
    ])
    // What the server does say stays.
    await expect(sftp.rmdir(at('none'))).rejects.toMatchObject({ code: 'ENOENT', status: 2 })
    await expect(sftp.mkdir(at('none/sub'))).rejects.toMatchObject({ code: 'ENOENT', status: 2 })
  })

  test('R14: takes names of any bytes through put, list, glob, rename, copy and get', async () => {
    using here = temporaryFolder()
    const local = (name: string): string => join(here.path, name)
    mkdirSync(local('all'))
    for (const name of oddNames)
      writeFileSync(Buffer.concat([Buffer.from(local('all/')), bytesOf(name)]), bytesOf(name))
    await sftp.put(local('all'), at('put'), { recurse: true })
    expect(namesIn(at('put'))).toEqual(expectedNames)
    expect((await sftp.listdir(at('put'))).sort()).toEqual(oddNames.toSorted())
    expect(await sftp.glob(at('put/*'))).toHaveLength(oddNames.length)
    await sftp.copy(at('put'), at('copied'), { recurse: true })
    await sftp.mcopy(at('put/*'), at('matched'))
    await sftp.mget(at('put/*'), local('got'))
    await sftp.mput(local('got/*'), at('put again'))
    for (const copy of [at('copied'), at('matched'), at('put again'), local('got')]) {
      expect(namesIn(copy)).toEqual(expectedNames)
    }
    await sftp.mkdir(at('moved'))
    for (const name of oddNames) {
      await sftp.rename(`${at('put')}/${name}`, `${at('moved')}/${name}`)
      expect((await sftp.readFile(`${at('moved')}/${name}`)).equals(bytesOf(name))).toBe(true)
    }
    expect(namesIn(at('moved'))).toEqual(expectedNames)
    await sftp.get(at('moved'), local('back'), { recurse: true })
    expect(namesIn(local('back'))).toEqual(expectedNames)
    await sftp.rmtree(at('moved'))
    expect(existsSync(at('moved'))).toBe(false)
  })

  test('F13: names that look like patterns are no patterns', async () => {
    using here = temporaryFolder()
    for (const name of ['*', '[ab]', '{a,b}', 'a', 'b']) {
      await sftp.makedirs(at('odd', name))
      await sftp.writeFile(at('odd', name, 'file'), name)
    }
    const found = await sftp.glob(at('odd/*/f*'))
    expect(found.sort()).toEqual(['*', 'a', 'b', '[ab]', '{a,b}'].map((name) => at('odd', name, 'file')).sort())
    expect(await sftp.glob(at('odd/[[]ab]/*'))).toEqual([at('odd/[ab]/file')])
    await sftp.mget(at('odd/*'), join(here.path, 'got'), { recurse: true })
    expect(readdirSync(join(here.path, 'got')).sort()).toEqual(['*', '[ab]', 'a', 'b', '{a,b}'])
    expect(readFileSync(join(here.path, 'got/*/file'), 'utf8')).toBe('*')
    await sftp.mcopy(at('odd/*'), at('copied'), { recurse: true })
    expect(readFileSync(at('copied/{a,b}/file'), 'utf8')).toBe('{a,b}')
  })

  test('takes ~ for a name, but where it is to be expanded', async () => {
    await sftp.chdir(folder)
    await sftp.writeFile('~', 'not a home')
    expect(readFileSync(at('~'), 'utf8')).toBe('not a home')
    const { uid = 0, gid = 0 } = await sftp.stat('~')
    await sftp.chdir('/')
    if (tellsUsers) {
      const home = await sftp.homeDirectory()
      const { users, groups } = await sftp.usersGroupsById([uid, 4_000_000_000], [gid])
      expect([...users.keys()]).toEqual([uid])
      expect([...groups.keys()]).toEqual([gid])
      expect(await sftp.homeDirectory(users.get(uid))).toBe(home)
      expect(await sftp.expandPath(`~${users.get(uid)}/a`)).toBe(await sftp.expandPath('~/a'))
      expect(await sftp.expandPath(join(folder, '..', '~'))).toBe(join(session.folder, '~'))
      return
    }
    const named = (name: string) => ({ code: 'ENOTSUP', message: expect.stringContaining(name) })
    await expect(sftp.expandPath('~')).rejects.toMatchObject(named('expand-path@openssh.com'))
    await expect(sftp.homeDirectory()).rejects.toMatchObject(named('home-directory'))
    await expect(sftp.usersGroupsById([0])).rejects.toMatchObject(named('users-groups-by-id@openssh.com'))
  })
}

async function sessionOn(start: () => ReturnType<typeof startSshd>): Promise<Session> {
  const server = await start()
  const conn = await connectTo(server)
  const sftp = await conn.startSftpClient()
  const stop = async (): Promise<void> => {
    await conn.close()
    await server.stop()
  }
  return { sftp, folder: server.folder, stop }
}

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('on sshd, the SFTP client', () => {
  describeClientApi(() => sessionOn(startSshd))
})

describe.skipIf(lacks('dropbear', 'sftp-server', 'ssh-keygen') || !canServeDropbear())(
  'on Dropbear, the SFTP client',
  () => {
    describeClientApi(() => sessionOn(startDropbear))
  },
)

/** Islands of data in a file of 20 GB, around the places where numbers get longer. */
const islands: readonly (readonly [offset: number, data: Buffer])[] = [
  [0, randomBytes(10_000)],
  [2 ** 31 - 5, randomBytes(100_000)],
  [2 ** 32 - 7, randomBytes(50)],
  [2 ** 33 + 1, randomBytes(300_000)],
]
const sparseSize = 20 * 1024 ** 3

function writeSparse(path: string): void {
  const fd = openSync(path, 'w')
  for (const [offset, data] of islands) writeSync(fd, data, 0, data.length, offset)
  ftruncateSync(fd, sparseSize)
  closeSync(fd)
}

/** @param size AsyncSSH's client leaves a hole at the end out */
function expectSparse(path: string, size = sparseSize): void {
  const stats = statSync(path)
  expect(stats.size).toBe(size)
  expect(stats.blocks * 512).toBeLessThan(4 * 1024 * 1024)
  const fd = openSync(path, 'r')
  for (const [offset, data] of islands) {
    const read = Buffer.alloc(data.length)
    readSync(fd, read, 0, read.length, offset)
    expect(read.equals(data)).toBe(true)
  }
  closeSync(fd)
}

const lastByte = 2 ** 33 + 1 + 300_000

await describeLibrary('asyncssh', 'AsyncSSH', (bench) => {
  describe('as a server, for the SFTP client', () => {
    describeClientApi(
      async () => {
        const conn = await connectTo(await theirServer(bench))
        const folder = inFolder(bench, 'client-api')
        mkdirSync(folder)
        return { sftp: await conn.startSftpClient(), folder, stop: () => conn.close() }
      },
      { tellsUsers: false },
    )
  })

  // Reading gigabytes of zeros is quick only where no disk is asked.
  describe.skipIf(!existsSync('/dev/shm'))('R10: with a sparse file of 20 GB', () => {
    let folder: string
    const at = (name: string): string => join(folder, name)
    beforeAll(() => {
      folder = mkdtempSync('/dev/shm/ssh-interop-')
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    test('keeps its holes from and to our client, and in a copy', async () => {
      await using conn = await connectTo(await theirServer(bench))
      await using sftp = await conn.startSftpClient()
      writeSparse(at('ours'))
      await sftp.put(at('ours'), at('put'))
      expectSparse(at('put'))
      await sftp.get(at('put'), at('got'))
      expectSparse(at('got'))
      await sftp.copy(at('put'), at('copied'))
      expectSparse(at('copied'))
    })

    test('keeps its holes from and to our server', async () => {
      await using server = await ourServer(bench, { sftpFactory: true })
      const { connection } = await theirClient(bench, server)
      writeSparse(at('theirs'))
      const results = await bench.peer.call('files', {
        connection,
        steps: [
          { do: 'put', from: at('theirs'), path: at('their put') },
          { do: 'get', path: at('theirs'), to: at('their get') },
        ],
      })
      expect(results).toEqual([{}, {}])
      expect(statSync(at('their put')).size).toBe(Math.ceil(lastByte / 4096) * 4096)
      expect(statSync(at('their get')).size).toBe(Math.ceil(lastByte / 4096) * 4096)
      for (const name of ['their put', 'their get']) expectSparse(at(name), statSync(at(name)).size)
    })
  })
})
