import {
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { firstPossibleHole } from '../../../src/client/file-tree.js'
import { localSpread } from '../../../src/client/local-files.js'
import { remoteSpread } from '../../../src/client/remote-tree.js'
import { statusCodes } from '../../../src/protocol/status.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { serve } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { Disk, type Order, orders, type WriteFault } from './mortal-server.js'

const size = 12 * 1024 * 1024 + 12_345
const content = Buffer.from(seededRandom('content').bytes(size))
const names = Object.keys(orders) as Order[]
/** Many blocks in flight, so that an order other than the client's tears holes. */
const client = { maximumInFlight: 6 * 1024 * 1024 }

/** Bytes from the start that are the source's. */
function prefixOf(file: Buffer): number {
  if (file.equals(content.subarray(0, file.length))) return file.length
  let same = 0
  while (file[same] === content[same]) same++
  return same
}

describe.each(names)('R6: a server that answers %s and is killed', (order) => {
  test('at 20 places of an upload leaves holes only where they are looked for, and the upload goes on whole', async () => {
    const random = seededRandom(`put ${order}`)
    const source = join(temporaryDirectory(), 'source')
    writeFileSync(source, content)
    let holes = 0
    let sent = 0
    let left = 0
    for (let seed = 0; seed < 20; seed++) {
      const disk = new Disk()
      const diesAfter = random.integer(size)
      const mortal = await disk.connect({ order, seed, diesAfter, client })
      const failure = await mortal.client.put(source, '/file').catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST', srcpath: source, dstpath: '/file' })
      const half = Buffer.from(disk.files.get('/file') ?? Buffer.alloc(0))
      const prefix = prefixOf(half)
      expect(failure).toMatchObject({ details: { written: expect.any(Number) } })
      if (prefix < half.length) holes++
      // This is what makes going on safe: what lies in front of the stretch that is compared is there.
      expect(prefix).toBeGreaterThanOrEqual(firstPossibleHole(half.length, remoteSpread))
      const next = await disk.connect({ order, seed, client })
      await next.client.put(source, '/file', { resume: true })
      expect(disk.content('/file').equals(content)).toBe(true)
      sent += next.bytesWritten()
      left += size - prefix
    }
    expect(sent).toBe(left)
    if (order !== 'in order') expect(holes).toBeGreaterThan(5)
  }, 60_000)

  test('at 20 places of a download leaves no hole, and the download goes on whole', async () => {
    const random = seededRandom(`get ${order}`)
    const directory = temporaryDirectory()
    let fetched = 0
    for (let seed = 0; seed < 20; seed++) {
      const disk = new Disk()
      disk.put('/file', content)
      const target = join(directory, `target${seed}`)
      const mortal = await disk.connect({ order, seed, diesAfter: random.integer(size), client })
      const failure = await mortal.client.get('/file', target, { resume: true }).catch((error: unknown) => error)
      expect(failure).toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
      const half = existsSync(target) ? readFileSync(target) : Buffer.alloc(0)
      expect(prefixOf(half)).toBe(half.length)
      const next = await disk.connect({ order, seed, client })
      await next.client.get('/file', target, { resume: true })
      expect(readFileSync(target).equals(content)).toBe(true)
      fetched += next.bytesRead()
      // What is there is compared from the first possible hole on, and the rest comes.
      const compared = Math.min(half.length, half.length - firstPossibleHole(half.length, localSpread) + 64 * 1024)
      expect(next.bytesRead()).toBeLessThanOrEqual(compared + size - half.length)
    }
    expect(fetched).toBeLessThan(20 * size)
  }, 60_000)
})

describe('a file that is there already', () => {
  const start = async (remote: Buffer) => {
    const disk = new Disk()
    disk.put('/file', remote)
    const source = join(temporaryDirectory(), 'source')
    writeFileSync(source, content)
    return { disk, source, ...(await disk.connect()) }
  }

  test('is left alone when it is whole, and its end is compared', async () => {
    const { disk, source, client, requests, bytesWritten, bytesRead } = await start(content)
    const events: unknown[] = []
    await client.put(source, '/file', { resume: true, progress: (event) => events.push(event) })
    expect(bytesWritten()).toBe(0)
    expect(bytesRead()).toBeGreaterThan(1024 * 1024)
    expect(requests.filter(({ type }) => type === 'fsetstat')).toEqual([])
    expect(disk.content('/file').equals(content)).toBe(true)
    expect(events.at(-1)).toMatchObject({ transferred: size, total: size, bytes: { done: size, total: size } })
  })

  test.each([
    ['is longer than the source', Buffer.concat([content, Buffer.from('more')])],
    ['has another beginning', Buffer.concat([Buffer.from('other'), content.subarray(5, 1_000_000)])],
    ['is another file', Buffer.from(seededRandom('other').bytes(9_000_000))],
    ['is empty', Buffer.alloc(0)],
  ])('is written anew when it %s', async (_what, remote) => {
    const { disk, source, client, bytesWritten } = await start(remote)
    await client.put(source, '/file', { resume: true })
    expect(disk.content('/file').equals(content)).toBe(true)
    expect(bytesWritten()).toBe(size)
  })

  test('that has a hole is gone on with from there', async () => {
    for (const hole of [0, 1, 5_000_000, 6_700_000, 7_999_999]) {
      const half = Buffer.from(content.subarray(0, 8_000_000))
      half.fill(0, hole, Math.min(hole + 30_000, half.length))
      const { disk, source, client, bytesWritten } = await start(half)
      await client.put(source, '/file', { resume: true })
      const isSeen = hole >= firstPossibleHole(half.length, remoteSpread)
      expect(disk.content('/file').equals(content)).toBe(isSeen)
      if (isSeen) expect(bytesWritten()).toBe(size - prefixOf(half))
    }
  })

  test('is gone on with on a server that loses all of a file whose size is set', async () => {
    const disk = new Disk()
    const source = join(temporaryDirectory(), 'source')
    writeFileSync(source, content)
    const half = Buffer.from(content.subarray(0, 8_000_000))
    half.fill(0, 7_000_000)
    disk.put('/file', half)
    const { client, bytesWritten } = await disk.connect({ truncationErases: true })
    await client.put(source, '/file', { resume: true })
    expect(disk.content('/file').equals(content)).toBe(true)
    expect(bytesWritten()).toBe(size - 7_000_000)
    const onWrite: WriteFault = ({ offset, data }) =>
      offset <= 6_000_000 && 6_000_000 < offset + data.length ? statusCodes.failure : undefined
    const failing = await disk.connect({ truncationErases: true, onWrite })
    disk.put('/file', content.subarray(0, 1_000_000))
    await expect(failing.client.put(source, '/file', { resume: true, blockSize: 32768 })).rejects.toThrow()
    await client.put(source, '/file', { resume: true })
    expect(disk.content('/file').equals(content)).toBe(true)
  })

  test('is cut off when the source turns out to be shorter', async () => {
    const { disk, source, client } = await start(Buffer.alloc(9_000_000))
    let isShort = false
    const shrinking = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'write' && !isShort) truncateSync(source, 5_000_000)
        isShort ||= type === 'write'
        return undefined
      },
    })
    await shrinking.client.put(source, '/file', { resume: true }).catch(() => {})
    await client.put(source, '/file', { resume: true })
    expect(disk.content('/file').equals(content.subarray(0, 5_000_000))).toBe(true)
  })

  test('and differs in front of what is compared is found by verify, and removed', async () => {
    const half = Buffer.from(content.subarray(0, 8_000_000))
    half.fill(0, 1_000_000, 1_000_001)
    const { disk, source, client } = await start(half)
    const putting = client.put(source, '/file', { resume: true, verify: true })
    await expect(putting).rejects.toMatchObject({
      code: 'ERR_SFTP_VERIFY_FAILED',
      path: '/file',
      srcpath: source,
      dstpath: '/file',
      details: { offset: 1_000_000, written: size },
    })
    expect(disk.files.has('/file')).toBe(false)
  })

  test('that cannot be read is not gone on with blindly', async () => {
    const disk = new Disk()
    disk.put('/file', content.subarray(0, 100))
    const source = join(temporaryDirectory(), 'source')
    writeFileSync(source, content)
    const { client } = await disk.connect({
      onRequest: (request) =>
        request.type === 'open' && request.flags === 1 ? statusCodes.permissionDenied : undefined,
    })
    await expect(client.put(source, '/file', { resume: true })).rejects.toMatchObject({ code: 'EACCES', path: '/file' })
    expect(disk.content('/file').length).toBe(100)
  })
})

test('a local file is cut off where its first hole may be, and fetched again from there', async () => {
  const directory = temporaryDirectory()
  const target = join(directory, 'target')
  const disk = new Disk()
  disk.put('/file', content)
  // As a process that was killed leaves it: the last blocks in any order.
  const half = Buffer.from(content.subarray(0, 10_000_000))
  half.fill(0, 7_000_000, 7_100_000)
  writeFileSync(target, half)
  const { client, bytesRead } = await disk.connect()
  await client.get('/file', target, { resume: true })
  expect(readFileSync(target).equals(content)).toBe(true)
  expect(bytesRead()).toBeLessThan(size - 5_000_000 + localSpread)
  truncateSync(target, 20)
  await client.get('/file', target, { resume: true, preserve: true })
  expect(readFileSync(target).equals(content)).toBe(true)
  expect(statSync(target).mode & 0o777).toBe(0o644)
})

test('a tree is gone on with: what is whole is left, what is half goes on, what is missing comes', async () => {
  const disk = new Disk()
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'tree'))
  for (const name of ['whole', 'half', 'missing']) writeFileSync(join(directory, 'tree', name), content)
  disk.put('/tree/whole', content)
  disk.put('/tree/half', content.subarray(0, 6_000_000))
  const { client, bytesWritten } = await disk.connect({
    onRequest: ({ type }) => (type === 'mkdir' ? statusCodes.ok : undefined),
  })
  await client.put(join(directory, 'tree'), '/tree', { recurse: true, resume: true })
  for (const name of ['whole', 'half', 'missing']) expect(disk.content(`/tree/${name}`).equals(content)).toBe(true)
  expect(bytesWritten()).toBe(2 * size - 6_000_000)
})

test('a link in the place of a name from the server is not gone on with', async () => {
  const directory = temporaryDirectory()
  const outside = join(directory, 'outside')
  writeFileSync(outside, 'cont')
  mkdirSync(join(directory, 'in'))
  for (const name of ['file', '.file.sftp-part']) symlinkSync(outside, join(directory, 'in', name))
  const { client } = await serve(new MemoryHandler())
  await client.writeFile('file', 'content')
  const into = join(directory, 'in')
  await expect(client.mget('*', into, { resume: true })).rejects.toMatchObject({ code: 'ELOOP' })
  await expect(client.mget('*', into, { resume: true, atomic: true })).rejects.toMatchObject({ code: 'ELOOP' })
  rmSync(join(into, 'file'))
  await expect(client.mget('*', into, { resume: true, atomic: true })).rejects.toMatchObject({ code: 'ELOOP' })
  expect(readFileSync(outside, 'utf8')).toBe('cont')
})

test('a stream is not gone on with, and bytes are', async () => {
  const disk = new Disk()
  const { client, bytesWritten } = await disk.connect()
  await expect(client.put(Readable.from([content]), '/file', { resume: true })).rejects.toMatchObject({
    code: 'EINVAL',
    message: expect.stringContaining('resume'),
  })
  disk.put('/file', content.subarray(0, 3_000_000))
  await client.put(content, '/file', { resume: true })
  expect(disk.content('/file').equals(content)).toBe(true)
  expect(bytesWritten()).toBe(size - 3_000_000)
})
