/** Our SFTP client against OpenSSH's sftp-server. */

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type SftpClient, SftpError, type SftpProgress, type SshClientConnection } from '@ssh/sdk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  canMount,
  connectTo,
  type ForeignServer,
  isRoot,
  lacks,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../src/index.js'

const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('files of sshd', () => {
  let server: ForeignServer
  let conn: SshClientConnection
  let sftp: SftpClient
  let here: TemporaryFolder
  /** A path in the server's folder. */
  const there = (name = '') => join(server.folder, name)
  /** A path in ours, with all its folders made. */
  const local = (name: string, content: Uint8Array | string): string => {
    mkdirSync(dirname(join(here.path, name)), { recursive: true })
    return here.write(name, content)
  }
  beforeAll(async () => {
    server = await startSshd()
    conn = await connectTo(server)
    sftp = await conn.startSftpClient()
  })
  afterAll(async () => {
    await conn?.close()
    await server?.stop()
  })
  beforeEach(async () => {
    here = temporaryFolder()
    for (const name of await sftp.listdir(server.folder))
      await sftp.rmtree(there(name)).catch(() => sftp.remove(there(name)))
  })
  afterEach(() => here.remove())

  test('of any size come and go whole, the boundaries of a block included', async () => {
    const sizes = [0, 1, 32_767, 32_768, 32_769, 261_120, 262_144, 1_000_003, 16 << 20]
    for (const size of sizes) {
      const data = randomBytes(size)
      await sftp.put(local(`up${size}`, data), there(`file${size}`))
      expect(hash(readFileSync(there(`file${size}`)))).toBe(hash(data))
      await sftp.get(there(`file${size}`), join(here.path, `down${size}`))
      expect(hash(readFileSync(join(here.path, `down${size}`)))).toBe(hash(data))
    }
  })

  test('of 64 MiB come and go whole while both sides change keys every MiB, with progress to the last byte', async () => {
    await using eager = await startSshd({ config: { RekeyLimit: '1M' } })
    await using other = await connectTo(eager, { rekeyBytes: '1m' })
    let rekeys = 0
    other.on('rekey', () => rekeys++)
    await using files = await other.startSftpClient()
    const data = randomBytes(64 << 20)
    const up = local('up', data)
    const remote = join(eager.folder, 'file')
    const events: SftpProgress[] = []
    await files.put(up, remote, { progress: (event) => events.push(event) })
    await files.get(remote, join(here.path, 'down'), { progress: (event) => events.push(event) })
    expect(hash(readFileSync(join(here.path, 'down')))).toBe(hash(data))
    expect(rekeys).toBeGreaterThan(60)
    expect(events.at(-1)?.bytes).toEqual({ done: data.length, total: data.length })
  })

  test('by the hundred, small and in folders, are the same after a round trip', async () => {
    for (let index = 0; index < 300; index++) local(`tree/${index % 7}/${index}.txt`, `file ${index}\n`.repeat(index))
    await sftp.put(join(here.path, 'tree'), there('tree'), { recurse: true })
    await sftp.get(there('tree'), join(here.path, 'back'), { recurse: true })
    for (let index = 0; index < 300; index++) {
      const name = `${index % 7}/${index}.txt`
      expect(readFileSync(join(here.path, 'back', name), 'utf8')).toBe(`file ${index}\n`.repeat(index))
    }
  })

  test('that match a pattern are fetched, at every depth of **', async () => {
    for (const name of ['logs/a.gz', 'logs/x/b.gz', 'logs/x/y/c.gz', 'logs/x/d.txt', 'other/e.gz']) {
      await sftp.makedirs(there(dirname(name)), { existOk: true })
      await sftp.writeFile(there(name), name)
    }
    const events: SftpProgress[] = []
    mkdirSync(join(here.path, 'out'))
    await sftp.mget(there('logs/**/*.gz'), join(here.path, 'out'), { progress: (event) => events.push(event) })
    expect(readdirSync(join(here.path, 'out')).sort()).toEqual(['a.gz', 'b.gz', 'c.gz'])
    expect(readFileSync(join(here.path, 'out/c.gz'), 'utf8')).toBe('logs/x/y/c.gz')
    expect(events.at(-1)).toMatchObject({ files: { done: 3, total: 3 } })
  })

  test('keep their times and modes with preserve', async () => {
    const path = local('kept', 'x')
    await sftp.put(path, there('kept'), { preserve: true })
    await sftp.chmod(there('kept'), 0o751)
    await sftp.utime(there('kept'), 1_000_000_000, 1_100_000_000)
    await sftp.get(there('kept'), join(here.path, 'back'), { preserve: true })
    const { mode, mtimeMs, atimeMs } = statSync(join(here.path, 'back'))
    expect([mode & 0o777, mtimeMs, atimeMs]).toEqual([0o751, 1_100_000_000_000, 1_000_000_000_000])
  })

  test('can be listed, linked, renamed, measured and removed', async () => {
    await sftp.mkdir(there('d'))
    await sftp.writeFile(there('d/a'), 'hello')
    await sftp.appendFile(there('d/a'), ' world')
    expect(await sftp.readFile(there('d/a'), { encoding: 'utf8' })).toBe('hello world')
    await sftp.symlink('a', there('d/s'))
    expect(await sftp.readlink(there('d/s'))).toBe('a')
    await sftp.link(there('d/a'), there('d/h'))
    expect((await sftp.stat(there('d/s'))).size).toBe(11)
    expect(await sftp.isLink(there('d/s'))).toBe(true)
    await sftp.writeFile(there('d/b'), 'other')
    await expect(sftp.rename(there('d/b'), there('d/a'))).rejects.toBeInstanceOf(SftpError)
    await sftp.posixRename(there('d/b'), there('d/a'))
    expect(readFileSync(there('d/a'), 'utf8')).toBe('other')
    await sftp.truncate(there('d/a'), 2)
    expect(await sftp.getSize(there('d/a'))).toBe(2)
    expect((await sftp.listdir(there('d'))).sort()).toEqual(['a', 'h', 's'])
    expect(await sftp.realpath(there('d/../d/./a'))).toBe(there('d/a'))
    expect((await sftp.statvfs(there())).bsize).toBeGreaterThan(0)
    await sftp.rmtree(there('d'))
    expect(existsSync(there('d'))).toBe(false)
  })

  test('with two thousand names in one folder are all listed', async () => {
    await conn.run(`cd ${server.folder} && seq 2000 | xargs touch`, { check: true })
    const names = await sftp.listdir(server.folder)
    expect(new Set(names).size).toBe(2000)
    await conn.run(`rm -rf ${server.folder}/*`, { check: true })
  })

  test('can be read and written as streams and in part', async () => {
    const data = randomBytes(1 << 20)
    const writing = sftp.createWriteStream(there('s'))
    writing.end(data)
    await new Promise((resolve, reject) => writing.once('close', resolve).once('error', reject))
    const part = await sftp.createReadStream(there('s'), { start: 1000, end: 99_999 }).toArray()
    expect(Buffer.concat(part).equals(data.subarray(1000, 100_000))).toBe(true)
  })

  test('that are not there are told by code and path', async () => {
    const attempts = [sftp.stat(there('no')), sftp.get(there('no'), here.path), sftp.open(there('no'), 'r')]
    for (const { reason } of (await Promise.allSettled<unknown>(attempts)) as PromiseRejectedResult[]) {
      expect(reason).toBeInstanceOf(SftpError)
      expect(reason).toMatchObject({ code: 'ENOENT', path: there('no') })
    }
    await expect(sftp.mget(there('*.nothing'), here.path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('that the user may not touch are told by code', async (context) => {
    if (!isRoot()) return context.skip()
    await expect(sftp.readFile('/etc/shadow')).rejects.toMatchObject({ code: 'EACCES' })
    await expect(sftp.put(local('x', 'x'), '/etc/nope')).rejects.toMatchObject({ code: 'EACCES' })
  })

  test('on a full device are an error, by whichever way they are written', async () => {
    const data = randomBytes(1 << 20)
    await expect(sftp.writeFile('/dev/full', data)).rejects.toBeInstanceOf(SftpError)
    await expect(sftp.put(local('x', data), '/dev/full')).rejects.toBeInstanceOf(SftpError)
  })

  test('stop coming when the transfer is given up', async () => {
    const controller = new AbortController()
    writeFileSync(there('big'), Buffer.alloc(32 << 20))
    const progress = () => controller.abort()
    const transfer = sftp.get(there('big'), join(here.path, 'big'), { signal: controller.signal, progress })
    controller.abort()
    await expect(transfer).rejects.toMatchObject({ name: 'AbortError' })
    expect(await sftp.exists(there('big'))).toBe(true)
  })

  test('are served to several clients on one connection', async () => {
    const clients = await Promise.all(Array.from({ length: 5 }, () => conn.startSftpClient()))
    await Promise.all(clients.map((client, index) => client.writeFile(there(`c${index}`), String(index))))
    expect((await sftp.listdir(server.folder)).sort()).toEqual(['c0', 'c1', 'c2', 'c3', 'c4'])
    await Promise.all(clients.map((client) => client.close()))
  })
})

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('a full disk behind sshd', () => {
  test('is a typed error of put, and what was there stays readable', async (context) => {
    if (!(await canMount())) return context.skip()
    await using server = await startSshd({ diskSize: '1m' })
    await using conn = await connectTo(server)
    await using sftp = await conn.startSftpClient()
    using here = temporaryFolder()
    await sftp.writeFile(join(server.folder, 'small'), 'kept')
    const error = await sftp
      .put(here.write('big', randomBytes(4 << 20)), join(server.folder, 'big'))
      .catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(SftpError)
    // Version 3 has no status for it; sftp-server says no more than "Failure".
    expect(error).toMatchObject({
      code: expect.stringMatching(/^(ENOSPC|ERR_SFTP_FAILURE)$/),
      dstpath: join(server.folder, 'big'),
    })
    expect(await sftp.readFile(join(server.folder, 'small'), { encoding: 'utf8' })).toBe('kept')
  })
})

describe.skipIf(lacks('sshd', 'ssh-keygen'))('sshd without sftp', () => {
  test('is a typed error of startSftpClient', async () => {
    await using server = await startSshd({ config: { Subsystem: 'sftp /bin/false' } })
    await using conn = await connectTo(server)
    await expect(conn.startSftpClient()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SFTP_|^ERR_SSH_/) })
    expect((await conn.run('echo still here')).stdout).toBe('still here\n')
  })
})
