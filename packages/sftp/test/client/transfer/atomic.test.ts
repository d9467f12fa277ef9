import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { openFlags } from '../../../src/protocol/open-flags.js'
import { statusCodes } from '../../../src/protocol/status.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { serve } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { Disk } from './mortal-server.js'

const old = Buffer.from('the old content')
const fresh = Buffer.from(seededRandom('fresh').bytes(300_000))
const extensions = { 'posix-rename@openssh.com': '1', 'fsync@openssh.com': '1' }
const temporary = /^\/dir\/\.file\.[0-9a-f]{32}\.tmp$/

function localFile(content: Uint8Array = fresh): string {
  const path = join(temporaryDirectory(), 'source')
  writeFileSync(path, content)
  return path
}

function diskWithOld(): Disk {
  const disk = new Disk()
  disk.put('/dir/file', old)
  disk.permissions.set('/dir/file', 0o600)
  return disk
}

describe('an atomic upload', () => {
  test('writes beside the file, puts it on the disk, and takes its place with its permissions', async () => {
    const disk = diskWithOld()
    const { client, requests } = await disk.connect({ extensions })
    const source = localFile()
    chmodSync(source, 0o644)
    await client.put(source, '/dir/file', { atomic: true })
    expect([...disk.files.keys()]).toEqual(['/dir/file'])
    expect(disk.content('/dir/file').equals(fresh)).toBe(true)
    expect(disk.permissions.get('/dir/file')).toBe(0o600)
    const steps = requests.map((request) => (request.type === 'extended' ? request.request : request.type))
    expect(steps.filter((step, index) => step !== steps[index - 1])).toEqual([
      'init',
      'stat',
      'lstat',
      'open',
      'write',
      'fsetstat',
      'fsync@openssh.com',
      'close',
      'posix-rename@openssh.com',
    ])
    const opened = requests.find(({ type }) => type === 'open')
    // Private from its birth on, for the file it replaces is.
    expect(opened).toMatchObject({
      path: expect.stringMatching(temporary),
      flags: openFlags.write | openFlags.create | openFlags.exclusive,
      attrs: { permissions: 0o600 },
    })
  })

  test('leaves the file to its owner and group', async () => {
    const disk = diskWithOld()
    disk.permissions.set('/dir/file', 0o6750)
    disk.owners.set('/dir/file', { uid: 1001, gid: 2001 })
    const { client, requests } = await disk.connect({ extensions, user: { uid: 0, gid: 0 } })
    await client.put(fresh, '/dir/file', { atomic: true })
    expect(disk.owners.get('/dir/file')).toEqual({ uid: 1001, gid: 2001 })
    // Given last: to give a file to somebody takes set-user-ID away.
    expect(disk.permissions.get('/dir/file')).toBe(0o6750)
    const changes = requests.flatMap((request) => (request.type === 'fsetstat' ? [request.attrs] : []))
    expect(changes).toEqual([{ uid: 1001, gid: 2001 }, { permissions: 0o6750 }])
  })

  test.each([
    ['its group alone', (uid: number | undefined) => uid !== 1000, { uid: 1000, gid: 2001 }, 0o2750],
    ['neither', () => true, { uid: 1000, gid: 100 }, 0o750],
  ])('keeps %s where no more is allowed, and runs as nobody else', async (_what, isRefused, owner, mode) => {
    const disk = diskWithOld()
    disk.permissions.set('/dir/file', 0o6750)
    disk.owners.set('/dir/file', { uid: 1001, gid: 2001 })
    const { client } = await disk.connect({
      extensions,
      user: { uid: 1000, gid: 100 },
      onRequest: (request) => {
        if (request.type !== 'fsetstat' || request.attrs.gid === undefined) return undefined
        return isRefused(request.attrs.uid) ? statusCodes.permissionDenied : undefined
      },
    })
    await client.put(fresh, '/dir/file', { atomic: true })
    expect(disk.content('/dir/file').equals(fresh)).toBe(true)
    expect(disk.owners.get('/dir/file')).toEqual(owner)
    expect(disk.permissions.get('/dir/file')).toBe(mode)
  })

  test('asks nothing of owners that are the same', async () => {
    const disk = diskWithOld()
    disk.owners.set('/dir/file', { uid: 1000, gid: 100 })
    const { client, requests } = await disk.connect({ extensions, user: { uid: 1000, gid: 100 } })
    await client.put(fresh, '/dir/file', { atomic: true })
    await client.put(fresh, '/dir/new', { atomic: true })
    expect(requests.some((request) => request.type === 'fsetstat' && request.attrs.uid !== undefined)).toBe(false)
  })

  test('has another name each time', async () => {
    const names = new Set<unknown>()
    for (let time = 0; time < 5; time++) {
      const { client, requests } = await diskWithOld().connect({ extensions })
      await client.put(fresh, '/dir/file', { atomic: true })
      names.add(requests.flatMap((request) => (request.type === 'open' ? [request.path] : []))[0])
    }
    expect(names.size).toBe(5)
  })

  test.each(['before', 'after'] as const)(
    'R26: a server killed %s any step leaves the old file or the new one',
    async (when) => {
      const source = localFile()
      let dead = 0
      for (let step = 1; ; step++) {
        const disk = diskWithOld()
        let count = 0
        const diesAt = () => (count++ === step ? when : undefined)
        const { client, requests } = await disk.connect({ extensions, diesAt })
        const failure = await client.put(source, '/dir/file', { atomic: true }).catch((error: unknown) => error)
        const content = disk.content('/dir/file')
        expect(content.equals(old) || content.equals(fresh)).toBe(true)
        if (failure === undefined) {
          expect(content.equals(fresh)).toBe(true)
          expect(count).toBeLessThanOrEqual(step)
          break
        }
        dead++
        expect(failure).toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST', dstpath: '/dir/file' })
        const isRenamed = when === 'after' && requests.at(-1)?.type === 'extended' && content.equals(fresh)
        expect(content.equals(isRenamed ? fresh : old)).toBe(true)
      }
      expect(dead).toBeGreaterThan(10)
    },
  )

  test('refuses a server that cannot replace a file, before anything is written', async () => {
    const disk = diskWithOld()
    const { client, requests } = await disk.connect()
    await expect(client.put(localFile(), '/dir/file', { atomic: true })).rejects.toMatchObject({
      code: 'ENOTSUP',
      path: '/dir/file',
      message: expect.stringContaining('without the option atomic'),
    })
    expect(requests.some(({ type }) => type === 'open')).toBe(false)
    await client.put(localFile(), '/dir/new', { atomic: true })
    expect(disk.content('/dir/new').equals(fresh)).toBe(true)
    expect([...disk.files.keys()].sort()).toEqual(['/dir/file', '/dir/new'])
  })

  test('does not replace a file that appears meanwhile, where that could not be done in one step', async () => {
    const disk = new Disk()
    const { client } = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'close') disk.put('/dir/file', old)
        return undefined
      },
    })
    await expect(client.put(localFile(), '/dir/file', { atomic: true })).rejects.toMatchObject({
      code: expect.any(String),
    })
    expect([...disk.files.keys()]).toEqual(['/dir/file'])
    expect(disk.content('/dir/file').equals(old)).toBe(true)
  })

  test.each([
    ['a write', 'write'],
    ['putting it on the disk', 'extended'],
    ['closing it', 'close'],
  ] as const)('leaves the old file and no other when %s fails', async (_what, type) => {
    const disk = diskWithOld()
    let failed = 0
    const { client } = await disk.connect({
      extensions,
      onRequest: (request) => (request.type === type && failed++ === 0 ? 14 : undefined),
    })
    await expect(client.put(localFile(), '/dir/file', { atomic: true })).rejects.toMatchObject({ code: 'ENOSPC' })
    expect([...disk.files.keys()]).toEqual(['/dir/file'])
    expect(disk.content('/dir/file').equals(old)).toBe(true)
  })

  test('leaves the old file and no other when it is aborted', async () => {
    const disk = diskWithOld()
    const { client } = await disk.connect({ extensions })
    const controller = new AbortController()
    const endless = Readable.from(
      (async function* () {
        for (;;) yield fresh
      })(),
    )
    const progress = () => controller.abort()
    const putting = client.put(endless, '/dir/file', { atomic: true, signal: controller.signal, progress })
    await expect(putting).rejects.toMatchObject({ name: 'AbortError' })
    expect([...disk.files.keys()]).toEqual(['/dir/file'])
    expect(disk.content('/dir/file').equals(old)).toBe(true)
    expect(endless.destroyed).toBe(true)
  })

  test('with resume leaves what it has under a name that the next one finds', async () => {
    const disk = diskWithOld()
    const source = localFile()
    const mortal = await disk.connect({ extensions, diesAfter: 200_000 })
    await expect(mortal.client.put(source, '/dir/file', { atomic: true, resume: true })).rejects.toThrow()
    expect([...disk.files.keys()].sort()).toEqual(['/dir/.file.sftp-part', '/dir/file'])
    expect(disk.content('/dir/file').equals(old)).toBe(true)
    const { client, bytesWritten } = await disk.connect({ extensions })
    await client.put(source, '/dir/file', { atomic: true, resume: true })
    expect(bytesWritten()).toBe(100_000)
    expect([...disk.files.keys()]).toEqual(['/dir/file'])
    expect(disk.content('/dir/file').equals(fresh)).toBe(true)
  })

  test('of bytes and streams too', async () => {
    const disk = diskWithOld()
    const { client } = await disk.connect({ extensions })
    await client.put(fresh, '/dir/file', { atomic: true })
    await client.put(Readable.from([fresh]), '/dir/file2', { atomic: true, verify: true })
    await client.put(new Blob([fresh]).stream(), '/dir/file3', { atomic: true })
    for (const name of ['file', 'file2', 'file3']) expect(disk.content(`/dir/${name}`).equals(fresh)).toBe(true)
    expect(disk.files.size).toBe(3)
  })

  test('takes names of any length', async () => {
    const root = temporaryDirectory()
    const { client } = await serve(new SftpServer({ root }))
    for (const name of ['x'.repeat(255), 'é'.repeat(127)]) await client.put(fresh, name, { atomic: true })
    for (const name of ['x'.repeat(255), 'é'.repeat(127)])
      expect(readFileSync(join(root, name)).equals(fresh)).toBe(true)
    expect(readdirSync(root).length).toBe(2)
  })

  test('follows a link that stands in the place, and replaces neither devices nor directories', async () => {
    const root = temporaryDirectory()
    mkdirSync(join(root, 'real'))
    writeFileSync(join(root, 'real/target'), old)
    symlinkSync('real/target', join(root, 'link'))
    const { client } = await serve(new SftpServer({ root }))
    await client.put(fresh, 'link', { atomic: true })
    expect(lstatSync(join(root, 'link')).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(root, 'real/target')).equals(fresh)).toBe(true)
    await expect(client.put(fresh, 'real', { atomic: true })).rejects.toMatchObject({ code: 'EISDIR' })
    const { client: everywhere } = await serve(new SftpServer())
    await expect(everywhere.put(fresh, '/dev/null', { atomic: true })).rejects.toMatchObject({ code: 'EINVAL' })
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  test('replaces a file by the rename of version 5 where there is no other way', async () => {
    for (const sftpVersion of [4, 5, 6] as const) {
      const root = temporaryDirectory()
      writeFileSync(join(root, 'file'), old)
      const { client } = await serve(new SftpServer({ root }), { sftpVersion, client: { sftpVersion } })
      // As if the server had not announced it.
      Reflect.apply(Map.prototype.delete, client.extensions, ['posix-rename@openssh.com'])
      const putting = client.put(fresh, 'file', { atomic: true })
      if (sftpVersion === 4) await expect(putting).rejects.toMatchObject({ code: 'ENOTSUP' })
      else await putting
      expect(readFileSync(join(root, 'file')).equals(sftpVersion === 4 ? old : fresh)).toBe(true)
      expect(readdirSync(root)).toEqual(['file'])
    }
  })

  test('of a tree, with times and modes', async () => {
    const root = temporaryDirectory()
    const tree = join(temporaryDirectory(), 'tree')
    mkdirSync(join(tree, 'sub'), { recursive: true })
    for (const name of ['a', 'sub/b']) writeFileSync(join(tree, name), name)
    chmodSync(join(tree, 'a'), 0o751)
    utimesSync(join(tree, 'a'), 1000, 2000)
    const { client } = await serve(new SftpServer({ root }))
    await client.put(tree, 'tree', { recurse: true, atomic: true, preserve: true, verify: true })
    await client.put(tree, '/', { recurse: true, atomic: true, preserve: true, verify: true })
    const { mode, mtimeMs } = statSync(join(root, 'tree/a'))
    expect([mode & 0o777, mtimeMs]).toEqual([0o751, 2_000_000])
    expect(readdirSync(join(root, 'tree')).sort()).toEqual(['a', 'sub'])
    expect(readdirSync(join(root, 'tree/sub'))).toEqual(['b'])
  })
})

describe('an atomic download', () => {
  test('R26: leaves the old file or the new one wherever the server dies', async () => {
    const directory = temporaryDirectory()
    const target = join(directory, 'target')
    for (let step = 1; ; step++) {
      writeFileSync(target, old)
      chmodSync(target, 0o640)
      const disk = new Disk()
      disk.put('/file', fresh)
      let count = 0
      const { client } = await disk.connect({ diesAt: () => (count++ === step ? 'before' : undefined) })
      const failure = await client.get('/file', target, { atomic: true }).catch((error: unknown) => error)
      expect(readdirSync(directory)).toEqual(['target'])
      expect(readFileSync(target).equals(failure === undefined ? fresh : old)).toBe(true)
      expect(statSync(target).mode & 0o777).toBe(0o640)
      if (failure === undefined) break
      expect(step).toBeLessThan(100)
    }
  })

  test('with resume keeps what has come, and goes on with it', async () => {
    const directory = temporaryDirectory()
    const target = join(directory, 'target')
    writeFileSync(target, old)
    const disk = new Disk()
    disk.put('/file', fresh)
    const options = { atomic: true, resume: true, blockSize: 32768, maxRequests: 1 }
    const mortal = await disk.connect({ diesAfter: 200_000 })
    await expect(mortal.client.get('/file', target, options)).rejects.toThrow()
    expect(readdirSync(directory).sort()).toEqual(['.target.sftp-part', 'target'])
    expect(readFileSync(target).equals(old)).toBe(true)
    const { client } = await disk.connect()
    await client.get('/file', target, options)
    expect(readdirSync(directory)).toEqual(['target'])
    expect(readFileSync(target).equals(fresh)).toBe(true)
  })

  test.skipIf(process.getuid?.() !== 0)('leaves the file to its owner and group', async () => {
    const target = join(temporaryDirectory(), 'target')
    writeFileSync(target, old)
    chownSync(target, 1001, 2001)
    chmodSync(target, 0o4640)
    const { client } = await serve(new MemoryHandler())
    await client.writeFile('file', fresh)
    await client.get('file', target, { atomic: true })
    const { uid, gid, mode } = statSync(target)
    expect([uid, gid, mode & 0o7777]).toEqual([1001, 2001, 0o4640])
    expect(readFileSync(target).equals(fresh)).toBe(true)
  })

  test('follows a link that the caller named, and no other', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'real'), old)
    mkdirSync(join(directory, 'into'))
    symlinkSync('../real', join(directory, 'into/file'))
    const { client } = await serve(new MemoryHandler())
    await client.writeFile('file', fresh)
    await expect(client.mget('*', join(directory, 'into'), { atomic: true })).rejects.toMatchObject({ code: 'ELOOP' })
    expect(readFileSync(join(directory, 'real')).equals(old)).toBe(true)
    await client.get('file', join(directory, 'into/file'), { atomic: true })
    expect(readFileSync(join(directory, 'real')).equals(fresh)).toBe(true)
    expect(lstatSync(join(directory, 'into/file')).isSymbolicLink()).toBe(true)
  })

  test('to a stream is refused by name', async () => {
    const { client } = await serve(new MemoryHandler())
    await client.writeFile('file', fresh)
    const sink = new Writable({ write: (_chunk, _encoding, callback) => callback() })
    for (const option of ['atomic', 'resume']) {
      await expect(client.get('file', sink, { [option]: true })).rejects.toMatchObject({
        code: 'EINVAL',
        message: expect.stringContaining(option),
      })
    }
  })
})

test('a server that refuses to tell what is there is heard', async () => {
  const disk = diskWithOld()
  const { client } = await disk.connect({
    extensions,
    onRequest: ({ type }) => (type === 'lstat' ? statusCodes.permissionDenied : undefined),
  })
  await expect(client.put(fresh, '/dir/file', { atomic: true })).rejects.toMatchObject({ code: 'EACCES' })
  expect(disk.content('/dir/file').equals(old)).toBe(true)
})
