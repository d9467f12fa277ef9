import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { SftpClient } from '../../src/client/sftp-client.js'
import { framePacket } from '../../src/protocol/framing.js'
import { replies } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { regularFile, withScript } from '../scripted-peers.js'
import { hasOpenssh, servers, startOpenssh } from '../servers.js'

/** A tree with what trees have. */
async function plant(client: SftpClient): Promise<void> {
  await client.makedirs('tree/sub/deep')
  await client.writeFile('tree/a', 'content of a')
  await client.writeFile('tree/sub/b', randomBytes(300_000))
  await client.writeFile('tree/sub/deep/empty', '')
  await client.symlink('a', 'tree/link')
  await client.chmod('tree/a', 0o640)
  await client.utime('tree/a', 1_000_000_000, 1_100_000_000)
}

async function contentOf(client: SftpClient, directory: string): Promise<Map<string, string>> {
  const content = new Map<string, string>()
  for (const path of await client.glob(`${directory}/**`)) {
    const attrs = await client.lstat(path)
    const name = path.slice(directory.length)
    if (attrs.isDirectory()) content.set(name, 'directory')
    else if (attrs.isSymbolicLink()) content.set(name, `-> ${await client.readlink(path)}`)
    else content.set(name, (await client.readFile(path)).toString('hex'))
  }
  return content
}

for (const { name, isHere, isSlow = false, start } of servers) {
  describe.skipIf(!isHere || isSlow)(`copies on ${name}`, () => {
    test('are whole, in a tree with files, directories and links', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await plant(client)
      await client.copy('tree', 'again', { recurse: true })
      expect(await contentOf(client, 'again')).toEqual(await contentOf(client, 'tree'))
      expect((await contentOf(client, 'tree')).size).toBe(7)
    })

    test('go into a directory, also several at once, and what matches a pattern', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await plant(client)
      await client.mkdir('into')
      await client.copy('tree/a', 'into')
      await client.copy(['tree/sub/b', 'tree/sub/deep/empty'], 'into')
      await client.mcopy('tree/*', 'new', { recurse: true })
      expect((await client.listdir('into')).sort()).toEqual(['a', 'b', 'empty'])
      expect((await client.listdir('new')).sort()).toEqual(['a', 'link', 'sub'])
      await expect(client.mcopy('none*', 'new')).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('keep modes and times with preserve, follow links when told to, and tell how far they are', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await plant(client)
      const events: { done: number; total: number }[] = []
      const progress = ({ bytes }: { bytes: { done: number; total: number } }): void => void events.push(bytes)
      await client.copy('tree', 'again', { recurse: true, preserve: true, followSymlinks: true, progress })
      expect(await client.lstat('again/a')).toMatchObject({ mtime: 1_100_000_000 })
      expect(((await client.lstat('again/a')).permissions ?? 0) & 0o7777).toBe(0o640)
      expect(await client.isLink('again/link')).toBe(false)
      expect(await client.readFile('again/link', { encoding: 'utf8' })).toBe('content of a')
      expect(events.at(-1)).toEqual({ done: 300_024, total: 300_024 })
    })

    test('onto or into what is copied are refused, by whatever name, and nothing is lost', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await plant(client)
      const before = await contentOf(client, 'tree')
      const onto: [string, string][] = [
        ['tree/a', 'tree/a'],
        ['tree/a', 'tree/sub/../a'],
        ['tree/a', 'tree'],
        ['tree', 'tree/../tree/.'],
        ['tree', '.'],
        ['tree', 'tree/sub'],
        ['tree', 'tree/sub/new'],
        ['tree', 'tree/sub/deep/new/newer'],
        ['.', 'tree/new'],
      ]
      for (const [src, dst] of onto) {
        await expect(client.copy(src, dst, { recurse: true }), `${src} to ${dst}`).rejects.toMatchObject({
          code: 'EINVAL',
        })
      }
      expect(await contentOf(client, 'tree')).toEqual(before)
      // A name that only starts like the other is another one.
      await client.copy('tree', 'tree2', { recurse: true })
      expect(await contentOf(client, 'tree2')).toEqual(before)
    })

    test('through a link that leads to where they go end', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await client.makedirs('src')
      await client.makedirs('dst')
      await client.writeFile('src/file', 'x')
      await client.symlink('../dst', 'src/loop')
      const errors: unknown[] = []
      await client.copy('src', 'dst', {
        recurse: true,
        followSymlinks: true,
        onError: (error) => errors.push(error),
      })
      expect(errors).toMatchObject([{ code: 'EINVAL' }])
      expect([...(await contentOf(client, 'dst')).keys()].sort()).toEqual(['', '/src', '/src/file'])
    })

    test('over a longer file leave nothing of it, and onto another name of the same file leave all of it', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      const data = randomBytes(100_000)
      await client.writeFile('short', data)
      await client.writeFile('long', randomBytes(500_000))
      await client.copy('short', 'long')
      expect(await client.readFile('long')).toEqual(data)
      if (!client.extensions.has('hardlink@openssh.com')) return
      await client.link('short', 'same')
      // A server may refuse to copy a file to itself.
      await client.copy('short', 'same').catch((error) => expect(error).toMatchObject({ code: 'ERR_SFTP_FAILURE' }))
      expect(await client.readFile('short')).toEqual(data)
      await client.copy('short', 'same', { atomic: true })
      expect(await client.readFile('same')).toEqual(data)
    })

    test('collect errors, and stop when they are given up', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await plant(client)
      const errors: unknown[] = []
      await client.copy(['none', 'tree/a', 'tree/sub'], 'into', { onError: (error) => errors.push(error) })
      expect(errors).toMatchObject([
        { code: 'ENOENT', srcpath: 'none' },
        { code: 'EISDIR', srcpath: 'tree/sub' },
      ])
      expect(await client.listdir('into')).toEqual(['a'])
      const signal = AbortSignal.abort()
      await expect(client.copy('tree/a', 'b', { signal })).rejects.toMatchObject({ name: 'AbortError' })
      await expect(client.remoteCopy('tree/a', 'b', { signal })).rejects.toMatchObject({ name: 'AbortError' })
      expect(await client.exists('b')).toBe(false)
    })

    test('by copy-data are copied on the server, or not at all where it lacks it', async () => {
      const { client, cwd } = await start()
      await client.chdir(cwd)
      await plant(client)
      if (!client.supportsRemoteCopy) {
        for (const refused of [
          client.copy('tree/a', 'b', { remoteOnly: true }),
          client.mcopy('tree/*', 'new', { remoteOnly: true }),
          client.remoteCopy('tree/a', 'b'),
        ]) {
          await expect(refused).rejects.toMatchObject({
            code: 'ENOTSUP',
            message: expect.stringContaining('copy-data'),
          })
        }
        expect((await client.listdir('.')).sort()).toEqual(['tree'])
        return
      }
      await client.copy('tree', 'again', { recurse: true, remoteOnly: true })
      expect(await contentOf(client, 'again')).toEqual(await contentOf(client, 'tree'))
    })
  })
}

describe.skipIf(!hasOpenssh)('bytes copied on OpenSSH’s server', () => {
  test('go from and to any place of paths and open files', async () => {
    const { client, directory } = await startOpenssh()
    await client.chdir(directory)
    await client.writeFile('src', '0123456789')
    await client.writeFile('dst', 'abcdefghijklmnopqrstuvwxyz')
    await client.remoteCopy('src', 'new')
    expect(fs.readFileSync(join(directory, 'new'), 'utf8')).toBe('0123456789')
    await client.remoteCopy('src', 'new', { srcOffset: 2, srcLength: 3, dstOffset: 5 })
    expect(fs.readFileSync(join(directory, 'new'), 'utf8')).toBe('0123423489')
    await client.remoteCopy('src', 'new', { srcOffset: 7 })
    expect(fs.readFileSync(join(directory, 'new'), 'utf8')).toBe('7893423489')
    await using src = await client.open('src')
    await using dst = await client.open('dst', 'r+')
    await client.remoteCopy(src, dst, { srcOffset: 8, dstOffset: 1 })
    expect(fs.readFileSync(join(directory, 'dst'), 'utf8')).toBe('a89defghijklmnopqrstuvwxyz')
    await client.remoteCopy(src, dst, { srcOffset: 5, srcLength: 1000 })
    expect(fs.readFileSync(join(directory, 'dst'), 'utf8')).toBe('56789fghijklmnopqrstuvwxyz')
    expect([await src.tell(), await dst.tell()]).toEqual([0, 0])
    // Only a whole file leaves nothing of what was there.
    await client.remoteCopy(src, dst)
    expect(fs.readFileSync(join(directory, 'dst'), 'utf8')).toBe('0123456789')
    await client.writeFile('new', 'abcdefghijklmnopqrstuvwxyz')
    await client.remoteCopy('src', 'new')
    expect(fs.readFileSync(join(directory, 'new'), 'utf8')).toBe('0123456789')
  })

  test('are refused onto themselves, out of range, and for files that were closed', async () => {
    const { client, directory } = await startOpenssh()
    await client.chdir(directory)
    await client.writeFile('src', '0123456789')
    fs.linkSync(join(directory, 'src'), join(directory, 'same'))
    const src = await client.open('src', 'r+')
    await expect(client.remoteCopy(src, src)).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(client.remoteCopy('src', 'src')).rejects.toMatchObject({ code: 'EINVAL' })
    await expect(client.remoteCopy('src', 'new', { srcOffset: 2 ** 53 })).rejects.toMatchObject({
      code: 'ERR_SFTP_UNSAFE_INTEGER',
    })
    await src.close()
    await expect(client.remoteCopy(src, 'new')).rejects.toMatchObject({ code: 'ERR_SFTP_CLOSED' })
    await client.remoteCopy('src', 'same')
    expect(fs.readFileSync(join(directory, 'src'), 'utf8')).toBe('0123456789')
    expect((await client.listdir()).sort()).toEqual(['same', 'src'])
  })

  test('of many files and of a large one do not come here', async () => {
    const { client, directory } = await startOpenssh()
    await client.chdir(directory)
    const data = randomBytes(1 << 20)
    fs.mkdirSync(join(directory, 'many'))
    for (let index = 0; index < 50; index++) fs.writeFileSync(join(directory, `many/${index}`), `file ${index}`)
    fs.writeFileSync(join(directory, 'many/large'), '')
    for (let index = 0; index < 150; index++) fs.appendFileSync(join(directory, 'many/large'), data)
    await client.copy('many', 'again', { recurse: true, remoteOnly: true })
    for (let index = 0; index < 50; index++) {
      expect(fs.readFileSync(join(directory, `again/${index}`), 'utf8')).toBe(`file ${index}`)
    }
    const [one, other] = [`many/large`, `again/large`].map((name) => fs.readFileSync(join(directory, name)))
    expect(other && one?.equals(other)).toBe(true)
  })
})

test('a large file is copied in pieces, two at a time, and no block of it is read', async () => {
  const pieces: { readOffset: number; length: number }[] = []
  let waiting: (() => void)[] = []
  const version = framePacket(
    replies.version.encode({ version: 3, extensions: [{ name: 'copy-data', data: Buffer.from('1') }] }),
  )
  const size = 200 * 1024 * 1024
  const { client, server } = await withScript(
    (request, answers) => {
      if (request.type === 'realpath') return answers.names(request.id, [request.path])
      if (request.type === 'lstat' || request.type === 'stat') {
        if (request.path !== 'src') return answers.status(request.id, statusCodes.noSuchFile)
        return answers.attrs(request.id, { size, permissions: regularFile })
      }
      if (request.type === 'fstat') return answers.attrs(request.id, { size: 0, permissions: regularFile })
      if (request.type === 'open') return answers.handle(request.id, request.path)
      if (request.type !== 'extended') return
      const payload = Buffer.from(request.payload)
      // Two handles of three bytes, three numbers: readHandle 0, readOffset 7, length 15, writeHandle 23, writeOffset 30.
      pieces.push({ readOffset: Number(payload.readBigUInt64BE(7)), length: Number(payload.readBigUInt64BE(15)) })
      expect(payload.readBigUInt64BE(30)).toBe(payload.readBigUInt64BE(7))
      waiting.push(() => answers.status(request.id, statusCodes.ok))
      expect(waiting.length).toBeLessThanOrEqual(2)
      setImmediate(() => {
        const now = waiting
        waiting = []
        for (const answer of now) answer()
      })
    },
    { version },
  )
  await client.copy('src', 'dst')
  const piece = 64 * 1024 * 1024
  expect(pieces).toEqual([
    { readOffset: 0, length: piece },
    { readOffset: piece, length: piece },
    { readOffset: 2 * piece, length: piece },
    { readOffset: 3 * piece, length: 0 },
  ])
  expect(server.types).not.toContain('read')
  expect(server.types).not.toContain('write')
})

test('a file that a server found shorter than it was is no whole copy', async () => {
  const version = framePacket(
    replies.version.encode({ version: 3, extensions: [{ name: 'copy-data', data: Buffer.from('1') }] }),
  )
  const { client } = await withScript(
    (request, answers) => {
      if (request.type === 'realpath') return answers.names(request.id, [request.path])
      if (request.type === 'lstat' || request.type === 'stat') {
        if (request.path !== 'src') return answers.status(request.id, statusCodes.noSuchFile)
        return answers.attrs(request.id, { size: 100 * 1024 * 1024, permissions: regularFile })
      }
      if (request.type === 'fstat') return answers.attrs(request.id, { size: 0, permissions: regularFile })
      if (request.type === 'open') return answers.handle(request.id, request.path)
      if (request.type === 'fsetstat') return answers.status(request.id, statusCodes.ok)
      if (request.type === 'extended') return answers.status(request.id, statusCodes.eof)
    },
    { version },
  )
  await expect(client.copy('src', 'dst')).rejects.toMatchObject({ code: 'ERR_SFTP_FILE_CHANGED', srcpath: 'src' })
})

test('a copy on the server that is given up leaves no handle open, and the session usable', async () => {
  const version = framePacket(
    replies.version.encode({ version: 3, extensions: [{ name: 'copy-data', data: Buffer.from('1') }] }),
  )
  const controller = new AbortController()
  const { client, server } = await withScript(
    (request, answers) => {
      if (request.type === 'realpath') return answers.names(request.id, [request.path])
      if (request.type === 'lstat' || request.type === 'stat') {
        if (request.path !== 'src') return answers.status(request.id, statusCodes.noSuchFile)
        return answers.attrs(request.id, { size: 100, permissions: regularFile })
      }
      if (request.type === 'fstat') return answers.attrs(request.id, { size: 0, permissions: regularFile })
      if (request.type === 'open') return answers.handle(request.id, request.path)
      if (request.type === 'fsetstat') return answers.status(request.id, statusCodes.ok)
      // Never answered.
      if (request.type === 'extended') controller.abort()
    },
    { version },
  )
  await expect(client.copy('src', 'dst', { signal: controller.signal })).rejects.toMatchObject({ name: 'AbortError' })
  expect((await client.stat('src')).size).toBe(100)
  const closed = server.requests.flatMap((request) =>
    request.type === 'close' ? [Buffer.from(request.handle).toString()] : [],
  )
  expect(closed.sort()).toEqual(['dst', 'src'])
})
