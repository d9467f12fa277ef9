/** What the client has beside one method per request: forms that AsyncSSH and Node's fs have too. */

import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { SftpStats } from '../../src/client/stats.js'
import { fileTypes } from '../../src/protocol/attrs.js'
import { framePacket } from '../../src/protocol/framing.js'
import { replies } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { regularFile, withScript } from '../scripted-peers.js'
import { servers } from '../servers.js'

for (const { name, isHere, isSlow = false, start } of servers) {
  describe.skipIf(!isHere || isSlow)(`on ${name}`, () => {
    test('globs tell attributes too', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await client.makedirs('d/sub')
      await client.writeFile('d/file', 'four')
      await client.symlink('sub', 'd/link')
      const entries = await client.globEntries('d/*')
      const found = entries.map(({ path, attrs }) => [path, attrs.type]).sort()
      expect(found).toEqual([
        ['d/file', 'file'],
        ['d/link', 'symlink'],
        ['d/sub', 'directory'],
      ])
      for await (const { path, attrs } of client.globEntries(['d/file', 'd/l*/'])) {
        expect([path, attrs.type, attrs.type === 'file' ? attrs.size : 0]).toEqual(
          path === 'd/file' ? [path, 'file', 4] : ['d/link/', 'directory', 0],
        )
      }
      const errors: unknown[] = []
      expect(await client.globEntries('none*', { onError: (error) => errors.push(error) })).toEqual([])
      expect(errors).toMatchObject([{ code: 'ENOENT', path: 'none*' }])
    })

    test('parts of a file come in any order, and are all of it', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      const data = randomBytes(1_000_000)
      await client.writeFile('file', data)
      await using file = await client.open('file', 'r', {}, { blockSize: 10_000 })
      const all = Buffer.alloc(data.length)
      let total = 0
      for await (const { position, data: part } of file.readParallel()) {
        part.copy(all, position)
        total += part.length
      }
      expect([total, all.equals(data), await file.tell()]).toEqual([data.length, true, 0])
      const some: Buffer[] = []
      for await (const { position, data: part } of file.readParallel(25_000, 999_990)) {
        expect(position).toBe(999_990)
        some.push(part)
      }
      expect(Buffer.concat(some).equals(data.subarray(999_990))).toBe(true)
      for await (const _ of file.readParallel(0)) expect.unreachable()
      await expect(file.readParallel(-1).next()).rejects.toMatchObject({ code: 'EINVAL' })
      // Given up half-way: nothing is left that would end the process, and the file goes on.
      for await (const _ of file.readParallel()) break
      expect((await file.read(10, 0)).equals(data.subarray(0, 10))).toBe(true)
    })

    test('text is read and written in the encoding that is asked for', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await using file = await client.open('file', 'w+b')
      expect(await file.write('grün', 0, { encoding: 'latin1' })).toBe(4)
      expect(await file.write('grün', 4)).toBe(5)
      expect(await file.read(4, 0, { encoding: 'latin1' })).toBe('grün')
      expect(await file.read(undefined, 4, { encoding: 'utf8' })).toBe('grün')
      expect(await file.read(1, 0)).toEqual(Buffer.from('g'))
      await expect(file.read(-1, 0)).rejects.toMatchObject({ code: 'EINVAL' })
      await expect(file.read(Number.NaN, 0)).rejects.toMatchObject({ code: 'EINVAL' })
    })

    test('files are opened with the modes of Python too', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      for (const flags of ['wb', 'rb', 'r+b', 'rb+', 'ab', 'a+b'] as const) {
        await (await client.open('file', flags)).close()
      }
      await expect(client.open('file', 'xb')).rejects.toMatchObject({ code: 'EEXIST' })
      for (const flags of ['b', 'rbb', 'br+x', 'rt', '']) {
        await expect(client.open('file', flags as 'r')).rejects.toMatchObject({ code: 'EINVAL' })
      }
    })

    test('times come in seconds and in nanoseconds', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await client.writeFile('file', '')
      await client.utime('file', 1_000_000_000, 1_100_000_000)
      expect(await client.getAtimeNs('file')).toBe(1_000_000_000_000_000_000n)
      expect(await client.getMtimeNs('file')).toBe(1_100_000_000_000_000_000n)
      expect([await client.getAtime('file'), await client.getMtime('file')]).toEqual([1_000_000_000, 1_100_000_000])
      if (client.version === 3) {
        await expect(client.getCrtime('file')).rejects.toMatchObject({ code: 'ENOTSUP', path: 'file' })
        await expect(client.getCrtimeNs('file')).rejects.toMatchObject({ code: 'ENOTSUP' })
        return
      }
      expect(BigInt(Math.floor(await client.getCrtime('file')))).toBe(
        (await client.getCrtimeNs('file')) / 1_000_000_000n,
      )
      await client.utime('file', 1_000_000_000.5, 1_100_000_000_250_000_000n)
      expect([await client.getAtime('file'), await client.getMtime('file')]).toEqual([
        1_000_000_000.5, 1_100_000_000.25,
      ])
      expect(await client.getMtimeNs('file')).toBe(1_100_000_000_250_000_000n)
    })

    test('directories are made with attributes, and removed in spite of errors when told to', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await client.mkdir('one', { attrs: { permissions: 0o700 } })
      await client.makedirs('two/three', { attrs: { permissions: 0o700 } })
      for (const path of ['one', 'two', 'two/three']) {
        expect(((await client.stat(path)).permissions ?? 0) & 0o777).toBe(0o700)
      }
      await client.rmtree('none', { ignoreErrors: true })
      await expect(client.rmtree('none')).rejects.toMatchObject({ code: 'ENOENT' })
      await client.rmtree('two', { ignoreErrors: true })
      expect(await client.listdir()).toEqual(['one'])
    })
  })
}

test('sizes and places that a number cannot hold exactly are refused before anything is asked', async () => {
  const { client, server } = await withScript((request, answers) => {
    if (request.type === 'open') answers.handle(request.id, 'h')
    else if (request.type === 'fstat' || request.type === 'stat') answers.attrs(request.id, { size: 2 ** 53 - 1 })
  })
  const file = await client.open('f', 'r+')
  const before = server.requests.length
  const unsafe = { code: 'ERR_SFTP_UNSAFE_INTEGER' }
  await expect(file.read(10, 2 ** 53)).rejects.toMatchObject(unsafe)
  await expect(file.read(10, -1)).rejects.toMatchObject(unsafe)
  await expect(file.read(1e9, 2 ** 53)).rejects.toMatchObject(unsafe)
  await expect(file.write('x', 2 ** 53)).rejects.toMatchObject(unsafe)
  await expect(file.write(Buffer.alloc(100_000), 2 ** 53 - 10)).rejects.toMatchObject(unsafe)
  await expect(file.truncate(2 ** 53)).rejects.toMatchObject(unsafe)
  await expect(client.truncate('f', 2 ** 53)).rejects.toMatchObject(unsafe)
  await expect(file.seek(2 ** 53)).rejects.toMatchObject({ code: 'EINVAL' })
  await client.stat('f')
  expect(server.requests.slice(before).map(({ type }) => type)).toEqual(['stat'])
  expect((await file.stat()).size).toBe(2 ** 53 - 1)
  await expect(file.seek(1, 'end')).rejects.toMatchObject({ code: 'EINVAL' })
  expect(await file.seek(0, 'end')).toBe(2 ** 53 - 1)
})

test('a type is asked for as of fs.Stats', () => {
  const questions = (type: keyof typeof fileTypes) => {
    const stats = new SftpStats({ permissions: fileTypes[type] | 0o644 })
    return [
      stats.isFile(),
      stats.isDirectory(),
      stats.isSymbolicLink(),
      stats.isFIFO(),
      stats.isSocket(),
      stats.isBlockDevice(),
      stats.isCharacterDevice(),
    ].flatMap((is, index) => (is ? [index] : []))
  }
  const types = ['file', 'directory', 'symlink', 'fifo', 'socket', 'blockDevice', 'characterDevice'] as const
  expect(types.flatMap(questions)).toEqual([0, 1, 2, 3, 4, 5, 6])
})

test('times with fractions are told as they are', async () => {
  const { client } = await withScript((request, answers) => {
    if (request.type === 'stat') answers.attrs(request.id, { permissions: regularFile })
  })
  client.stat = async () =>
    new SftpStats({ atime: -2, atimeNs: 500_000_000, mtime: 7, mtimeNs: 1, createTime: 3, createTimeNs: 0 })
  expect(await client.getAtime('x')).toBe(-1.5)
  expect(await client.getAtimeNs('x')).toBe(-1_500_000_000n)
  expect(await client.getMtimeNs('x')).toBe(7_000_000_001n)
  expect([await client.getCrtime('x'), await client.getCrtimeNs('x')]).toEqual([3, 3_000_000_000n])
})

describe('ids of users and groups', () => {
  const version = framePacket(
    replies.version.encode({
      version: 3,
      extensions: [{ name: 'users-groups-by-id@openssh.com', data: Buffer.from('1') }],
    }),
  )
  const text = (value: string | Buffer): Buffer => {
    const bytes = Buffer.from(value)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    return Buffer.concat([length, bytes])
  }
  const answering = (users: readonly string[], groups: readonly string[]) =>
    withScript(
      (request, answers) => {
        if (request.type !== 'extended') return
        const payload = Buffer.concat([text(Buffer.concat(users.map(text))), text(Buffer.concat(groups.map(text)))])
        answers.raw(framePacket(replies.extendedReply.encode({ id: request.id, payload })))
      },
      { version },
    )

  test('become names; unknown ones are left out', async () => {
    const { client } = await answering(['root', ''], ['wheel'])
    const { users, groups } = await client.usersGroupsById([0, 4_000_000_000], [0])
    expect([...users, ...groups]).toEqual([
      [0, 'root'],
      [0, 'wheel'],
    ])
  })

  test('are asked for in parts that fit a packet', async () => {
    const { client, server } = await answering(Array(500).fill('x'), [])
    expect((await client.usersGroupsById(Array.from({ length: 1500 }, (_, id) => id))).users.size).toBe(1500)
    expect(server.types).toEqual(['extended', 'extended', 'extended'])
  })

  test('that are answered with another number of names end the session', async () => {
    const { client } = await answering(['root'], [])
    await expect(client.usersGroupsById([0, 1])).rejects.toMatchObject({ code: 'ERR_SFTP_PROTOCOL' })
  })
})

describe('a failure without a reason', () => {
  test('is looked at with one or two questions, and stays what it is when they tell nothing', async () => {
    const { client, server } = await withScript((request, answers) => {
      if (request.type === 'lstat' || request.type === 'stat') return answers.status(request.id, statusCodes.noSuchFile)
      if (request.type === 'init' || request.type === 'close') return
      answers.status(request.id, statusCodes.failure, 'because')
    })
    for (const call of [
      client.mkdir('a'),
      client.rmdir('a'),
      client.remove('a'),
      client.rename('a', 'b'),
      client.open('a', 'wx'),
      client.open('a', 'r'),
      client.symlink('a', 'b'),
    ]) {
      await expect(call).rejects.toMatchObject({ code: 'ERR_SFTP_FAILURE', status: 4, serverText: 'because' })
    }
    expect(server.types.filter((type) => type === 'lstat' || type === 'stat')).toHaveLength(7)
  })

  test('that cannot be looked at stays what it is; one with a reason is not looked at', async () => {
    const { client, server } = await withScript((request, answers) => {
      if (request.type === 'mkdir') return answers.status(request.id, statusCodes.failure, 'because')
      if (request.type !== 'init' && request.type !== 'close') answers.status(request.id, statusCodes.permissionDenied)
    })
    await expect(client.mkdir('a')).rejects.toMatchObject({ code: 'ERR_SFTP_FAILURE' })
    await expect(client.rmdir('a')).rejects.toMatchObject({ code: 'EACCES' })
    expect(server.types).toEqual(['mkdir', 'lstat', 'rmdir'])
  })

  test('that has one in what is there says so, with all the server said', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type === 'lstat') return answers.attrs(request.id, { permissions: regularFile })
      if (request.type !== 'init' && request.type !== 'close')
        answers.status(request.id, statusCodes.failure, 'No.\x1b')
    })
    await expect(client.rmdir('a')).rejects.toMatchObject({
      code: 'ENOTDIR',
      status: 4,
      path: 'a',
      message: 'ENOTDIR: not a directory, rmdir (server: No.\\x1b): "a"',
      cause: { code: 'ERR_SFTP_FAILURE' },
    })
  })
})
