import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  promises as fsPromises,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Readable, Writable } from 'node:stream'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { SftpProgress } from '../../src/client/options.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { serve, servers } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

/** A tree with files of awkward sizes, an empty directory and links. */
function makeTree(root: string): void {
  mkdirSync(join(root, 'sub/empty'), { recursive: true })
  for (const size of [0, 1, 32767, 32768, 32769, 261120, 600_000])
    writeFileSync(join(root, `f${size}`), randomBytes(size))
  for (let index = 0; index < 60; index++) writeFileSync(join(root, 'sub', `s${index}`), `content ${index}`)
  symlinkSync('f1', join(root, 'link'))
  symlinkSync('nowhere', join(root, 'sub/dangling'))
}

/** Paths and contents below a directory: what two equal trees have in common. */
function fingerprint(root: string, path = ''): Record<string, string> {
  const found: Record<string, string> = {}
  for (const name of readdirSync(join(root, path)).sort()) {
    const below = join(path, name)
    const stats = lstatSync(join(root, below))
    if (stats.isSymbolicLink()) found[below] = `-> ${readlinkSync(join(root, below))}`
    else if (stats.isDirectory()) Object.assign(found, { [`${below}/`]: '' }, fingerprint(root, below))
    else
      found[below] = createHash('sha256')
        .update(readFileSync(join(root, below)))
        .digest('hex')
  }
  return found
}

describe.each(servers.filter(({ isHere, isSlow }) => isHere && !isSlow))('copying to and from $name', ({ start }) => {
  test('a tree goes there and back unchanged', async () => {
    const { client } = await start()
    const root = temporaryDirectory()
    mkdirSync(join(root, 'tree'))
    makeTree(join(root, 'tree'))
    await client.put(join(root, 'tree'), 'copy', { recurse: true })
    await client.get('copy', join(root, 'back'), { recurse: true })
    expect(fingerprint(join(root, 'back'))).toEqual(fingerprint(join(root, 'tree')))
  })

  test('a directory that exists gets the copy inside it', async () => {
    const { client } = await start()
    const root = temporaryDirectory()
    mkdirSync(join(root, 'tree'))
    writeFileSync(join(root, 'tree/a'), 'a')
    await client.mkdir('there')
    await client.put(join(root, 'tree'), 'there', { recurse: true })
    await client.put(join(root, 'tree/a'), 'there')
    expect((await client.listdir('there')).sort()).toEqual(['a', 'tree'])
    mkdirSync(join(root, 'here'))
    await client.get('there/tree', join(root, 'here'), { recurse: true })
    await client.get(['there/a'], join(root, 'here'))
    expect(fingerprint(join(root, 'here'))).toEqual({
      a: createHash('sha256').update('a').digest('hex'),
      'tree/': '',
      'tree/a': createHash('sha256').update('a').digest('hex'),
    })
  })

  test('preserve keeps modes and times, of directories too', async () => {
    const { client } = await start()
    const root = temporaryDirectory()
    mkdirSync(join(root, 'tree/sub'), { recursive: true })
    writeFileSync(join(root, 'tree/sub/a'), 'a')
    chmodSync(join(root, 'tree/sub/a'), 0o751)
    chmodSync(join(root, 'tree/sub'), 0o711)
    utimesSync(join(root, 'tree/sub/a'), 1000, 2000)
    utimesSync(join(root, 'tree/sub'), 3000, 4000)
    await client.put(join(root, 'tree'), 'copy', { recurse: true, preserve: true })
    await client.get('copy', join(root, 'back'), { recurse: true, preserve: true })
    const [file, directory] = [statSync(join(root, 'back/sub/a')), statSync(join(root, 'back/sub'))]
    expect([file.mode & 0o777, file.mtimeMs]).toEqual([0o751, 2_000_000])
    expect([directory.mode & 0o777, directory.mtimeMs]).toEqual([0o711, 4_000_000])
  })

  test('links are copied as links, or followed when asked', async () => {
    const { client } = await start()
    const root = temporaryDirectory()
    mkdirSync(join(root, 'tree'))
    writeFileSync(join(root, 'tree/a'), 'a')
    symlinkSync('a', join(root, 'tree/link'))
    await client.put(join(root, 'tree'), 'copy', { recurse: true, followSymlinks: true })
    expect((await client.lstat('copy/link')).isFile()).toBe(true)
    await client.symlink('a', 'copy/link2')
    await client.get('copy', join(root, 'back'), { recurse: true })
    expect(readlinkSync(join(root, 'back/link2'))).toBe('a')
    await client.get('copy/link2', join(root, 'followed'), { followSymlinks: true })
    expect(readFileSync(join(root, 'followed'), 'utf8')).toBe('a')
  })

  test('patterns choose on both sides, and no match is an error', async () => {
    const { client } = await start()
    const root = temporaryDirectory()
    for (const name of ['a.txt', 'b.txt', 'c.bin']) writeFileSync(join(root, name), name)
    await client.mkdir('in')
    await client.mput(join(root, '*.txt'), 'in')
    expect((await client.listdir('in')).sort()).toEqual(['a.txt', 'b.txt'])
    mkdirSync(join(root, 'out'))
    await client.mget('in/{a,b}.*', join(root, 'out'))
    expect(readdirSync(join(root, 'out')).sort()).toEqual(['a.txt', 'b.txt'])
    await expect(client.mget('in/*.none', root)).rejects.toMatchObject({ code: 'ENOENT', path: 'in/*.none' })
    await expect(client.mput(join(root, '*.none'), 'in')).rejects.toMatchObject({ code: 'ENOENT' })
    const errors: Error[] = []
    await client.mget(['in/*.none', 'in/a*'], join(root, 'out'), { onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'ENOENT' }])
  })

  test('streams and bytes are sources and targets', async () => {
    const { client } = await start()
    const content = randomBytes(400_000)
    await client.put(content, 'bytes')
    await client.put(Readable.from([content.subarray(0, 10), content.subarray(10)]), 'stream')
    await client.put(
      (async function* () {
        for (let offset = 0; offset < content.length; offset += 777) yield content.subarray(offset, offset + 777)
      })(),
      'iterable',
    )
    for (const name of ['bytes', 'stream', 'iterable']) {
      const chunks: Buffer[] = []
      const target = new Writable({
        write(chunk, _encoding, callback) {
          chunks.push(chunk)
          callback()
        },
      })
      await client.get(name, target)
      expect(target.writableFinished).toBe(true)
      expect(Buffer.concat(chunks).equals(content)).toBe(true)
    }
  })
})

test('a directory without recurse is an error that says so', async () => {
  const { client } = await serve(new MemoryHandler())
  await client.mkdir('dir')
  await expect(client.get('dir', temporaryDirectory())).rejects.toThrow(/only with the option recurse/)
  await expect(client.put(temporaryDirectory(), 'x')).rejects.toMatchObject({ code: 'EISDIR' })
})

test('a name that ends in a slash is a directory, and a missing one is said to be missing', async () => {
  const { client } = await serve(new MemoryHandler())
  const root = temporaryDirectory()
  await client.writeFile('a', 'x')
  await expect(client.get('a', join(root, 'new/'))).rejects.toMatchObject({ code: 'ENOENT', path: join(root, 'new/') })
  writeFileSync(join(root, 'b'), 'x')
  const putting = client.put(join(root, 'b'), 'new/')
  await expect(putting).rejects.toThrow('ENOENT: no such directory to copy into; make it first: "new/"')
  mkdirSync(join(root, 'tree'))
  await client.put(join(root, 'tree'), 'new/', { recurse: true })
  expect(await client.isDir('new')).toBe(true)
})

test('several sources go into a directory, which is made if it is missing', async () => {
  const { client } = await serve(new MemoryHandler())
  const root = temporaryDirectory()
  for (const name of ['a', 'b']) await client.writeFile(name, name)
  await client.get(['a', 'b'], join(root, 'out'))
  await client.mget('a*', join(root, 'matches'))
  expect(fingerprint(root)).toMatchObject({
    'out/a': expect.any(String),
    'out/b': expect.any(String),
    'matches/a': expect.any(String),
  })
  writeFileSync(join(root, 'file'), '')
  await expect(client.get(['a', 'b'], join(root, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
  await client.mkdir('sub')
  await client.writeFile('sub/a', 'another')
  await expect(client.mget('**/a', join(root, 'out'))).rejects.toMatchObject({ code: 'EEXIST', path: 'sub/a' })
  await expect(client.get(['a', 'b'], new PassThrough())).rejects.toMatchObject({ code: 'EINVAL' })
  await expect(client.put(Buffer.from('x'))).rejects.toMatchObject({ code: 'EINVAL' })
})

test('an upload asks for nothing but open, write and close', async () => {
  const asked: string[] = []
  class Recorder extends MemoryHandler {
    override open(...args: Parameters<MemoryHandler['open']>) {
      asked.push(`open ${((args[2].permissions ?? 0) & 0o777).toString(8)}`)
      return super.open(...args)
    }
    override setstat(): never {
      throw new Error('not asked for')
    }
    override fsetstat(): never {
      throw new Error('not asked for')
    }
  }
  const { client } = await serve(new Recorder())
  const root = temporaryDirectory()
  writeFileSync(join(root, 'a'), 'a')
  chmodSync(join(root, 'a'), 0o750)
  await client.put(join(root, 'a'), 'a')
  expect(asked).toEqual(['open 750'])
})

test('progress counts files and bytes up to the whole', async () => {
  const { client } = await serve(new MemoryHandler())
  const root = temporaryDirectory()
  mkdirSync(join(root, 'tree'))
  for (let index = 0; index < 10; index++) writeFileSync(join(root, 'tree', `f${index}`), Buffer.alloc(index * 1000))
  const events: SftpProgress[] = []
  await client.put(join(root, 'tree'), 'tree', { recurse: true, progress: (event) => events.push(event) })
  expect(events.at(-1)).toMatchObject({ files: { done: 10, total: 10 }, bytes: { done: 45_000, total: 45_000 } })
  const finals = events.filter(({ transferred, total }) => transferred === total)
  expect(new Set(finals.map(({ src }) => src)).size).toBe(10)
  for (const { bytes, files, transferred, total } of events) {
    expect(bytes.done).toBeLessThanOrEqual(bytes.total)
    expect(files.done).toBeLessThanOrEqual(files.total)
    expect(transferred).toBeLessThanOrEqual(total)
  }
  const few: SftpProgress[] = []
  await client.put(Buffer.alloc(5_000_000), 'big', { progress: (event) => few.push(event) })
  expect(few.at(-1)).toMatchObject({ dst: 'big', transferred: 5_000_000, total: 5_000_000 })
  expect(few.length).toBeLessThan(100)
})

test('R13: errors are collected with their paths, and the rest arrives', async () => {
  class Refusing extends MemoryHandler {
    override open(path: string, ...rest: [number, object]) {
      if (path.endsWith('secret')) throw Object.assign(new Error('no'), { code: 'EACCES' })
      return super.open(path, ...rest)
    }
  }
  const { client } = await serve(new Refusing())
  const root = temporaryDirectory()
  mkdirSync(join(root, 'tree'))
  for (const name of ['a', 'secret', 'z']) writeFileSync(join(root, 'tree', name), name)
  const errors: unknown[] = []
  await client.put(join(root, 'tree'), 'tree', { recurse: true, onError: (error) => errors.push(error) })
  expect(errors).toMatchObject([{ code: 'EACCES', srcpath: join(root, 'tree/secret'), dstpath: 'tree/secret' }])
  expect((await client.listdir('tree')).sort()).toEqual(['a', 'z'])
  await expect(client.put(join(root, 'tree'), 'again', { recurse: true })).rejects.toMatchObject({ code: 'EACCES' })
})

test('what onError throws ends the transfer', async () => {
  const { client } = await serve(new MemoryHandler())
  const root = temporaryDirectory()
  writeFileSync(join(root, 'a'), 'a')
  const onError = () => {
    throw new Error('enough')
  }
  await expect(client.put([join(root, 'a')], '/', { onError })).resolves.toBeUndefined()
  await client.mkdir('taken')
  await client.mkdir('taken/a')
  await expect(client.put([join(root, 'a')], 'taken', { onError })).rejects.toThrow('enough')
})

test('what onError throws again is not told again for each directory above', async () => {
  const { client } = await serve(new MemoryHandler())
  const root = temporaryDirectory()
  mkdirSync(join(root, 'tree/sub/deep/taken'), { recursive: true })
  await client.makedirs('tree/sub/deep')
  await client.writeFile('tree/sub/deep/taken', 'a file')
  const told: unknown[] = []
  const onError = (error: Error) => {
    told.push(error)
    throw error
  }
  await expect(client.put(join(root, 'tree'), '/', { recurse: true, onError })).rejects.toMatchObject({
    srcpath: join(root, 'tree/sub/deep/taken'),
  })
  expect(told).toHaveLength(1)
})

test('R19: a local name that cannot be looked at is one error among others', async () => {
  const { client } = await serve(new MemoryHandler())
  const root = temporaryDirectory()
  mkdirSync(join(root, 'tree'))
  for (const name of ['a', 'gone', 'z']) writeFileSync(join(root, 'tree', name), name)
  const lstat = fsPromises.lstat
  const spy = vi.spyOn(fsPromises, 'lstat').mockImplementation((path) => {
    return String(path).endsWith('gone') ? Promise.reject(Object.assign(new Error(), { code: 'ENOENT' })) : lstat(path)
  })
  onTestFinished(() => spy.mockRestore())
  const errors: unknown[] = []
  await client.put(join(root, 'tree'), 'tree', { recurse: true, onError: (error) => errors.push(error) })
  expect(errors).toMatchObject([{ code: 'ENOENT', srcpath: join(root, 'tree/gone'), dstpath: 'tree/gone' }])
  expect((await client.listdir('tree')).sort()).toEqual(['a', 'z'])
})

test('an offset that is none is refused before anything is written', async () => {
  const { client } = await serve(new MemoryHandler())
  const file = await client.open('a', 'w')
  for (const offset of [Number.NaN, -1, 0.5, 2 ** 53]) {
    await expect(file.write('x', offset)).rejects.toMatchObject({ code: 'ERR_SFTP_UNSAFE_INTEGER' })
  }
  expect(await client.getSize('a')).toBe(0)
})

test('R12: a full local disk keeps its code, and says where', async () => {
  const { client } = await serve(new MemoryHandler())
  await client.writeFile('a', Buffer.alloc(100_000))
  if (!existsSync('/dev/full')) return
  await expect(client.get('a', '/dev/full')).rejects.toMatchObject({
    code: 'ENOSPC',
    path: '/dev/full',
    details: { offset: 0 },
    cause: { code: 'ENOSPC' },
  })
  expect(existsSync('/dev/full')).toBe(true)
})

test('R17: an aborted transfer rejects, leaves no half file and no open handle, and the session goes on', async () => {
  const root = temporaryDirectory()
  const served = temporaryDirectory()
  writeFileSync(join(served, 'big'), Buffer.alloc(30_000_000))
  const open = new Set<unknown>()
  class Counting extends SftpServer {
    override async open(...args: Parameters<SftpServer['open']>) {
      const file = await super.open(...args)
      open.add(file)
      return file
    }
    override async close(file: Awaited<ReturnType<SftpServer['open']>>) {
      open.delete(file)
      return super.close(file)
    }
  }
  const { client } = await serve(new Counting({ root: served }))
  const controller = new AbortController()
  const progress = () => controller.abort(new Error('enough'))
  const getting = client.get('big', join(root, 'big'), { signal: controller.signal, progress })
  await expect(getting).rejects.toMatchObject({ code: 'ABORT_ERR', cause: new Error('enough') })
  expect(readdirSync(root)).toEqual([])
  expect(await client.getSize('big')).toBe(30_000_000)
  await expect.poll(() => open.size).toBe(0)
  const file = await client.open('big')
  const late = new AbortController()
  late.abort()
  await expect(file.close({ signal: late.signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
  await expect.poll(() => open.size).toBe(0)
  await expect(client.put(join(served, 'big'), 'x', { signal: late.signal })).rejects.toMatchObject({
    code: 'ABORT_ERR',
  })
})

test('a stuck source is let go when the transfer is aborted', async () => {
  const { client } = await serve(new MemoryHandler())
  const controller = new AbortController()
  const stuck = (async function* () {
    yield Buffer.from('x')
    controller.abort()
    await new Promise(() => {})
  })()
  await expect(client.put(stuck, 'a', { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
})

test('R25: many operations at once on one channel do not disturb each other', async () => {
  const { client } = await serve(new SftpServer({ root: temporaryDirectory() }))
  const contents = Array.from({ length: 64 }, (_, index) => randomBytes(index * 5000))
  await Promise.all(contents.map((content, index) => client.writeFile(`f${index}`, content)))
  const read = await Promise.all(contents.map((_, index) => client.readFile(`f${index}`)))
  expect(read.every((bytes, index) => bytes.equals(contents[index] ?? Buffer.alloc(1)))).toBe(true)
})

test.each([
  [{ concurrency: 0 }, 'concurrency'],
  [{ blockSize: 0 }, 'blockSize'],
  [{ maxRequests: 1.5 }, 'maxRequests'],
])('options that would stall a transfer are refused by name: %o', async (options, name) => {
  const { client } = await serve(new MemoryHandler())
  await expect(client.get('a', 'b', options)).rejects.toThrow(new RegExp(`Expected ${name}`))
})

test('block size and requests in flight are what was asked for', async () => {
  let inFlight = 0
  let most = 0
  const lengths = new Set<number>()
  class Slow extends MemoryHandler {
    override read(...args: Parameters<MemoryHandler['read']>): never | number {
      lengths.add(args[1].length)
      return super.read(...args)
    }
  }
  const handler = new Slow()
  const { client } = await serve({
    ...bind(handler),
    read: async (file, into, position) => {
      most = Math.max(most, ++inFlight)
      await new Promise((resolve) => setImmediate(resolve))
      inFlight--
      return handler.read(file, into, position)
    },
  })
  await client.writeFile('a', Buffer.alloc(100_000))
  const root = temporaryDirectory()
  await client.get('a', join(root, 'a'), { blockSize: 1000, maxRequests: 3 })
  expect(statSync(join(root, 'a')).size).toBe(100_000)
  expect([...lengths]).toEqual([1000])
  expect(most).toBe(1)
})

/** A handler's methods as own properties, to replace some. */
function bind(handler: MemoryHandler) {
  const methods = Object.getOwnPropertyNames(MemoryHandler.prototype) as (keyof MemoryHandler)[]
  const bound = methods
    .filter((name) => typeof handler[name] === 'function')
    .map((name) => [name, handler[name].bind(handler)])
  return Object.fromEntries(bound) as Pick<MemoryHandler, keyof MemoryHandler>
}
