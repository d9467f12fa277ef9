import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, test, vi } from 'vitest'
import { SftpClient } from '../../src/client/sftp-client.js'
import { fileTypes } from '../../src/protocol/attrs.js'
import { framePacket } from '../../src/protocol/framing.js'
import { type Request, replies } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { type Answers, directory, regularFile, ScriptedServer, symlink, withScript } from '../scripted-peers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const { ok, eof, noSuchFile, failure } = statusCodes

/** A server with one directory whose listing is made up; every file holds its own path. */
function servingNames(names: Parameters<Answers['names']>[1]) {
  const listed = new Set<string>()
  return (request: Request, answers: Answers): void => {
    switch (request.type) {
      case 'lstat':
      case 'stat':
        return answers.attrs(request.id, { permissions: request.path === 'dir' ? directory : regularFile, size: 4 })
      case 'opendir':
      case 'open':
        return answers.handle(request.id, request.path.slice(0, 200))
      case 'readdir': {
        const handle = Buffer.from(request.handle).toString()
        if (listed.has(handle)) return answers.status(request.id, eof)
        listed.add(handle)
        return answers.names(request.id, names)
      }
      case 'read':
        if (request.offset > 0) return answers.status(request.id, eof)
        return answers.data(request.id, Buffer.from('evil'))
      case 'readlink':
        return answers.names(request.id, ['/etc'])
    }
  }
}

describe('F1: names of a listing never leave the target', () => {
  test.each(['../x', 'a/b', '/x', '..\\x', 'a\\b', '', 'a\0b', './x', '/'])(
    '%j is refused with a typed error',
    async (name) => {
      const root = temporaryDirectory()
      mkdirSync(join(root, 'target'))
      const { client } = await withScript(servingNames([name]))
      await expect(client.get('dir', join(root, 'target/new'), { recurse: true })).rejects.toMatchObject({
        code: 'ERR_SFTP_UNSAFE_NAME',
        path: 'dir',
      })
      expect(readdirSync(root)).toEqual(['target'])
      expect(readdirSync(join(root, 'target/new'))).toEqual([])
    },
  )

  test('`.` and `..` belong to listings and are passed over', async () => {
    const root = temporaryDirectory()
    const { client } = await withScript(servingNames(['.', '..', 'good']))
    await client.get('dir', join(root, 'new'), { recurse: true })
    expect(readdirSync(join(root, 'new'))).toEqual(['good'])
  })

  test('one bad name does not keep the good ones back when errors are collected', async () => {
    const root = temporaryDirectory()
    const { client } = await withScript(servingNames(['../x', 'good']))
    const errors: unknown[] = []
    await client.get('dir', join(root, 'new'), { recurse: true, onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'ERR_SFTP_UNSAFE_NAME', srcpath: 'dir/../x' }])
    expect(readdirSync(root)).toEqual(['new'])
    expect(readFileSync(join(root, 'new/good'), 'utf8')).toBe('evil')
  })

  test('what a pattern matched is checked too', async () => {
    const root = temporaryDirectory()
    const { client } = await withScript(servingNames(['a\\x']))
    await expect(client.mget('*', root)).rejects.toMatchObject({ code: 'ERR_SFTP_UNSAFE_NAME' })
    const slashed = await withScript(servingNames(['../x']))
    await expect(slashed.client.mget('*', root)).rejects.toMatchObject({ code: 'ERR_SFTP_UNSAFE_NAME' })
    expect(readdirSync(root)).toEqual([])
  })
})

describe('F2: nothing is written through a link', () => {
  test('a link and then a directory of the same name: the files go into a real directory', async () => {
    const root = temporaryDirectory()
    const outside = temporaryDirectory()
    const script = servingNames([])
    let page = 0
    const { client } = await withScript((request, answers) => {
      if (request.type === 'readlink') return answers.names(request.id, [outside])
      if (request.type !== 'readdir') return script(request, answers)
      const pages: Parameters<Answers['names']>[1][] = [
        [
          { name: 'a', permissions: symlink },
          { name: 'a', permissions: directory },
        ],
        [{ name: 'file', permissions: regularFile, size: 4 }],
      ]
      const handle = Buffer.from(request.handle).toString()
      const names = handle === 'dir' ? (page++ === 0 ? pages[0] : undefined) : page++ < 12 ? pages[1] : undefined
      return names === undefined ? answers.status(request.id, eof) : answers.names(request.id, names)
    })
    const errors: unknown[] = []
    await client.get('dir', join(root, 'new'), { recurse: true, onError: (error) => errors.push(error) })
    expect(readdirSync(outside)).toEqual([])
    expect(errors).toMatchObject([{ code: 'EEXIST' }])
    expect(statSync(join(root, 'new/a')).isDirectory()).toBe(true)
  })

  test('a link left from an earlier run is not followed, as a file or as a directory', async () => {
    const root = temporaryDirectory()
    const outside = temporaryDirectory()
    writeFileSync(join(outside, 'precious'), 'precious')
    const { client } = await withScript(servingNames(['file', { name: 'sub', permissions: directory }]))
    const errors: unknown[] = []
    mkdirSync(join(root, 'dir'))
    symlinkSync(join(outside, 'precious'), join(root, 'dir/file'))
    symlinkSync(outside, join(root, 'dir/sub'))
    await client.get('dir', root, { recurse: true, onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'ELOOP' }, { code: 'ELOOP' }])
    expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('precious')
    expect(readdirSync(outside)).toEqual(['precious'])
  })
})

describe('F5: the size is only believed', () => {
  /** A file that says it has `told` bytes and has `actual`. */
  const lying =
    (told: number | undefined, actual: number) =>
    (request: Request, answers: Answers): void => {
      if (request.type === 'lstat' || request.type === 'fstat') {
        return answers.attrs(request.id, { permissions: regularFile, ...(told !== undefined && { size: told }) })
      }
      if (request.type === 'open') return answers.handle(request.id, 'h')
      if (request.type !== 'read') return
      const length = Math.min(request.length, actual - request.offset)
      return length > 0 ? answers.data(request.id, Buffer.alloc(length, 1)) : answers.status(request.id, eof)
    }

  test.each([
    ['longer than told', 10, 500_000],
    ['shorter than told', 500_000, 70_000],
    ['said to be 8 PiB', 2 ** 53 - 1, 100_000],
    ['said to be empty, as files of /proc are', 0, 100_000],
    ['of unknown size', undefined, 100_000],
    ['really empty', 0, 0],
    ['as told', 65536, 65536],
  ])('a file %s arrives as it is', async (_name, told, actual) => {
    const root = temporaryDirectory()
    const { client } = await withScript(lying(told, actual))
    const events: number[] = []
    await client.get('f', join(root, 'f'), { progress: ({ transferred, total }) => events.push(transferred, total) })
    expect(statSync(join(root, 'f')).size).toBe(actual)
    expect(events.slice(-2)).toEqual([actual, actual])
  })

  test('a size that no number holds is an error of its own, and the session goes on', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type !== 'stat' && request.type !== 'lstat') return
      const attrs = Buffer.concat([Buffer.of(0, 0, 0, 1), Buffer.from('8000000000000000', 'hex')])
      const head = Buffer.from(replies.attrs.encode({ id: request.id, attrs: {} })).subarray(0, 5)
      answers.raw(framePacket(Buffer.concat([head, attrs])))
    })
    await expect(client.stat('f')).rejects.toMatchObject({ code: 'ERR_SFTP_UNSAFE_INTEGER' })
    await expect(client.lstat('f')).rejects.toMatchObject({ code: 'ERR_SFTP_UNSAFE_INTEGER' })
  })

  test('short answers are asked on at the right offset', async () => {
    const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index * 7))
    const { client } = await withScript((request, answers) => {
      if (request.type === 'open') answers.handle(request.id, 'h')
      if (request.type === 'lstat') answers.attrs(request.id, { permissions: regularFile, size: content.length })
      if (request.type !== 'read') return
      const data = content.subarray(
        request.offset,
        request.offset + Math.min(request.length, 1 + (request.offset % 999)),
      )
      if (data.length > 0) answers.data(request.id, data)
      else answers.status(request.id, eof)
    })
    const root = temporaryDirectory()
    await client.get('f', join(root, 'f'))
    expect(readFileSync(join(root, 'f')).equals(content)).toBe(true)
    expect((await client.readFile('f')).equals(content)).toBe(true)
  })

  test('an end in the middle of a file that goes on behind it is a file that changed, and leaves nothing', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type === 'open') answers.handle(request.id, 'h')
      if (request.type === 'lstat') answers.attrs(request.id, { permissions: regularFile, size: 200_000 })
      if (request.type !== 'read') return
      if (request.offset < 65536) answers.status(request.id, eof)
      else answers.data(request.id, Buffer.alloc(request.length))
    })
    const root = temporaryDirectory()
    await expect(client.get('f', join(root, 'f'))).rejects.toMatchObject({ code: 'ERR_SFTP_FILE_CHANGED' })
    expect(readdirSync(root)).toEqual([])
  })
})

describe('F6: replies that do not fit their request end the session', () => {
  test.each<[string, (id: number, answers: Answers) => void]>([
    ['more data than asked for', (id, answers) => answers.data(id, Buffer.alloc(11))],
    ['no data at all', (id, answers) => answers.data(id, Buffer.alloc(0))],
    ['a handle', (id, answers) => answers.handle(id, 'h')],
    ['attributes', (id, answers) => answers.attrs(id, {})],
    ['success without data', (id, answers) => answers.status(id, ok)],
    ['a message nobody knows', (id, answers) => answers.raw(framePacket(Buffer.of(199, 0, 0, 0, id)))],
    ['a truncated status', (id, answers) => answers.raw(framePacket(Buffer.of(101, 0, 0, 0, id, 0)))],
    ['a message without id', (_id, answers) => answers.raw(framePacket(Buffer.of(103, 0, 0)))],
    ['an empty packet', (_id, answers) => answers.raw(Buffer.of(0, 0, 0, 0))],
    ['a packet of 4 GiB', (_id, answers) => answers.raw(Buffer.of(0xff, 0xff, 0xff, 0xff))],
  ])('%s in answer to READ', async (_name, reply) => {
    const { client } = await withScript((request, answers) => {
      if (request.type === 'open') answers.handle(request.id, 'h')
      if (request.type === 'read') reply(request.id, answers)
    })
    const file = await client.open('f')
    const code = 'ERR_SFTP_PROTOCOL'
    await expect(file.read(10, 7)).rejects.toMatchObject({ code, path: 'f', details: { offset: 7 } })
    await client.closed
    await expect(client.stat('g')).rejects.toMatchObject({ code, path: 'g' })
  })
})

describe('F7: ids', () => {
  test('the first reply with an id nobody waits for ends the session', async () => {
    const { client, server } = await withScript((request, answers) => {
      if (request.type === 'stat') for (let id = 1000; id < 2000; id++) answers.status(id, ok)
    })
    await expect(client.stat('f')).rejects.toMatchObject({ code: 'ERR_SFTP_PROTOCOL', message: /request 1000/ })
    await client.closed
    expect(server.closedWith).toBeInstanceOf(Error)
  })

  test('a second reply to the same request ends the session', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type !== 'stat') return
      answers.attrs(request.id, {})
      answers.attrs(request.id, {})
    })
    await client.stat('f')
    await client.closed
    await expect(client.stat('f')).rejects.toMatchObject({ code: 'ERR_SFTP_PROTOCOL' })
  })
})

describe('F8: a failed write is never hidden', () => {
  test.each([0, 1, 5])('block %d fails, the others succeed, answered in reverse', async (failing) => {
    const held: Request[] = []
    const { client, server } = await withScript((request, answers) => {
      if (request.type === 'stat') answers.status(request.id, noSuchFile)
      if (request.type === 'open') answers.handle(request.id, 'h')
      if (request.type !== 'write') return
      held.push(request)
      if (held.length < 6) return
      for (const write of held.reverse()) {
        if (write.type !== 'write') continue
        if (write.offset === failing * 32768) answers.status(write.id, failure, 'disk full')
        else answers.status(write.id, ok)
      }
    })
    const root = temporaryDirectory()
    writeFileSync(join(root, 'f'), Buffer.alloc(6 * 32768))
    await expect(client.put(join(root, 'f'), 'remote')).rejects.toMatchObject({
      code: 'ERR_SFTP_FAILURE',
      path: 'remote',
      details: { offset: failing * 32768 },
      message: expect.stringContaining(`disk full, write at offset ${failing * 32768}`),
    })
    await expect.poll(() => server.types.at(-1)).toBe('close')
  })

  test('a stream fails with the write that failed', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type === 'open') answers.handle(request.id, 'h')
      if (request.type === 'write') answers.status(request.id, request.offset === 32768 ? failure : ok)
    })
    const stream = client.createWriteStream('f')
    stream.end(Buffer.alloc(100_000))
    const error = await new Promise((resolve) => stream.on('error', resolve))
    expect(error).toMatchObject({ code: 'ERR_SFTP_FAILURE', details: { offset: 32768 } })
  })
})

describe('F9: endless trees', () => {
  test('a listing that never ends is bounded by who reads it', async () => {
    let pages = 0
    const { client } = await withScript((request, answers) => {
      if (request.type === 'opendir') answers.handle(request.id, 'h')
      if (request.type === 'readdir') answers.names(request.id, [`file${pages++}`])
    })
    let seen = 0
    for await (const _ of client.scandir('.')) if (++seen === 100) break
    expect(pages).toBeLessThan(120)
  })

  test('an empty page ends a listing', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type === 'opendir') answers.handle(request.id, 'h')
      if (request.type === 'readdir') answers.names(request.id, [])
    })
    expect(await client.listdir('.')).toEqual([])
  })

  test.each(['get', 'rmtree', 'glob'] as const)('directories without end stop %s at 64', async (operation) => {
    let depth = 0
    const { client } = await withScript((request, answers) => {
      if (request.type === 'lstat') answers.attrs(request.id, { permissions: directory })
      if (request.type === 'opendir') {
        depth = Math.max(depth, request.path.split('/').length)
        answers.handle(request.id, `h${request.id}`)
      }
      if (request.type === 'readdir') answers.names(request.id, [{ name: 'd', permissions: directory }])
    })
    const run = {
      get: () => client.get('d', join(temporaryDirectory(), 'new'), { recurse: true }),
      rmtree: () => client.rmtree('d'),
      glob: () => client.glob('d/**/x'),
    }
    await expect(run[operation]()).rejects.toMatchObject({ code: 'ELOOP' })
    expect(depth).toBeLessThan(70)
  })
})

test.each(['fifo', 'characterDevice', 'blockDevice', 'socket'] as const)(
  'F9: a %s in a listing, which may never end, is not opened',
  async (type) => {
    const root = temporaryDirectory()
    const { client, server } = await withScript(
      servingNames([{ name: 'endless', permissions: fileTypes[type] | 0o644 }, 'good']),
    )
    const errors: unknown[] = []
    await client.get('dir', join(root, 'new'), { recurse: true, onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'EINVAL', srcpath: 'dir/endless' }])
    expect(readdirSync(join(root, 'new'))).toEqual(['good'])
    expect(server.types.filter((type) => type === 'open').length).toBe(1)
  },
)

describe('F10: what the server announces', () => {
  const version = (payload: Buffer) => framePacket(Buffer.concat([Buffer.of(2, 0, 0, 0, 3), payload]))
  const pair = (name: string, data: string) =>
    Buffer.concat([name, data].flatMap((part) => [Buffer.of(0, 0, 0, part.length), Buffer.from(part)]))

  test.each([
    ['a truncated pair', pair('a', 'b').subarray(0, 7)],
    ['a length past the end', Buffer.of(0xff, 0xff, 0xff, 0xff)],
  ])('%s is a typed error', async (_name, payload) => {
    await expect(withScript(() => {}, { version: version(payload) })).rejects.toMatchObject({
      code: 'ERR_SSH_WIRE_TRUNCATED',
    })
  })

  test('names of any kind, twice or inherited, are only names', async () => {
    const payload = Buffer.concat([pair('__proto__', '1'), pair('a', '1'), pair('a', '2')])
    const { client } = await withScript(() => {}, { version: version(payload) })
    expect([...client.extensions]).toEqual([
      ['__proto__', '1'],
      ['a', '2'],
    ])
  })

  test.each([0n, 1n, 2n ** 64n - 1n])('limits of %d are clamped to what works', async (limit) => {
    const { client } = await withScript(
      (request, answers) => {
        if (request.type !== 'extended') return
        const payload = Buffer.alloc(32)
        for (let offset = 0; offset < 32; offset += 8) payload.writeBigUInt64BE(limit, offset)
        answers.raw(framePacket(replies.extendedReply.encode({ id: request.id, payload })))
      },
      { version: version(pair('limits@openssh.com', '1')) },
    )
    const { maxReadLength, maxWriteLength } = await client.limits()
    const expected = limit === 0n ? 32768 : limit === 1n ? 1 : 261120
    expect([maxReadLength, maxWriteLength]).toEqual([expected, expected])
  })

  test('limits that are announced and refused are those of the protocol', async () => {
    const { client } = await withScript(
      (request, answers) => {
        if (request.type === 'extended') answers.status(request.id, statusCodes.opUnsupported)
      },
      { version: version(pair('limits@openssh.com', '1')) },
    )
    expect(await client.limits()).toMatchObject({ maxReadLength: 32768, maxOpenHandles: Number.POSITIVE_INFINITY })
  })

  test.each([0, 2, 4, 99])('version %d is refused', async (number) => {
    const other = framePacket(replies.version.encode({ version: number, extensions: [] }))
    await expect(withScript(() => {}, { version: other })).rejects.toMatchObject({ code: 'ERR_SFTP_PROTOCOL' })
  })

  test('limits that are never told hold nobody who gives up, and no handle', async () => {
    const { client, server } = await withScript(
      (request, answers) => {
        if (request.type === 'open') answers.handle(request.id, 'h')
        if (request.type === 'stat' || request.type === 'lstat')
          answers.attrs(request.id, { size: 1, permissions: regularFile })
        return request.type === 'extended'
      },
      { version: version(pair('limits@openssh.com', '1')) },
    )
    const root = temporaryDirectory()
    const count = (wanted: string) => server.types.filter((type) => type === wanted).length
    const calls: [(signal: AbortSignal) => Promise<unknown>, number][] = [
      [(signal) => client.limits({ signal }), 0],
      [(signal) => client.open('a', 'r', {}, { signal }), 1],
      [(signal) => client.get('a', join(root, 'a'), { signal }), 2],
    ]
    for (const [call, opened] of calls) {
      const controller = new AbortController()
      const calling = call(controller.signal)
      await expect.poll(() => count('open')).toBe(opened)
      controller.abort()
      await expect(calling).rejects.toMatchObject({ code: 'ABORT_ERR' })
    }
    await expect.poll(() => count('close')).toBe(2)
  })

  test('text before SFTP is told from SFTP', async () => {
    await expect(withScript(() => {}, { version: Buffer.from('This account is disabled.\n') })).rejects.toThrow(
      /printed text before SFTP: "This account is disabled/,
    )
  })

  test('a channel that closes before VERSION fails the start', async () => {
    const [near, far] = memoryChannelPair()
    const starting = SftpClient.start(near)
    far.attach({})
    far.close()
    await expect(starting).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
  })

  test('a start can be aborted', async () => {
    const [near] = memoryChannelPair()
    const controller = new AbortController()
    const starting = SftpClient.start(near, { signal: controller.signal })
    controller.abort()
    await expect(starting).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(near.isClosed).toBe(true)
  })
})

test('F11, F14: new files get no bits from the server but those asked for', async () => {
  const root = temporaryDirectory()
  const { client } = await withScript((request, answers) => {
    if (request.type === 'lstat') answers.attrs(request.id, { permissions: 0o104755, size: 0 })
    if (request.type === 'open') answers.handle(request.id, 'h')
    if (request.type === 'read') answers.status(request.id, eof)
  })
  await client.get('f', join(root, 'plain'))
  expect(statSync(join(root, 'plain')).mode & 0o7777).toBe(0o666 & ~process.umask())
  await client.get('f', join(root, 'kept'), { preserve: true })
  expect(statSync(join(root, 'kept')).mode & 0o7777).toBe(0o4755)
})

test('H7, R18: a session cut at any byte settles everything that waits', async () => {
  const whole = await recordSession()
  for (let cut = 0; cut < whole.length; cut++) {
    const [near, far] = memoryChannelPair()
    far.attach({ onData: (chunk) => far.release(chunk.length) })
    far.write(whole.subarray(0, cut))
    const outcome = SftpClient.start(near).then(async (client) => {
      const results = Promise.allSettled([client.stat('a'), client.readFile('b'), client.listdir('c')])
      far.close()
      return results
    })
    if (cut < 9) far.close()
    await outcome.catch((error) => expect(error.code).toMatch(/^ERR_SFTP_/))
  }
})

/** The bytes a scripted server sends in a short session. */
async function recordSession(): Promise<Buffer> {
  const [near, far] = memoryChannelPair()
  const sent: Uint8Array[] = []
  const recording = {
    ...far,
    attach: far.attach.bind(far),
    release: far.release.bind(far),
    write: (chunk: Uint8Array) => {
      sent.push(Buffer.from(chunk))
      return far.write(chunk)
    },
  }
  new ScriptedServer(recording as never, servingNames(['x']))
  const client = await SftpClient.start(near)
  await Promise.allSettled([client.stat('a'), client.readFile('b'), client.listdir('c')])
  await client.close()
  return Buffer.concat(sent)
}

test('the target of a failed download is not there', async () => {
  const root = temporaryDirectory()
  const { client } = await withScript((request, answers) => {
    if (request.type === 'lstat') answers.attrs(request.id, { permissions: regularFile, size: 100_000 })
    if (request.type === 'open') answers.handle(request.id, 'h')
    if (request.type === 'read') {
      if (request.offset === 65536) answers.status(request.id, failure, 'bad sector')
      else answers.data(request.id, Buffer.alloc(request.length))
    }
  })
  await expect(client.get('f', join(root, 'f'))).rejects.toMatchObject({
    code: 'ERR_SFTP_FAILURE',
    path: 'f',
    srcpath: 'f',
    dstpath: join(root, 'f'),
    details: { offset: 65536 },
  })
  expect(existsSync(join(root, 'f'))).toBe(false)
})

test('a handle is never closed twice, whatever closing it says', async () => {
  const { client, server } = await withScript((request, answers) => {
    if (request.type === 'stat') answers.status(request.id, noSuchFile)
    if (request.type === 'open') answers.handle(request.id, 'h')
    if (request.type === 'write') answers.status(request.id, ok)
    if (request.type !== 'close') return false
    answers.status(request.id, failure, 'quota exceeded')
    return true
  })
  const root = temporaryDirectory()
  writeFileSync(join(root, 'f'), 'content')
  await expect(client.put(join(root, 'f'), 'f')).rejects.toMatchObject({ code: 'EDQUOT' })
  await expect(client.writeFile('f', 'content')).rejects.toMatchObject({ code: 'EDQUOT' })
  await new Promise((resolve) => setImmediate(resolve))
  expect(server.types.filter((type) => type === 'close')).toHaveLength(2)
})

test('close leaves a server behind that never closes its end', async () => {
  const [near, far] = memoryChannelPair()
  new ScriptedServer(far, () => {})
  const client = await SftpClient.start({
    attach: (handlers) => near.attach(handlers),
    release: (byteCount) => near.release(byteCount),
    write: (chunk) => near.write(chunk),
    end: () => near.end(),
    // What close leads to when the other end does not answer it.
    close: () => {},
    abort: (error) => near.abort(error),
  })
  vi.useFakeTimers()
  try {
    const closed = client.close()
    await vi.advanceTimersByTimeAsync(10_000)
    await closed
  } finally {
    vi.useRealTimers()
  }
})
