import {
  chmodSync,
  existsSync,
  promises as fsPromises,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { statusCodes } from '../../../src/protocol/status.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { withScript } from '../../scripted-peers.js'
import { serve } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { Disk, type Order, orders } from './mortal-server.js'

const blockSize = 32768
const size = 20 * blockSize
const content = Buffer.from(seededRandom('failures').bytes(size))

function localFile(bytes: Uint8Array = content): string {
  const path = join(temporaryDirectory(), 'source')
  writeFileSync(path, bytes)
  return path
}

describe.each(Object.keys(orders) as Order[])('F8: a server that answers %s and fails one WRITE', (order) => {
  test.each([0, 1, 7, 19])('block %i fails the upload with its place, and nothing behind it stays', async (block) => {
    for (const [status, code] of [
      [statusCodes.failure, 'ERR_SFTP_FAILURE'],
      [14, 'ENOSPC'],
      [15, 'EDQUOT'],
    ] as const) {
      const disk = new Disk()
      const onWrite = ({ offset }: { offset: number }) => (offset === block * blockSize ? status : undefined)
      const { client } = await disk.connect({ order, onWrite })
      const source = localFile()
      for (const what of [source, content, Readable.from([content])]) {
        const failure = await client.put(what, '/file', { blockSize }).catch((error: unknown) => error)
        expect(failure).toMatchObject({ code, dstpath: '/file', details: { offset: block * blockSize } })
        expect(failure).toMatchObject({ details: { written: disk.content('/file').length } })
        expect(disk.content('/file').length).toBeLessThanOrEqual(block * blockSize)
        expect(disk.content('/file').equals(content.subarray(0, disk.content('/file').length))).toBe(true)
      }
    }
  })
})

test('R12: a disk that is full from some byte on fails the upload there, and keeps what fits', async () => {
  const disk = new Disk()
  const { client } = await disk.connect({
    order: 'shuffled',
    onWrite: ({ offset, data }) => (offset + data.length > 10 * blockSize ? 14 : undefined),
  })
  const failure = await client.put(localFile(), '/file', { blockSize }).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'ENOSPC', path: '/file', serverText: '' })
  const { length } = disk.content('/file')
  expect(length).toBeLessThanOrEqual(10 * blockSize)
  expect(disk.content('/file').equals(content.subarray(0, length))).toBe(true)
})

test('a server that cannot cut the file off does not hide why the upload failed', async () => {
  const disk = new Disk()
  const { client } = await disk.connect({
    onWrite: ({ offset }) => (offset === 0 ? 14 : undefined),
    onRequest: ({ type }) => (type === 'fsetstat' ? statusCodes.opUnsupported : undefined),
  })
  await expect(client.put(localFile(), '/file')).rejects.toMatchObject({ code: 'ENOSPC' })
})

test('a server that tells nothing of open files is compared with, gone on with, and sent holes, by reading and writing', async () => {
  const disk = new Disk()
  const { client } = await disk.connect({
    onRequest: ({ type }) => (type === 'fstat' ? statusCodes.opUnsupported : undefined),
  })
  const source = localFile()
  await client.put(source, '/file', { verify: true })
  disk.resize('/file', 3 * blockSize)
  await client.put(source, '/file', { resume: true, verify: true })
  expect(disk.content('/file').equals(content)).toBe(true)
  const sparse = localFile(Buffer.alloc(0))
  truncateSync(sparse, 5_000_000)
  await client.put(sparse, '/sparse')
  expect(disk.content('/sparse').equals(Buffer.alloc(5_000_000))).toBe(true)
})

test('R17: an aborted upload waits for what was sent, cuts off what lies behind a hole, and closes the file', async () => {
  const disk = new Disk()
  const { client, requests } = await disk.connect({ order: 'newest first' })
  const controller = new AbortController()
  const options = { blockSize, signal: controller.signal, progress: () => controller.abort(new Error('enough')) }
  await expect(client.put(localFile(), '/file', options)).rejects.toMatchObject({ cause: new Error('enough') })
  const file = disk.content('/file')
  expect(file.equals(content.subarray(0, file.length))).toBe(true)
  // The session goes on, with all it may have in flight.
  await client.put(localFile(), '/again')
  expect(disk.content('/again').equals(content)).toBe(true)
  const opens = requests.filter(({ type }) => type === 'open').length
  expect(requests.filter(({ type }) => type === 'close').length).toBe(opens)
})

test('an upload that is aborted is let go by a server that answers nothing', async () => {
  const disk = new Disk()
  const controller = new AbortController()
  let writes = 0
  const { client } = await disk.connect({
    onWrite: () => {
      if (++writes === 1) controller.abort()
      return 'unanswered'
    },
  })
  await expect(client.put(localFile(), '/file', { signal: controller.signal })).rejects.toMatchObject({
    name: 'AbortError',
  })
})

test('R17: an upload that is aborted closes its file once the server has answered after all, and not before', async () => {
  const controller = new AbortController()
  const held: number[] = []
  const { client, server } = await withScript((request, answers) => {
    if (request.type === 'open') answers.handle(request.id, 'h')
    if (request.type === 'stat') answers.status(request.id, statusCodes.noSuchFile)
    if (request.type === 'write') held.push(request.id)
    if (held.length === 3) controller.abort()
  })
  const options = { blockSize, signal: controller.signal }
  await expect(client.put(content.subarray(0, 3 * blockSize), 'file', options)).rejects.toMatchObject({
    code: 'ABORT_ERR',
  })
  for (const id of held) {
    expect(server.types).not.toContain('close')
    server.answers.status(id, statusCodes.ok)
  }
  await expect.poll(() => server.types.filter((type) => type === 'close').length).toBe(1)
})

describe('a source that is not what its size said', () => {
  test('and grew is copied to its end', async () => {
    const disk = new Disk()
    const source = localFile(content.subarray(0, 5))
    const { client } = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'open') writeFileSync(source, content)
        return undefined
      },
    })
    await client.put(source, '/file', { verify: false })
    // A local size is certain when the file is opened; what is added later is the next copy's.
    expect([5, size]).toContain(disk.content('/file').length)
  })

  test('and shrank in front of what was read already is an error that says so', async () => {
    const disk = new Disk()
    disk.put('/file', content)
    const directory = temporaryDirectory()
    let reads = 0
    const { client } = await disk.connect({
      order: 'newest first',
      onRequest: ({ type }) => {
        if (type === 'read' && ++reads === 3) disk.resize('/file', 3 * blockSize)
        return undefined
      },
    })
    const getting = client.get('/file', join(directory, 'file'), { blockSize })
    await expect(getting).rejects.toMatchObject({
      code: 'ERR_SFTP_FILE_CHANGED',
      srcpath: '/file',
      dstpath: join(directory, 'file'),
    })
    expect(readdirSync(directory)).toEqual([])
  })

  test('and shrank while a local one was read is as short as it is then', async () => {
    const disk = new Disk()
    const source = localFile()
    const { client } = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'open') truncateSync(source, 0)
        return undefined
      },
    })
    await client.put(source, '/file')
    expect(disk.content('/file').length).toBe(0)
  })

  test('and says nothing in DATA ends the session', async () => {
    const disk = new Disk()
    disk.put('/file', content)
    const { client } = await disk.connect({ emptyData: true })
    await expect(client.get('/file', join(temporaryDirectory(), 'file'))).rejects.toMatchObject({
      code: 'ERR_SFTP_PROTOCOL',
    })
  })
})

describe('R13: what may not be touched in the middle of a tree', () => {
  /** Refuses everything about paths that hold `secret`, but to list their parents. */
  class Refusing extends MemoryHandler {
    override open(path: string, ...rest: [number, object]) {
      if (path.includes('secret')) throw Object.assign(new Error('no'), { code: 'EACCES' })
      return super.open(path, ...rest)
    }

    override scandir(path: string) {
      if (path.includes('secret')) throw Object.assign(new Error('no'), { code: 'EACCES' })
      return super.scandir(path)
    }
  }

  test('on the server is told by name, each of it, and the rest is fetched', async () => {
    const handler = new Refusing()
    const { client } = await serve(handler)
    await client.makedirs('tree/secret')
    await client.makedirs('tree/open')
    for (const name of ['tree/a', 'tree/open/b']) await client.writeFile(name, name)
    await MemoryHandler.prototype.open.call(handler, '/tree/open/secret-file', 0x0a, {})
    const directory = temporaryDirectory()
    const errors: unknown[] = []
    const onError = (error: Error) => errors.push(error)
    await client.get('tree', join(directory, 'tree'), { recurse: true, onError })
    expect(errors).toHaveLength(2)
    expect(errors).toContainEqual(
      expect.objectContaining({ code: 'EACCES', srcpath: 'tree/secret', dstpath: join(directory, 'tree/secret') }),
    )
    expect(errors).toContainEqual(expect.objectContaining({ code: 'EACCES', srcpath: 'tree/open/secret-file' }))
    expect(readFileSync(join(directory, 'tree/open/b'), 'utf8')).toBe('tree/open/b')
    expect(existsSync(join(directory, 'tree/a'))).toBe(true)
    await expect(client.get('tree', join(directory, 'again'), { recurse: true })).rejects.toMatchObject({
      code: 'EACCES',
    })
  })

  test.skipIf(process.getuid?.() === 0)(
    'on this machine is told by name, each of it, and the rest is sent',
    async () => {
      const { client } = await serve(new MemoryHandler())
      const root = join(temporaryDirectory(), 'tree')
      mkdirSync(join(root, 'closed'), { recursive: true })
      for (const name of ['a', 'z']) writeFileSync(join(root, name), name)
      chmodSync(join(root, 'closed'), 0o000)
      chmodSync(join(root, 'a'), 0o000)
      const errors: unknown[] = []
      await client.put(root, 'tree', { recurse: true, onError: (error) => errors.push(error) })
      await fsPromises.chmod(join(root, 'closed'), 0o700)
      expect(errors).toHaveLength(2)
      for (const name of ['closed', 'a']) {
        expect(errors).toContainEqual(expect.objectContaining({ code: 'EACCES', srcpath: join(root, name) }))
      }
      expect(await client.listdir('tree')).toContain('z')
    },
  )
})

test('F14: a file that is to be private is private before it has content', async () => {
  const disk = new Disk()
  disk.put('/file', content)
  disk.permissions.set('/file', 0o600)
  const directory = temporaryDirectory()
  const target = join(directory, 'target')
  const modes = new Set<number>()
  const before = process.umask(0)
  try {
    const { client } = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'read')
          for (const name of readdirSync(directory)) modes.add(statSync(join(directory, name)).mode & 0o777)
        return undefined
      },
    })
    await client.get('/file', target, { preserve: true })
    await client.get('/file', target, { preserve: true, atomic: true })
    await client.get('/file', join(directory, 'other'), { preserve: true, resume: true })
  } finally {
    process.umask(before)
  }
  expect([...modes]).toEqual([0o600])
})
