import { text } from 'node:stream/consumers'
import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { SftpClient } from '../../src/client/sftp-client.js'
import { openFlags } from '../../src/protocol/open-flags.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { serveSftp } from '../../src/server/serve-sftp.js'
import { hasOpenssh, serve, servers, startOpenssh } from '../servers.js'

/** What a server answers where a file is in the way: in version 3 there is only SSH_FX_FAILURE. */
const existsStatus = (client: SftpClient): number => (client.version === 3 ? 4 : 11)

describe.each(servers.filter(({ isHere }) => isHere))('a client of $name', ({ start }) => {
  test('writes, reads and appends whole files', async () => {
    const { client } = await start()
    await client.writeFile('a', 'hello')
    await client.appendFile('a', Buffer.from(' world'))
    expect(await client.readFile('a', { encoding: 'utf8' })).toBe('hello world')
    expect(await client.readFile('a')).toEqual(Buffer.from('hello world'))
    await client.writeFile('a', '')
    expect(await client.readFile('a', { encoding: 'utf8' })).toBe('')
  })

  test('looks at attributes', async () => {
    const { client } = await start()
    await client.writeFile('file', 'four')
    await client.mkdir('directory')
    await client.symlink('file', 'link')
    const stats = await client.stat('file')
    expect(stats).toMatchObject({ size: 4, type: 'file' })
    expect([stats.isFile(), stats.isDirectory(), stats.isSymbolicLink()]).toEqual([true, false, false])
    expect((await client.lstat('link')).isSymbolicLink()).toBe(true)
    expect((await client.stat('link')).isFile()).toBe(true)
    expect(await client.getSize('file')).toBe(4)
    expect(await Promise.all([client.isFile('file'), client.isDir('directory'), client.isLink('link')])).toEqual([
      true,
      true,
      true,
    ])
    expect(await Promise.all([client.isFile('directory'), client.isDir('file'), client.isLink('file')])).toEqual([
      false,
      false,
      false,
    ])
    expect(await Promise.all(['file', 'nothing', 'file/below'].map((path) => client.exists(path)))).toEqual([
      true,
      false,
      false,
    ])
  })

  test('tells a dangling link from nothing', async () => {
    const { client } = await start()
    await client.symlink('nowhere', 'dangling')
    expect(await client.exists('dangling')).toBe(false)
    expect(await client.lexists('dangling')).toBe(true)
    expect(await client.readlink('dangling')).toBe('nowhere')
  })

  test('sets permissions, times and size', async () => {
    const { client } = await start()
    await client.writeFile('a', 'hello')
    await client.chmod('a', 0o640)
    await client.utime('a', 1_000_000, new Date(2_000_000_000))
    await client.truncate('a', 2)
    expect(await client.readFile('a', { encoding: 'utf8' })).toBe('he')
    await client.utime('a', 1_000_000, new Date(2_000_000_000))
    const { permissions = 0 } = await client.stat('a')
    expect(permissions & 0o777).toBe(0o640)
    expect(await client.getAtime('a')).toBe(1_000_000)
    expect(await client.getMtime('a')).toBe(2_000_000)
    const { uid = 0, gid = 0 } = await client.stat('a')
    await client.chown('a', uid, gid)
  })

  test('removes, renames and links', async () => {
    const { client } = await start()
    await client.writeFile('a', 'a')
    await client.writeFile('b', 'b')
    await expect(client.rename('a', 'b')).rejects.toMatchObject({ code: 'EEXIST', status: existsStatus(client) })
    await client.posixRename('a', 'b')
    expect(await client.readFile('b', { encoding: 'utf8' })).toBe('a')
    await client.rename('b', 'c')
    await client.link('c', 'd')
    await client.remove('c')
    expect(await client.listdir()).toEqual(['d'])
    await client.unlink('d')
    await client.mkdir('e')
    await client.rename('e', 'f')
    await client.rmdir('f')
    expect(await client.listdir()).toEqual([])
  })

  test('a missing file has the code of fs, and the path', async () => {
    const { client, cwd } = await start()
    await client.chdir(cwd)
    for (const attempt of [
      () => client.stat('none'),
      () => client.readFile('none'),
      () => client.remove('none'),
      () => client.readdir('none'),
      () => client.rename('none', 'other'),
      () => client.readlink('none'),
    ]) {
      await expect(attempt()).rejects.toMatchObject({ code: 'ENOENT', path: expect.stringMatching(/none$/) })
    }
  })

  test('walks with a current directory', async () => {
    const { client, cwd } = await start()
    expect(await client.getcwd()).toBe(cwd)
    await client.makedirs('one/two')
    await client.chdir('one')
    await client.writeFile('two/file', 'deep')
    expect(await client.getcwd()).toBe(cwd === '/' ? '/one' : `${cwd}/one`)
    expect(await client.realpath('two/../two/./file')).toMatch(/\/one\/two\/file$/)
    await client.chdir('..')
    expect(await client.readFile('one/two/file', { encoding: 'utf8' })).toBe('deep')
    await expect(client.chdir('one/two/file')).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  test('makes directories with those above, once or again', async () => {
    const { client } = await start()
    await client.makedirs('a/b/c', { mode: 0o700 })
    expect(await client.isDir('a/b/c')).toBe(true)
    await expect(client.makedirs('a/b/c')).rejects.toMatchObject({ code: 'EEXIST' })
    await client.makedirs('a/b/c', { existOk: true })
    await client.writeFile('a/file', '')
    await expect(client.makedirs('a/file', { existOk: true })).rejects.toMatchObject({ status: existsStatus(client) })
  })

  test('removes a tree and follows no link on the way', async () => {
    const { client, cwd } = await start()
    await client.makedirs('keep')
    await client.writeFile('keep/precious', 'x')
    await client.makedirs('tree/a/b')
    for (const name of ['tree/1', 'tree/a/2', 'tree/a/b/3']) await client.writeFile(name, name)
    await client.symlink(`${cwd === '/' ? '' : cwd}/keep`, 'tree/a/link')
    await client.symlink('../keep', 'tree/link')
    await expect(client.rmtree('tree/link')).rejects.toMatchObject({ code: 'ENOTDIR' })
    await client.rmtree('tree')
    expect(await client.listdir()).toEqual(['keep'])
    expect(await client.readFile('keep/precious', { encoding: 'utf8' })).toBe('x')
  })

  test('lists names, attributes and long names, without the dots', async () => {
    const { client } = await start()
    for (const name of ['b', 'a', '.hidden']) await client.writeFile(name, name)
    await client.mkdir('sub')
    const entries = (await client.readdir()).sort((a, b) => (a.name < b.name ? -1 : 1))
    expect(entries.map(({ name }) => name)).toEqual(['.hidden', 'a', 'b', 'sub'])
    expect(entries.map(({ attrs }) => attrs.type)).toEqual(['file', 'file', 'file', 'directory'])
    expect(entries[0]?.attrs.size).toBe(7)
    if (client.version === 3) expect(entries[0]?.longName).toMatch(/^-rw.* \.hidden$/)
    else expect(entries[0]?.longName).toBeUndefined()
    const seen: string[] = []
    for await (const { name } of client.scandir('.')) {
      seen.push(name)
      break
    }
    expect(seen).toHaveLength(1)
    expect(await client.listdir('sub')).toEqual([])
  })

  test('an open file reads, writes, seeks and tells', async () => {
    const { client } = await start()
    await using file = await client.open('a', 'w+')
    expect(await file.write('0123456789')).toBe(10)
    expect(await file.tell()).toBe(10)
    expect(await file.seek(2)).toBe(2)
    expect(String(await file.read(3))).toBe('234')
    expect(await file.tell()).toBe(5)
    expect(String(await file.read(2, 8))).toBe('89')
    expect(await file.tell()).toBe(5)
    expect(await file.seek(-1, 'end')).toBe(9)
    expect(String(await file.read())).toBe('9')
    expect(await file.read(5)).toHaveLength(0)
    expect(await file.seek(-4, 'current')).toBe(6)
    await file.write('x')
    await file.write('y', 0)
    expect(await file.readFile({ encoding: 'utf8' })).toBe('y12345x789')
    await file.truncate(3)
    expect((await file.stat()).size).toBe(3)
    await file.chmod(0o600)
    await file.utime(5, 6)
    expect((await file.stat()).mtime).toBe(6)
    await file.sync()
    await expect(file.seek(-1)).rejects.toMatchObject({ code: 'EINVAL' })
    await file.close()
    await expect(file.read()).rejects.toMatchObject({ code: 'ERR_SFTP_CLOSED' })
  })

  test('a file opened for appending writes at its end and knows its place when asked', async () => {
    const { client } = await start()
    await client.writeFile('log', 'one\n')
    await using file = await client.open('log', 'a+')
    await file.write('two\n', 0)
    expect(await file.tell()).toBe(8)
    await file.seek(4)
    await file.write('three\n')
    expect(await client.readFile('log', { encoding: 'utf8' })).toBe('one\ntwo\nthree\n')
  })

  test('exclusive opening refuses an existing file, even a link to nothing', async () => {
    const { client } = await start()
    await client.writeFile('a', 'x')
    await client.symlink('nowhere', 'dangling')
    await expect(client.open('a', 'wx')).rejects.toMatchObject({ status: existsStatus(client) })
    await expect(
      client.open('dangling', openFlags.write | openFlags.create | openFlags.exclusive),
    ).rejects.toMatchObject({ status: existsStatus(client) })
  })

  test('names of any bytes survive writing, listing, renaming and removing', async () => {
    const { client } = await start()
    const names = [
      'new\nline',
      '"quotes\'',
      '-x',
      'back\\slash',
      '*?[',
      'n\u0303',
      '\u00f1',
      'x'.repeat(255),
      'bad\udcff\udce9',
    ]
    for (const name of names) await client.writeFile(name, name.replace(/\p{Surrogate}/gu, '?'))
    expect((await client.listdir()).sort()).toEqual([...names].sort())
    for (const name of names) {
      expect(await client.readFile(name, { encoding: 'utf8' })).toBe(name.replace(/\p{Surrogate}/gu, '?'))
      await client.rename(name, 'renamed')
      await client.rename('renamed', name)
      await client.remove(name)
    }
    expect(await client.listdir()).toEqual([])
  })

  test('streams read a range and write in place', async () => {
    const { client } = await start()
    const out = client.createWriteStream('a')
    out.write('01234')
    out.end('56789')
    await new Promise((resolve, reject) => out.on('close', resolve).on('error', reject))
    expect(await text(client.createReadStream('a'))).toBe('0123456789')
    expect(await text(client.createReadStream('a', { start: 2, end: 4 }))).toBe('234')
    expect(await text(client.createReadStream('a', { start: 20 }))).toBe('')
    const patch = client.createWriteStream('a', { start: 3 })
    patch.end('xyz')
    await new Promise((resolve, reject) => patch.on('close', resolve).on('error', reject))
    expect(await client.readFile('a', { encoding: 'utf8' })).toBe('012xyz6789')
    const missing = client.createReadStream('none')
    await expect(text(missing)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test.skipIf(!hasOpenssh)('announces what OpenSSH offers, and asks for its limits', async () => {
  const { client } = await startOpenssh()
  expect(client.version).toBe(3)
  expect(client.extensions.get('posix-rename@openssh.com')).toBe('1')
  expect(await client.limits()).toMatchObject({ maxReadLength: 261120, maxWriteLength: 261120 })
  const vfs = await client.statvfs('.')
  expect(vfs.bsize).toBeGreaterThan(0)
  expect(vfs.blocks).toBeGreaterThanOrEqual(vfs.bavail)
})

test('what the server does not announce is refused without asking it', async () => {
  const { client } = await serve(new MemoryHandler())
  await expect(client.statvfs('/')).rejects.toMatchObject({ code: 'ENOTSUP', path: '/' })
})

test('attributes of a link itself need lsetstat', async () => {
  const { client } = await serve(new MemoryHandler())
  await client.symlink('target', 'link')
  await client.utime('link', 3, 4, { followSymlinks: false })
  expect((await client.lstat('link')).mtime).toBe(4)
  await expect(client.utime('link', 3, 4)).rejects.toMatchObject({ code: 'ENOENT' })
})

describe('the end of a session', () => {
  test('what waits and what comes later both fail at once after close', async () => {
    const { client } = await serve({ ...memoryFacade(), stat: () => new Promise(() => {}) })
    const waiting = client.stat('a')
    const closed = client.close()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_SFTP_CLOSED' })
    await expect(client.stat('a')).rejects.toMatchObject({ code: 'ERR_SFTP_CLOSED' })
    await closed
    await client.closed
    await client.close()
  })

  test('what waits fails with ERR_SFTP_CONNECTION_LOST when the server goes', async () => {
    const { client, session } = await serve({ ...memoryFacade(), stat: () => new Promise(() => {}) })
    const waiting = client.stat('a')
    await session.close()
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
    await client.closed
    await expect(client.listdir()).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
  })

  test('what waits says why when the link is lost', async () => {
    const [near, far] = memoryChannelPair()
    const session = serveSftp(far, { ...memoryFacade(), stat: () => new Promise(() => {}) })
    const client = await SftpClient.start(near)
    const waiting = [client.stat('a'), client.stat('b')]
    const cause = new Error('Nothing came from the server for 30 s')
    near.abort(cause)
    // Each about its own: an error that all of them shared would name one path, or none.
    for (const [index, path] of ['a', 'b'].entries()) {
      await expect(waiting[index]).rejects.toMatchObject({
        code: 'ERR_SFTP_CONNECTION_LOST',
        message: `The channel of the SFTP session closed: Nothing came from the server for 30 s, stat: "${path}"`,
        path,
        cause,
      })
    }
    await expect(client.lstat('c')).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST', path: 'c' })
    await session.closed
  })
})

describe('abort', () => {
  test('an aborted call rejects at once, and the session goes on', async () => {
    let answer: () => void = () => {}
    const handler = memoryFacade()
    const { client } = await serve({
      ...handler,
      stat: (path) => new Promise((resolve) => (answer = () => resolve(handler.stat(path)))),
    })
    const controller = new AbortController()
    const waiting = client.stat('/', { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError', code: 'ABORT_ERR', cause: new Error('enough') })
    await expect(client.lstat('/', { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    answer()
    expect((await client.lstat('/')).isDirectory()).toBe(true)
  })

  test('a file whose open was given up is closed again when its handle comes', async () => {
    const closes: string[] = []
    let opened: () => void = () => {}
    const handler = memoryFacade()
    const { client } = await serve({
      ...handler,
      open: (path, flags, attrs) =>
        new Promise((resolve) => (opened = () => resolve(handler.open(path, flags, attrs)))),
      close: () => void closes.push('closed'),
    })
    const controller = new AbortController()
    const waiting = client.open('a', 'w', {}, { signal: controller.signal })
    await client.lstat('/')
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORT_ERR' })
    opened()
    await expect.poll(() => closes).toEqual(['closed'])
  })

  test('one signal may serve a thousand calls without a warning', async () => {
    const warnings: Error[] = []
    const note = (warning: Error): void => void warnings.push(warning)
    process.on('warning', note)
    const { client } = await serve(new MemoryHandler())
    const { signal } = new AbortController()
    await Promise.all(Array.from({ length: 1000 }, () => client.stat('/', { signal })))
    await new Promise((resolve) => setImmediate(resolve))
    process.off('warning', note)
    expect(warnings).toEqual([])
  })
})

/** A handler as a plain object, so that a test can replace methods. */
function memoryFacade() {
  const memory = new MemoryHandler()
  return {
    open: memory.open.bind(memory),
    close: memory.close.bind(memory),
    read: memory.read.bind(memory),
    write: memory.write.bind(memory),
    fstat: memory.fstat.bind(memory),
    fsetstat: memory.fsetstat.bind(memory),
    stat: memory.stat.bind(memory),
    lstat: memory.lstat.bind(memory),
    scandir: memory.scandir.bind(memory),
    realpath: memory.realpath.bind(memory),
    readlink: memory.readlink.bind(memory),
    setstat: memory.setstat.bind(memory),
    mkdir: memory.mkdir.bind(memory),
    rmdir: memory.rmdir.bind(memory),
    remove: memory.remove.bind(memory),
    rename: memory.rename.bind(memory),
    symlink: memory.symlink.bind(memory),
  }
}
