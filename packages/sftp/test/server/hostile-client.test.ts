import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memoryChannelPair } from '@ssh/testkit'
import { asBuffer, concatBytes, toHex, Writer } from '@ssh/wire'
import { describe, expect, onTestFinished, test } from 'vitest'
import { extendedRequests } from '../../src/protocol/extensions.js'
import { framePacket, maximumPacketLength } from '../../src/protocol/framing.js'
import { openFlags } from '../../src/protocol/open-flags.js'
import { type Reply, requests } from '../../src/protocol/packets.js'
import type { SftpHandler } from '../../src/server/handler.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { type ServeSftpOptions, serveSftp } from '../../src/server/serve-sftp.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { RawClient } from '../scripted-peers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const { read, write, create, truncate, append } = openFlags

/** A raw client of a handler, INIT done. */
function attack<F>(handler: SftpHandler<F>, options: ServeSftpOptions & { windowSize?: number } = {}) {
  const { windowSize = 2 ** 21, ...serverOptions } = options
  const [near, far] = memoryChannelPair({ windowSize })
  const session = serveSftp(far, handler, serverOptions)
  const client = new RawClient(near)
  client.init()
  onTestFinished(() => session.close())
  return { client, session, near, far }
}

/** A jail with a secret beside it and links of every kind in it. */
function makeJail() {
  const base = temporaryDirectory()
  for (const name of ['root/sub', 'root2', 'secret']) mkdirSync(join(base, name), { recursive: true })
  for (const name of ['root/file', 'root/sub/inner', 'root2/file', 'secret/file']) writeFileSync(join(base, name), name)
  const root = join(base, 'root')
  symlinkSync('../secret', join(root, 'relative'))
  symlinkSync(join(base, 'secret'), join(root, 'absolute'))
  symlinkSync('/', join(root, 'slash'))
  symlinkSync('../../../../../../../etc', join(root, 'deep'))
  symlinkSync('loop2', join(root, 'loop1'))
  symlinkSync('loop1', join(root, 'loop2'))
  symlinkSync(join(root, 'sub'), join(root, 'inside'))
  symlinkSync('../file', join(root, 'sub/up'))
  return { base, root }
}

async function status(reply: Promise<Reply>): Promise<number | string> {
  const answer = await reply
  return answer.type === 'status' ? answer.code : answer.type
}

describe('E1: paths stay inside the root', () => {
  const escapes = [
    '/../secret/file',
    '../secret/file',
    'sub/../../secret/file',
    '/sub/../../../../secret/file',
    '//../secret/file',
    '/./.././secret/file',
    'relative/file',
    'absolute/file',
    'deep/passwd',
    'sub/../relative/file',
    '..\\secret\\file',
    'C:\\secret\\file',
    'file::$DATA',
    'file\0/../../secret/file',
    '\0',
    `${'../'.repeat(1000)}secret/file`,
    `${'x'.repeat(4096)}`,
    '../root2/file',
  ]

  test.each(escapes)('%j is not there, for reading, looking or writing', async (path) => {
    const { root, base } = makeJail()
    const { client } = attack(new SftpServer({ root }))
    const answers = await Promise.all(
      [
        client.ask((id) => rawOpen(id, path, read)),
        client.ask((id) => rawPath(17, id, path)),
        client.ask((id) => rawPath(7, id, path)),
      ].map(status),
    )
    for (const answer of answers) expect(answer === 2 || answer === 5 || answer === 4).toBe(true)
    expect(readFileSync(join(base, 'secret/file'), 'utf8')).toBe('secret/file')
  })

  test.each(['/../new', '../../new', 'relative/new', 'absolute/new', 'slash/new'])(
    'creating %j makes it inside or not at all',
    async (path) => {
      const { root, base } = makeJail()
      const { client } = attack(new SftpServer({ root }))
      await status(client.ask((id) => rawOpen(id, path, write | create)))
      expect(readdirSync(join(base, 'secret'))).toEqual(['file'])
      expect(readdirSync(base).sort()).toEqual(['root', 'root2', 'secret'])
    },
  )

  test('links lead where they would with the root as `/`', async () => {
    const { root } = makeJail()
    const { client } = attack(new SftpServer({ root }))
    const real = async (path: string) => {
      const reply = await client.ask((id) => requests.realpath.encode({ id, path }))
      return reply.type === 'name' ? reply.entries[0]?.fileName : status(Promise.resolve(reply))
    }
    expect(await real('slash/sub/inner')).toBe('/sub/inner')
    expect(await real('inside/inner')).toBe('/sub/inner')
    expect(await real('sub/up')).toBe('/file')
    expect(await real('relative')).toBe('/secret')
    expect(await real('deep')).toBe('/etc')
    expect(await real('/../..')).toBe('/')
    expect(await real('sub/..')).toBe('/')
    expect(await real('nothing')).toBe('/nothing')
    expect(await real('nothing/below')).toBe(2)
    expect(await real('loop1')).toBe(2)
    expect(await real('file/x')).toBe(2)
  })

  test('the root itself can be neither removed nor renamed', async () => {
    const { root } = makeJail()
    const { client } = attack(new SftpServer({ root: join(root, 'sub') }))
    await client.ask((id) => requests.remove.encode({ id, path: '/inner' }))
    await client.ask((id) => requests.remove.encode({ id, path: '/up' }))
    expect(await status(client.ask((id) => requests.rmdir.encode({ id, path: '/' })))).toBe(3)
    expect(await status(client.ask((id) => requests.rename.encode({ id, oldPath: '/..', newPath: '/x' })))).toBe(3)
    expect(existsSync(join(root, 'sub'))).toBe(true)
  })
})

test('E2: a link swapped in after the path was resolved gives nothing from outside', async () => {
  const { root, base } = makeJail()
  // As if the last step of resolving had been overtaken: the path handed on leads outside.
  class Overtaken extends SftpServer {
    override async mapPath(path: string, followLast: boolean) {
      return path === 'race' ? join(base, 'secret/file') : super.mapPath(path, followLast)
    }
  }
  const { client } = attack(new Overtaken({ root }))
  if (process.platform !== 'linux') return
  expect(await status(client.ask((id) => rawOpen(id, 'race', read)))).toBe(2)
  expect(await status(client.ask((id) => rawOpen(id, 'race', write | create | truncate)))).toBe(2)
  expect(readFileSync(join(base, 'secret/file'), 'utf8')).toBe('secret/file')
})

test('E3: no reply ever names the real root', async () => {
  const { root, base } = makeJail()
  const { client } = attack(new SftpServer({ root }))
  const paths = ['/', 'file', 'relative', 'absolute', 'inside', 'slash', 'nothing', 'nothing/x', 'loop1', 'file/x']
  for (const path of paths) {
    await client.ask((id) => requests.realpath.encode({ id, path }))
    await client.ask((id) => requests.readlink.encode({ id, path }))
    await client.ask((id) => requests.stat.encode({ id, path }))
    await client.ask((id) => requests.opendir.encode({ id, path }))
    await client.ask((id) => requests.rmdir.encode({ id, path: `${path}/none` }))
    await client.ask((id) => requests.mkdir.encode({ id, path, attrs: {} }))
    await client.ask((id) => requests.symlink.encode({ id, targetPath: '/file', linkPath: `l${id}` }))
    await client.ask((id) => requests.readlink.encode({ id, path: `l${id - 1}` }))
  }
  const link = client.replies.at(-1)
  expect(link).toMatchObject({ type: 'name', entries: [{ fileName: '/file' }] })
  const told = JSON.stringify(client.replies)
  expect(told).not.toContain(root)
  // A link that leads out is told as it is stored; the administrator who made it wrote that path.
  expect(told.replaceAll(join(base, 'secret'), '')).not.toContain(base)
})

test('E4: a read-only server changes nothing, whatever is asked', async () => {
  const { root } = makeJail()
  const before = [...readdirSync(root), ...readdirSync(join(root, 'sub'))]
  const { client } = attack(new SftpServer({ root }), { readOnly: true })
  const handle = await client.open('file', read)
  const extended = (id: number, request: string, payload: Uint8Array) =>
    requests.extended.encode({ id, request, payload })
  const attempts: ((id: number) => Uint8Array)[] = [
    ...[write, read | write, read | create, read | truncate, append, create].map(
      (flags) => (id: number) => rawOpen(id, 'new', flags),
    ),
    (id) => requests.write.encode({ id, handle, offset: 0, data: Buffer.from('x') }),
    (id) => requests.setstat.encode({ id, path: 'file', attrs: { size: 0 } }),
    (id) => requests.fsetstat.encode({ id, handle, attrs: { size: 0 } }),
    (id) => requests.remove.encode({ id, path: 'file' }),
    (id) => requests.mkdir.encode({ id, path: 'new', attrs: {} }),
    (id) => requests.rmdir.encode({ id, path: 'sub' }),
    (id) => requests.rename.encode({ id, oldPath: 'file', newPath: 'new' }),
    (id) => requests.symlink.encode({ id, targetPath: 'file', linkPath: 'new' }),
    (id) => extended(id, 'posix-rename@openssh.com', paths('file', 'new')),
    (id) => extended(id, 'hardlink@openssh.com', paths('file', 'new')),
    (id) =>
      extended(
        id,
        'lsetstat@openssh.com',
        extendedRequests.encode('lsetstat@openssh.com', { path: 'file', attrs: { size: 0 } }),
      ),
  ]
  for (const attempt of attempts) expect(await status(client.ask(attempt))).toBe(3)
  expect([...readdirSync(root), ...readdirSync(join(root, 'sub'))]).toEqual(before)
  expect(readFileSync(join(root, 'file'), 'utf8')).toBe('root/file')
})

describe('E5, E6: handles', () => {
  test('only open handles of the right kind are taken', async () => {
    const { client } = attack(new MemoryHandler())
    const file = await client.open('a', read | write | create)
    const opendir = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
    const directory = opendir.type === 'handle' ? Buffer.from(opendir.handle) : Buffer.alloc(0)
    const other = attack(new MemoryHandler()).client
    const foreign = await other.open('a', write | create)
    const reading = (handle: Uint8Array) =>
      status(client.ask((id) => requests.read.encode({ id, handle, offset: 0, length: 1 })))
    for (const handle of [Buffer.alloc(0), Buffer.alloc(4096), Buffer.from('__proto__'), directory, foreign]) {
      expect(await reading(handle)).toBe(4)
    }
    expect(await status(client.ask((id) => requests.readdir.encode({ id, handle: file })))).toBe(4)
    expect(await reading(file)).toBe(1)
    await client.ask((id) => requests.close.encode({ id, handle: file }))
    expect(await reading(file)).toBe(4)
    expect(await status(client.ask((id) => requests.close.encode({ id, handle: file })))).toBe(4)
  })

  test('handles cannot be guessed', async () => {
    const { client } = attack(new MemoryHandler())
    const handles = new Set<string>()
    for (let index = 0; index < 100; index++) handles.add(toHex(await client.open('a', write | create)))
    expect(handles.size).toBe(100)
    for (const handle of handles) expect(handle).toHaveLength(32)
  })

  test('handles are capped before anything is opened, and all are closed when the channel is lost', async () => {
    let open = 0
    let most = 0
    class Counting extends MemoryHandler {
      override open(...args: Parameters<MemoryHandler['open']>) {
        most = Math.max(most, ++open)
        return super.open(...args)
      }
      override close() {
        open--
      }
    }
    const { client, session, near } = attack(new Counting(), { maximumHandles: 10 })
    const replies = await Promise.all(
      Array.from({ length: 30 }, () => status(client.ask((id) => rawOpen(id, 'a', write | create)))),
    )
    expect(replies.filter((reply) => reply === 'handle')).toHaveLength(10)
    expect(replies.filter((reply) => reply === 4)).toHaveLength(20)
    expect(most).toBe(10)
    near.abort()
    await session.closed
    expect(open).toBe(0)
  })

  test('a file whose opening ends after the channel did is closed too', async () => {
    let finish: () => void = () => {}
    let closed = 0
    class Late extends MemoryHandler {
      override close() {
        closed++
      }
    }
    const memory = new Late()
    const handler: SftpHandler = Object.create(memory, {
      open: {
        value: (...args: Parameters<MemoryHandler['open']>) =>
          new Promise((resolve) => (finish = () => resolve(memory.open(...args)))),
      },
      close: { value: () => memory.close() },
      scandir: { value: (path: string) => memory.scandir(path) },
      end: { value: undefined },
    })
    const { client, session, near } = attack(handler)
    client.channel.write(framePacket(rawOpen(1, 'a', write | create)))
    near.abort()
    await session.closed
    finish()
    await expect.poll(() => closed).toBe(1)
  })
})

test('E7: a reply never holds more than the file does', async () => {
  class Short extends MemoryHandler {
    override read(file: Parameters<MemoryHandler['read']>[0], into: Uint8Array, position: number): number {
      into.fill(0x53)
      return super.read(file, into, position)
    }
  }
  const { client } = attack(new Short())
  const handle = await client.open('a', read | write | create)
  await client.ask((id) => requests.write.encode({ id, handle, offset: 0, data: Buffer.from('tiny') }))
  const reading = (offset: number, length: number) =>
    client.ask((id) => requests.read.encode({ id, handle, offset, length }))
  expect(await reading(0, 0xffffffff)).toMatchObject({ type: 'data', data: Buffer.from('tiny') })
  expect(await reading(2, 0xffffffff)).toMatchObject({ type: 'data', data: Buffer.from('ny') })
  expect(await reading(4, 10)).toMatchObject({ type: 'status', code: 1 })
  expect(await reading(0, 0)).toMatchObject({ type: 'status', code: 1 })
  await client.ask((id) => requests.fsetstat.encode({ id, handle, attrs: { size: 1_000_000 } }))
  const big = await reading(0, 0xffffffff)
  expect(big.type === 'data' && big.data.length).toBe(maximumPacketLength - 1024)
})

test('E8: offsets and sizes are exact or refused, and the session goes on', async () => {
  const offsets: number[] = []
  class Noting extends MemoryHandler {
    override read(_file: unknown, _into: Uint8Array, position: number): number {
      offsets.push(position)
      return 0
    }
    override setstat(_path: string, { size = -1 }): void {
      offsets.push(size)
    }
  }
  const { client } = attack(new Noting())
  const handle = await client.open('a', read | write | create)
  const values = [2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]
  const answers: (number | string)[] = []
  for (const value of values) {
    answers.push(
      await status(
        client.ask((id) =>
          new Writer().writeByte(5).writeUint32(id).writeString(handle).writeUint64(value).writeUint32(1).finish(),
        ),
      ),
    )
    answers.push(
      await status(
        client.ask((id) =>
          new Writer().writeByte(9).writeUint32(id).writeUtf8('a').writeUint32(1).writeUint64(value).finish(),
        ),
      ),
    )
  }
  expect(answers).toEqual([1, 0, 1, 0, 1, 0, 4, 4, 4, 4, 4, 4, 4, 4])
  expect(offsets).toEqual([2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32, 2 ** 53 - 1, 2 ** 53 - 1])
})

describe('E9: what breaks the framing or the handshake ends the channel', () => {
  const header = (length: number) => new Writer().writeUint32(length).finish()
  test.each<[string, Uint8Array]>([
    ['a length of 0', header(0)],
    ['a length over the cap', header(maximumPacketLength + 1)],
    ['a length of 4 GiB', header(0xffffffff)],
    ['a second INIT', framePacket(requests.init.encode({ version: 3, extensions: [] }))],
    ['a request without an id', framePacket(Buffer.of(17, 0, 0))],
    ['a request cut short', framePacket(Buffer.of(17, 0, 0, 0, 1, 0, 0, 0, 9, 65))],
    ['bytes after a request', framePacket(concatBytes([rawPath(17, 1, 'a'), Buffer.of(0)]))],
    ['an inner length of 4 GiB', framePacket(Buffer.of(17, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff))],
  ])('%s', async (_name, bytes) => {
    const { client, session } = attack(new MemoryHandler())
    client.channel.write(bytes)
    await session.closed
    expect(client.isClosed).toBe(true)
  })

  test('a request before INIT', async () => {
    const [near, far] = memoryChannelPair()
    const session = serveSftp(far, new MemoryHandler())
    const client = new RawClient(near)
    client.channel.write(framePacket(rawPath(17, 1, '/')))
    await session.closed
    expect(client.replies).toEqual([])
  })

  test('an unknown request is only unsupported', async () => {
    const { client } = attack(new MemoryHandler())
    expect(await status(client.ask((id) => Buffer.of(77, 0, 0, 0, id, 1, 2, 3)))).toBe(8)
    for (const request of ['nobody@knows', 'copy-file', '__proto__', 'statvfs@openssh.com']) {
      const answer = client.ask((id) => requests.extended.encode({ id, request, payload: Buffer.alloc(3) }))
      expect(await status(answer)).toBe(8)
    }
    const malformed = client.ask((id) =>
      requests.extended.encode({ id, request: 'hardlink@openssh.com', payload: Buffer.alloc(3) }),
    )
    expect(await status(malformed)).toBe(5)
  })

  test('a session cut at any byte leaves no handle open', async () => {
    const script = concatBytes([
      framePacket(requests.init.encode({ version: 3, extensions: [] })),
      framePacket(rawOpen(1, 'a', write | create)),
      framePacket(requests.opendir.encode({ id: 2, path: '/' })),
      framePacket(rawPath(17, 3, 'a')),
    ])
    for (let cut = 0; cut <= script.length; cut++) {
      let open = 0
      class Counting extends MemoryHandler {
        override open(...args: Parameters<MemoryHandler['open']>) {
          open++
          return super.open(...args)
        }
        override close() {
          open--
        }
      }
      const [near, far] = memoryChannelPair({ chunkSize: 1 })
      const session = serveSftp(far, new Counting())
      near.attach({ onData: (chunk) => near.release(chunk.length) })
      near.write(script.subarray(0, cut))
      near.close()
      await session.closed
      expect(open).toBe(0)
    }
  })
})

describe('E10: floods', () => {
  test('no more than 128 requests are being answered, and then the window stays shut', async () => {
    let inFlight = 0
    let most = 0
    const waiting: (() => void)[] = []
    const handler: SftpHandler = Object.create(new MemoryHandler(), {
      stat: {
        value: () => {
          most = Math.max(most, ++inFlight)
          return new Promise((resolve) => waiting.push(() => resolve({})))
        },
      },
      end: { value: undefined },
    })
    const { near } = attack(handler, { windowSize: 4096 })
    for (let id = 0; id < 10_000; id++) near.write(framePacket(rawPath(17, id, '/')))
    await new Promise((resolve) => setImmediate(resolve))
    expect(most).toBe(128)
    expect(near.queued).toBeGreaterThan(100_000)
    while (waiting.length > 0) {
      for (const answer of waiting.splice(0)) {
        inFlight--
        answer()
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(near.queued).toBe(0)
    expect(most).toBe(128)
  })

  test('a client that reads no replies is not read either', async () => {
    let reads = 0
    class Counting extends MemoryHandler {
      override read(...args: Parameters<MemoryHandler['read']>) {
        reads++
        return super.read(...args)
      }
    }
    const handler = new Counting()
    const file = handler.open('a', write | create, {})
    handler.write(file, Buffer.alloc(300_000), 0)
    const [near, far] = memoryChannelPair({ windowSize: 65536 })
    serveSftp(far, handler)
    let handle = new Uint8Array(0)
    near.attach({
      onData: (chunk) => {
        // The handle's reply is let through, and after it nothing.
        if (handle.length === 0) near.release(chunk.length)
        const at = asBuffer(chunk).indexOf(Buffer.from([102, 0, 0, 0, 1]))
        if (at >= 0) handle = chunk.slice(at + 9, at + 25)
      },
    })
    near.write(framePacket(requests.init.encode({ version: 3, extensions: [] })))
    near.write(framePacket(rawOpen(1, 'a', read)))
    await expect.poll(() => handle.length).toBe(16)
    for (let id = 2; id < 5000; id++) {
      near.write(framePacket(requests.read.encode({ id, handle, offset: 0, length: 0xffffffff })))
    }
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(reads).toBeLessThan(64)
    expect(far.queued).toBeLessThan(16 * 1024 * 1024)
  })
})

test('a client that asks no more and reads late gets its answers, and then the end', async () => {
  const waiting: (() => void)[] = []
  const handler: SftpHandler = Object.create(new MemoryHandler(), {
    realpath: { value: () => new Promise((resolve) => waiting.push(() => resolve('/'.padEnd(100_000, 'x')))) },
    end: { value: undefined },
  })
  const [near, far] = memoryChannelPair({ windowSize: 65_536 })
  const session = serveSftp(far, handler)
  let unread = 0
  near.attach({
    onData: (chunk) => {
      unread += chunk.length
    },
  })
  near.write(framePacket(requests.init.encode({ version: 3, extensions: [] })))
  for (const id of [1, 2]) near.write(framePacket(rawPath(16, id, '/')))
  near.end()
  // The second answer finds the channel full of the first.
  for (const answer of waiting) {
    answer()
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(near.isClosed).toBe(false)
  let received = 0
  while (unread > 0) {
    const taken = unread
    unread = 0
    received += taken
    near.release(taken)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(received).toBeGreaterThan(400_000)
  await session.closed
  expect(near.isClosed).toBe(true)
})

test('E11: a huge directory is paged, one packet at a time, and only as far as it is asked for', async () => {
  let yielded = 0
  class Huge extends MemoryHandler {
    override *scandir() {
      for (; yielded < 1_000_000; yielded++) yield { fileName: `file${yielded}`, attrs: { size: yielded } }
    }
  }
  const { client } = attack(new Huge())
  const opened = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
  const handle = opened.type === 'handle' ? Buffer.from(opened.handle) : Buffer.alloc(0)
  for (let page = 1; page <= 10; page++) {
    const reply = await client.ask((id) => requests.readdir.encode({ id, handle }))
    expect(reply.type === 'name' && reply.entries.length).toBeGreaterThan(50)
    expect(yielded).toBeLessThan(page * 1000)
  }
})

test('E12: modes lose what the mask does not allow', async () => {
  const root = temporaryDirectory()
  const { client } = attack(new SftpServer({ root }))
  const attrs = { permissions: 0o6777 }
  await client.ask((id) => requests.open.encode({ id, path: 'a', flags: write | create, attrs }))
  await client.ask((id) => requests.setstat.encode({ id, path: 'a', attrs }))
  const reply = await client.ask((id) => requests.stat.encode({ id, path: 'a' }))
  expect(reply.type === 'attrs' && (reply.attrs.permissions ?? 0) & 0o7777).toBe(0o777)
})

test('E14: names of 255 bytes, newlines and escapes are listed as they are', async () => {
  const root = temporaryDirectory()
  const names = ['x'.repeat(255), 'new\nline', '\x1b[31mred']
  for (const name of names) writeFileSync(join(root, name), '')
  const { client } = attack(new SftpServer({ root }))
  const opened = await client.ask((id) => requests.opendir.encode({ id, path: '/' }))
  const handle = opened.type === 'handle' ? Buffer.from(opened.handle) : Buffer.alloc(0)
  const listed = await client.ask((id) => requests.readdir.encode({ id, handle }))
  const found = listed.type === 'name' ? listed.entries.map(({ fileName }) => fileName) : []
  expect(found.sort()).toEqual(['.', '..', ...names].sort())
})

test('what a handler throws is told by kind, and its message is kept here', async () => {
  const handler: SftpHandler = Object.create(new MemoryHandler(), {
    stat: {
      value: (path: string) => {
        if (path === 'a') throw new Error('secret detail')
        throw Object.assign(new Error('secret detail'), { code: path })
      },
    },
    end: { value: undefined },
  })
  const { client } = attack(handler)
  const ask = (path: string) => client.ask((id) => requests.stat.encode({ id, path }))
  expect(await ask('a')).toMatchObject({ code: 4, message: 'Failure' })
  expect(await ask('ENOENT')).toMatchObject({ code: 2 })
  expect(await ask('EPERM')).toMatchObject({ code: 3 })
  expect(await ask('ENOTEMPTY')).toMatchObject({ code: 4, message: 'directory not empty' })
  expect(JSON.stringify(client.replies)).not.toContain('secret')
})

/** Paths as hostile clients send them, which the table's own codec would refuse. */
function rawPath(number: number, id: number, path: string): Uint8Array {
  return new Writer().writeByte(number).writeUint32(id).writeUtf8(path).finish()
}

function rawOpen(id: number, path: string, flags: number): Uint8Array {
  return new Writer().writeByte(3).writeUint32(id).writeUtf8(path).writeUint32(flags).writeUint32(0).finish()
}

function paths(oldPath: string, newPath: string): Uint8Array {
  return extendedRequests.encode('hardlink@openssh.com', { oldPath, newPath })
}

test('a misspelt option is refused by name: `readonly` would leave everything writable', () => {
  const [, far] = memoryChannelPair()
  const options = { readonly: true } as ServeSftpOptions
  expect(() => serveSftp(far, new MemoryHandler(), options)).toThrow(/unknown option "readonly"/)
})
