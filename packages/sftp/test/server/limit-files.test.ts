import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openFlags } from '../../src/protocol/open-flags.js'
import { countFiles } from '../../src/server/file-usage.js'
import type { SftpHandler } from '../../src/server/handler.js'
import { type LimitedFile, limitFiles } from '../../src/server/limit-files.js'
import { type MemoryFile, MemoryHandler } from '../../src/server/memory-handler.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const { write, create, truncate, append } = openFlags
const overQuota = { code: 'EDQUOT', serverText: 'Disk quota exceeded' }

describe('bytes', () => {
  test('the last byte fits and the one after it is refused, told in words the client sees', async () => {
    const handler = limitFiles(new MemoryHandler(), { maximumBytes: 1000 })
    const { client } = await serve(handler)
    await client.writeFile('/a', Buffer.alloc(1000))
    await expect(client.appendFile('/a', 'x')).rejects.toMatchObject({ serverText: 'Disk quota exceeded' })
    await expect(client.writeFile('/b', 'x')).rejects.toMatchObject({ serverText: 'Disk quota exceeded' })
    expect(await handler.usage()).toEqual({ bytes: 1000, files: 2 })
  })

  test('what is there already counts, at any depth, and links do not', async () => {
    const root = temporaryDirectory()
    mkdirSync(join(root, 'a/b'), { recursive: true })
    writeFileSync(join(root, 'a/b/old'), Buffer.alloc(700))
    const handler = limitFiles(new SftpServer({ root }), { maximumBytes: 1000 })
    await handler.symlink('a/b/old', '/link')
    expect(await handler.usage()).toEqual({ bytes: 700, files: 4 })
    const file = await handler.open('/new', write | create, {})
    await handler.write(file, Buffer.alloc(300), 0)
    await expect(handler.write(file, Buffer.alloc(1), 300)).rejects.toMatchObject(overQuota)
    await handler.close(file)
  })

  test.each<[string, (handler: SftpHandler<LimitedFile<MemoryFile>>) => Promise<unknown>]>([
    ['a hole', async (handler) => handler.write(await handler.open('/a', write, {}), Buffer.alloc(1), 1_000_000)],
    ['setstat', async (handler) => handler.setstat('/a', { size: 1_000_000 })],
    ['lsetstat', async (handler) => handler.lsetstat?.('/a', { size: 1_000_000 })],
    ['setstat through a link', async (handler) => handler.setstat('/link', { size: 1_000_000 })],
    ['fsetstat', async (handler) => handler.fsetstat(await handler.open('/a', write, {}), { size: 1_000_000 })],
    ['2^53 - 1', async (handler) => handler.setstat('/a', { size: Number.MAX_SAFE_INTEGER })],
    [
      'appending',
      async (handler) => handler.write(await handler.open('/a', append | write, {}), Buffer.alloc(999_999), 0),
    ],
  ])('E12: %s goes through the limit', async (_name, grow) => {
    const memory = new MemoryHandler()
    const handler = limitFiles(memory, { maximumBytes: 1000 })
    await handler.close(await handler.open('/a', write | create, {}))
    await handler.setstat('/a', { size: 10 })
    await handler.symlink('/a', '/link')
    await expect(grow(handler)).rejects.toMatchObject(overQuota)
    expect(memory.stat('/a').size).toBe(10)
    expect(await handler.usage()).toEqual({ bytes: 10, files: 2 })
  })

  test('what is removed, replaced or cut off makes room', async () => {
    const handler = limitFiles(new MemoryHandler(), { maximumBytes: 100 })
    const { client } = await serve(handler)
    const full = Buffer.alloc(100)
    await client.writeFile('/a', full)
    await client.remove('/a')
    await client.writeFile('/b', full)
    await client.truncate('/b', 0)
    await client.writeFile('/c', full)
    await client.writeFile('/c', full)
    await client.writeFile('/d', '')
    await client.posixRename('/d', '/c')
    await client.writeFile('/e', full)
    expect(await handler.usage()).toEqual({ bytes: 100, files: 3 })
  })

  test('a file that has no name any more counts until it is closed', async () => {
    const handler = limitFiles(new MemoryHandler(), { maximumBytes: 100 })
    const file = await handler.open('/a', write | create, {})
    await handler.write(file, Buffer.alloc(60), 0)
    await handler.remove('/a')
    await handler.write(file, Buffer.alloc(30), 60)
    expect(await handler.usage()).toEqual({ bytes: 90, files: 0 })
    const other = await handler.open('/a', write | create, {})
    await expect(handler.write(other, Buffer.alloc(11), 0)).rejects.toMatchObject(overQuota)
    await handler.close(file)
    await handler.write(other, Buffer.alloc(100), 0)
    expect(await handler.usage()).toEqual({ bytes: 100, files: 1 })
  })

  test('what a failed write took is given back', async () => {
    class Failing extends MemoryHandler {
      override write(): never {
        throw Object.assign(new Error('disk'), { code: 'EIO' })
      }
    }
    const handler = limitFiles(new Failing(), { maximumBytes: 100 })
    const file = await handler.open('/a', write | create, {})
    await expect(handler.write(file, Buffer.alloc(60), 0)).rejects.toMatchObject({ code: 'EIO' })
    expect(await handler.usage()).toEqual({ bytes: 0, files: 1 })
  })

  test('two names of one file are not offered, for it would count once and last twice', async () => {
    const { client } = await serve(limitFiles(new MemoryHandler(), { maximumBytes: 100 }))
    await client.writeFile('/a', 'x')
    await expect(client.link('/a', '/b')).rejects.toMatchObject({ code: 'ENOTSUP' })
  })

  test('statvfs tells what is left under the limit', async () => {
    const root = temporaryDirectory()
    const { client } = await serve(limitFiles(new SftpServer({ root }), { maximumBytes: 2 ** 20, maximumFiles: 10 }))
    await client.writeFile('/a', Buffer.alloc(2 ** 19))
    const { frsize, blocks, bavail, files, ffree } = await client.statvfs('/')
    expect(blocks * frsize).toBe(2 ** 20)
    expect(bavail * frsize).toBe(2 ** 19)
    expect([files, ffree]).toEqual([10, 9])
  })
})

test('one file may have its own limit', async () => {
  const handler = limitFiles(new MemoryHandler(), { maximumFileSize: 10 })
  const file = await handler.open('/a', write | create, {})
  await handler.write(file, Buffer.alloc(10), 0)
  await expect(handler.write(file, Buffer.alloc(1), 10)).rejects.toMatchObject({ code: 'EFBIG' })
  await expect(handler.fsetstat(file, { size: 11 })).rejects.toMatchObject({ code: 'EFBIG' })
})

test('files, directories and links are counted together, and what exists may be opened at the limit', async () => {
  const handler = limitFiles(new MemoryHandler(), { maximumFiles: 3 })
  await handler.mkdir('/d', {})
  await handler.symlink('/d', '/l')
  await handler.close(await handler.open('/d/f', write | create, {}))
  await expect(handler.mkdir('/e', {})).rejects.toMatchObject(overQuota)
  await expect(handler.symlink('/d', '/m')).rejects.toMatchObject(overQuota)
  await expect(handler.link?.('/d/f', '/g')).rejects.toMatchObject(overQuota)
  await expect(handler.open('/g', write | create, {})).rejects.toMatchObject(overQuota)
  await handler.close(await handler.open('/d/f', write | create | truncate, {}))
  await handler.remove('/l')
  await handler.close(await handler.open('/g', write | create, {}))
})

test('reading, listing and looking are as before', async () => {
  const root = temporaryDirectory()
  writeFileSync(join(root, 'a'), 'hello')
  const { client } = await serve(limitFiles(new SftpServer({ root }), { maximumBytes: 0 }))
  expect(await client.readFile('/a', { encoding: 'utf8' })).toBe('hello')
  expect(await client.listdir('/')).toEqual(['a'])
  await client.chmod('/a', 0o600)
  expect(statSync(join(root, 'a')).mode & 0o777).toBe(0o600)
})

test('a limit that is no whole number is refused by name', () => {
  expect(() => limitFiles(new MemoryHandler(), { maximumBytes: -1 })).toThrow(/maximumBytes .* -1/)
  expect(() => limitFiles(new MemoryHandler(), { used: { bytes: Number.NaN, files: 0 } })).toThrow(/bytes .* NaN/)
})

/** Waits a few turns before each change, so that what is asked at once overlaps. */
class Slow extends MemoryHandler {
  turns: number[] = []
  async hop(): Promise<void> {
    for (let left = this.turns.pop() ?? 0; left > 0; left--) await Promise.resolve()
  }
}
const changing = ['open', 'write', 'fsetstat', 'setstat', 'remove', 'rename', 'posixRename', 'mkdir', 'rmdir'] as const

test('whatever is done at once, the count is that of a fresh look, and the limit was never passed', async () => {
  const name = fc.constantFrom('/a', '/b', '/d/a', '/d/b', '/d', '/e')
  const action = fc.oneof(
    fc.record({ do: fc.constant<'open'>('open'), path: name, flags: fc.constantFrom(write, write | create, 26, 14) }),
    fc.record({ do: fc.constant<'write'>('write'), file: fc.nat(5), position: fc.nat(120), length: fc.nat(60) }),
    fc.record({ do: fc.constant<'fsetstat'>('fsetstat'), file: fc.nat(5), size: fc.nat(150) }),
    fc.record({ do: fc.constant<'setstat'>('setstat'), path: name, size: fc.nat(150) }),
    fc.record({ do: fc.constantFrom<('remove' | 'rmdir' | 'mkdir')[]>('remove', 'rmdir', 'mkdir'), path: name }),
    fc.record({ do: fc.constantFrom<('rename' | 'posixRename')[]>('rename', 'posixRename'), path: name, to: name }),
    fc.record({ do: fc.constant<'close'>('close'), file: fc.nat(5) }),
  )
  const batches = fc.array(fc.array(action, { maxLength: 6 }), { maxLength: 12 })
  const property = fc.asyncProperty(batches, fc.array(fc.nat(6), { maxLength: 100 }), async (work, turns) => {
    const memory = new Slow()
    memory.turns = [...turns]
    const slow: SftpHandler<MemoryFile> = Object.create(
      {},
      Object.fromEntries(
        [...changing, 'close', 'read', 'fstat', 'stat', 'lstat', 'scandir', 'realpath', 'readlink', 'symlink'].map(
          (method) => {
            const call = (...args: unknown[]): unknown => Reflect.apply(Reflect.get(memory, method), memory, args)
            const isSlow = (changing as readonly string[]).includes(method)
            const slowly = async (...args: unknown[]) => {
              await memory.hop()
              return call(...args)
            }
            return [method, { value: isSlow ? slowly : call }]
          },
        ),
      ),
    )
    const handler = limitFiles(slow, { maximumBytes: 200, maximumFiles: 4 })
    const open: LimitedFile<MemoryFile>[] = []
    for (const batch of work) {
      await Promise.allSettled(
        batch.map(async (step): Promise<unknown> => {
          switch (step.do) {
            case 'open':
              return open.push(await handler.open(step.path, step.flags, {}))
            case 'setstat':
              return handler.setstat(step.path, { size: step.size })
            case 'rename':
            case 'posixRename':
              return handler[step.do]?.(step.path, step.to)
            case 'mkdir':
              return handler.mkdir(step.path, {})
            case 'remove':
            case 'rmdir':
              return handler[step.do](step.path)
          }
          const file = open[step.file]
          if (file === undefined) return undefined
          if (step.do === 'write') return handler.write(file, Buffer.alloc(step.length), step.position)
          if (step.do === 'fsetstat') return handler.fsetstat(file, { size: step.size })
          open.splice(step.file, 1)
          return handler.close(file)
        }),
      )
      const { bytes, files } = await countFiles(memory)
      expect(bytes).toBeLessThanOrEqual(200)
      expect(files).toBeLessThanOrEqual(4)
    }
    await Promise.all(open.map((file) => handler.close(file)))
    expect(await handler.usage()).toEqual(await countFiles(memory))
  })
  await fc.assert(property, { numRuns: 300 })
})

/** Whether it succeeds does not matter. */
async function settled(work: () => unknown): Promise<void> {
  await Promise.allSettled([(async () => work())()])
}

describe('ways around', () => {
  const limits = { maximumBytes: 1000, maximumFileSize: 1000, maximumFiles: 10 }
  const handlers = [
    ['in memory', () => new MemoryHandler()],
    ['in a jail', () => new SftpServer({ root: temporaryDirectory() })],
  ] as const

  /** Under limits, as whoever knows nothing of the files behind them. */
  const limited = (make: () => unknown, some: object = limits) => limitFiles(make() as SftpHandler<never>, some)

  describe.each(handlers)('%s', (_, make) => {
    const put = async (handler: ReturnType<typeof limited>, path: string, size: number) => {
      const file = await handler.open(path, write | create, {})
      await handler.write(file, Buffer.alloc(size), 0)
      return file
    }

    test('a file that is open for reading gets no other size', async () => {
      const handler = limited(make)
      await handler.close(await put(handler, '/a', 10))
      for (const flags of [openFlags.read, 0]) {
        const file = await handler.open('/a', flags, {})
        await expect(handler.fsetstat(file, { size: 5000 })).rejects.toMatchObject({ code: 'EBADF' })
        await expect(handler.write(file, Buffer.alloc(10), 4000)).rejects.toMatchObject({ code: 'EBADF' })
        await handler.close(file)
      }
      expect((await handler.stat('/a')).size).toBe(10)
      expect(await handler.usage()).toEqual({ bytes: 10, files: 1 })
    })

    test.each(['/l/.', '/l//', '/l/', '/./l/./.', 'l/.'])(
      'a link that is removed as %s does not take what it leads to out of the count',
      async (path) => {
        const handler = limited(make)
        const file = await put(handler, '/t', 900)
        await handler.symlink('t', '/l')
        await settled(() => handler.remove(path))
        await handler.close(file)
        expect(await handler.usage()).toEqual(await countFiles(handler))
        await expect(put(handler, '/u', 900)).rejects.toMatchObject(overQuota)
      },
    )

    test.each(['/l/.', '/l/', 'l/./'])('nor one that is renamed as %s, to and from', async (path) => {
      const handler = limited(make)
      const file = await put(handler, '/t', 900)
      await handler.symlink('t', '/l')
      await handler.symlink('none', '/other')
      await settled(() => handler.posixRename?.(path, '/m'))
      await settled(() => handler.posixRename?.('/other', path))
      await settled(() => handler.rename(path, '/n'))
      await handler.close(file)
      expect(await handler.usage()).toEqual(await countFiles(handler))
    })

    test('a file that replaces itself under another name leaves both, and both count', async () => {
      const handler = limited(make, { maximumFiles: 3 })
      await handler.close(await put(handler, '/a', 1))
      for (let round = 0; round < 3; round++) {
        await handler.link?.('/a', '/b')
        await handler.posixRename?.('/a', '/b')
        expect(await handler.usage()).toEqual({ bytes: expect.anything(), files: 2 })
        await handler.remove('/b')
      }
      expect((await handler.usage()).files).toBe(1)
    })

    test('a file of two names, each of them appended to, gets no longer than one may be', async () => {
      const handler = limited(make, { maximumFileSize: 100 })
      const file = await put(handler, '/a', 10)
      await settled(() => handler.link?.('/a', '/b'))
      const other = await handler.open('/b', append | write | create, {})
      const same = await handler.open('/a', append | write, {})
      for (const one of [other, same]) await settled(() => handler.write(one, Buffer.alloc(80), 0))
      for (const one of [other, same]) await settled(() => handler.write(one, Buffer.alloc(80), 0))
      for (const one of [file, other, same]) await handler.close(one)
      expect((await handler.stat('/a')).size).toBeLessThanOrEqual(100)
      expect((await handler.stat('/b')).size).toBeLessThanOrEqual(100)
    })
  })

  test('a size set on what was a link when it was looked at does not become that of a file', async () => {
    const memory = new MemoryHandler()
    const handler = limitFiles(memory, { maximumBytes: 1000 })
    await handler.close(await handler.open('/a', write | create, {}))
    await handler.symlink('a', '/l')
    const look = memory.lstat.bind(memory)
    memory.lstat = (path) => {
      const attrs = look(path)
      if (path === '/l') memory.posixRename('/a', '/l')
      return attrs
    }
    await expect(handler.lsetstat?.('/l', { size: 5000 })).rejects.toThrow()
    expect(memory.stat('/l').size).toBe(0)
  })
})
