import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { list, struct, uint64 } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { framePacket } from '../../src/protocol/framing.js'
import { replies } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { type ServerFile, SftpServer } from '../../src/server/sftp-server.js'
import { regularFile, withScript } from '../scripted-peers.js'
import { hasOpenssh, serve, startOpenssh } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const MiB = 1024 * 1024

/** Pieces of data and where they are. */
type Islands = readonly (readonly [offset: number, data: Buffer])[]

const islands: Islands = [
  [0, randomBytes(10_000)],
  [2 ** 31 - 5, randomBytes(100_000)],
  [2 ** 32 - 7, randomBytes(50)],
  [2 ** 33 + 1, randomBytes(300_000)],
]
const size = 20 * 1024 ** 3

function writeSparse(path: string, islands: Islands, size: number): void {
  const fd = fs.openSync(path, 'w')
  for (const [offset, data] of islands) fs.writeSync(fd, data, 0, data.length, offset)
  fs.ftruncateSync(fd, size)
  fs.closeSync(fd)
}

/** That a file is this size, has these islands, takes little more room than they do, and has zeros around them. */
function expectSparse(path: string, islands: Islands, size: number): void {
  const stats = fs.statSync(path)
  expect(stats.size).toBe(size)
  const dataLength = islands.reduce((total, [, data]) => total + data.length, 0)
  expect(stats.blocks * 512).toBeLessThan(dataLength + (islands.length + 32) * 64 * 1024)
  const fd = fs.openSync(path, 'r')
  for (const [offset, data] of islands) {
    const around = Buffer.alloc(data.length + 2)
    const start = Math.max(0, offset - 1)
    fs.readSync(fd, around, 0, around.length, start)
    expect(around.subarray(offset - start, offset - start + data.length).equals(data)).toBe(true)
    expect([...around.subarray(0, offset - start), ...around.subarray(offset - start + data.length)]).toEqual([0, 0])
  }
  fs.closeSync(fd)
}

/** Files there are in memory: reading gigabytes of zeros takes no room and little time. */
const memory = '/dev/shm'

function folder(): string {
  return temporaryDirectory(fs.existsSync(memory) ? memory : undefined)
}

/** Whether files in `path` can have holes. */
function keepsHoles(path: string): boolean {
  const probe = join(path, 'probe')
  writeSparse(probe, [], MiB)
  const { blocks } = fs.statSync(probe)
  fs.unlinkSync(probe)
  return blocks * 512 < MiB
}

describe.skipIf(!fs.existsSync(memory))('R10: a sparse file of 20 GB with islands around 2^31, 2^32 and 2^33', () => {
  test('goes to our server and back, and to another place there, with its holes', async (context) => {
    const [here, there] = [folder(), folder()]
    if (!keepsHoles(here)) return context.skip()
    const { client } = await serve(new SftpServer({ root: there }))
    writeSparse(join(here, 'file'), islands, size)
    const events: { transferred: number; total: number }[] = []
    await client.put(join(here, 'file'), 'file', { progress: (event) => void events.push(event) })
    expectSparse(join(there, 'file'), islands, size)
    expect(events.at(-1)).toMatchObject({ transferred: size, total: size })
    await client.get('file', join(here, 'back'))
    expectSparse(join(here, 'back'), islands, size)
    await client.copy('file', 'copy')
    expectSparse(join(there, 'copy'), islands, size)
  })

  test.skipIf(!hasOpenssh)('goes to OpenSSH’s server with its holes', async (context) => {
    const here = folder()
    if (!keepsHoles(here)) return context.skip()
    const { client } = await startOpenssh()
    const there = folder()
    writeSparse(join(here, 'file'), islands, size)
    await client.put(join(here, 'file'), join(there, 'file'))
    expectSparse(join(there, 'file'), islands, size)
  })
})

describe('a sparse file', () => {
  test('of nothing but a hole is as long as it was, everywhere', async (context) => {
    const [here, there] = [folder(), folder()]
    if (!keepsHoles(here)) return context.skip()
    const { client } = await serve(new SftpServer({ root: there }))
    writeSparse(join(here, 'file'), [], MiB)
    await client.put(join(here, 'file'), 'file')
    await client.get('file', join(here, 'back'))
    expectSparse(join(there, 'file'), [], MiB)
    expectSparse(join(here, 'back'), [], MiB)
  })

  test('is filled when it is told to be', async (context) => {
    const [here, there] = [folder(), folder()]
    if (!keepsHoles(here)) return context.skip()
    const { client } = await serve(new SftpServer({ root: there }))
    writeSparse(join(here, 'file'), [[MiB, randomBytes(5)]], 4 * MiB)
    await client.put(join(here, 'file'), 'file', { sparse: false })
    expect(fs.statSync(join(there, 'file')).blocks * 512).toBe(4 * MiB)
    expect(fs.readFileSync(join(there, 'file')).equals(fs.readFileSync(join(here, 'file')))).toBe(true)
  })

  test('that replaces another has nothing of it in its holes', async (context) => {
    const [here, there] = [folder(), folder()]
    if (!keepsHoles(here)) return context.skip()
    const { client } = await serve(new SftpServer({ root: there }))
    const sparse: Islands = [[3 * MiB, randomBytes(5)]]
    writeSparse(join(here, 'file'), sparse, 4 * MiB)
    for (const name of ['put', 'copied']) fs.writeFileSync(join(there, name), randomBytes(6 * MiB))
    await client.put(join(here, 'file'), 'put')
    await client.copy('put', 'copied')
    const expected = fs.readFileSync(join(here, 'file'))
    expect(fs.readFileSync(join(there, 'put')).equals(expected)).toBe(true)
    expect(fs.readFileSync(join(there, 'copied')).equals(expected)).toBe(true)
  })

  test('is gone on with where it was cut off', async (context) => {
    const [here, there] = [folder(), folder()]
    if (!keepsHoles(here)) return context.skip()
    const { client } = await serve(new SftpServer({ root: there }))
    const sparse: Islands = [
      [0, randomBytes(3 * MiB)],
      [40 * MiB, randomBytes(MiB)],
    ]
    writeSparse(join(here, 'file'), sparse, 50 * MiB)
    const whole = fs.readFileSync(join(here, 'file'))
    for (const kept of [MiB, 3 * MiB, 20 * MiB, 40 * MiB + 5]) {
      fs.writeFileSync(join(there, 'file'), whole.subarray(0, kept))
      await client.put(join(here, 'file'), 'file', { resume: true })
      expect(fs.readFileSync(join(there, 'file')).equals(whole)).toBe(true)
    }
  })

  test('goes to a device and comes from a server that changes what it reads as it is read', async (context) => {
    const [here, there] = [folder(), folder()]
    if (!keepsHoles(here)) return context.skip()
    class Inverting extends SftpServer {
      override async read(file: ServerFile, into: Uint8Array, position: number): Promise<number> {
        const count = await super.read(file, into, position)
        for (let index = 0; index < count; index++) into[index] = ~(into[index] ?? 0)
        return count
      }
    }
    const { client } = await serve(new Inverting({ root: there }))
    writeSparse(join(there, 'file'), [[MiB, Buffer.alloc(5, 1)]], 2 * MiB)
    await client.get('file', join(here, 'file'))
    const expected = fs.readFileSync(join(there, 'file')).map((byte) => ~byte)
    expect(fs.readFileSync(join(here, 'file')).equals(expected)).toBe(true)
    await client.get('file', '/dev/null')
  })
})

/** A reply to `ranges@asyncssh.com` with whatever numbers, and what is behind them. */
const anyRanges = struct('ranges', {
  ranges: list(struct('range', { offset: uint64, length: uint64 }), 16),
})

const claimed = 10 * MiB

/** A client of a server with a file of 10 MiB, which says that it has data where the test says. */
function withRanges(
  answer: (asked: { offset: number; length: number }) => Buffer | number,
  content = Buffer.alloc(claimed),
) {
  const extensions = [{ name: 'ranges@asyncssh.com', data: Buffer.from('1') }]
  return withScript(
    (request, answers) => {
      if (request.type === 'lstat' || request.type === 'stat' || request.type === 'fstat') {
        return answers.attrs(request.id, { size: claimed, permissions: regularFile })
      }
      if (request.type === 'open') return answers.handle(request.id, 'h')
      if (request.type === 'read') {
        if (request.offset >= claimed) return answers.status(request.id, statusCodes.eof)
        return answers.data(request.id, content.subarray(request.offset, request.offset + request.length))
      }
      if (request.type !== 'extended') return
      const payload = Buffer.from(request.payload)
      const reply = answer({
        offset: Number(payload.readBigUInt64BE(5)),
        length: Number(payload.readBigUInt64BE(13)),
      })
      if (typeof reply === 'number') return answers.status(request.id, reply)
      answers.raw(framePacket(replies.extendedReply.encode({ id: request.id, payload: reply })))
    },
    { version: framePacket(replies.version.encode({ version: 3, extensions })) },
  )
}

function ranges(list: readonly (readonly [offset: number | bigint, length: number | bigint])[], atEnd = true): Buffer {
  const encoded = anyRanges.encode({
    ranges: list.map(([offset, length]) => ({ offset: BigInt(offset), length: BigInt(length) })),
  })
  return Buffer.concat([encoded, Buffer.from([atEnd ? 1 : 0])])
}

describe('F5: a server that says where its file has data', () => {
  const hostile: [string, Buffer, string][] = [
    [
      'where it overlaps',
      ranges([
        [0, 100],
        [50, 100],
      ]),
      'ERR_SFTP_PROTOCOL',
    ],
    [
      'going back',
      ranges([
        [5000, 100],
        [0, 100],
      ]),
      'ERR_SFTP_PROTOCOL',
    ],
    ['past the end of the file', ranges([[claimed - 10, 11]]), 'ERR_SFTP_PROTOCOL'],
    ['behind the end of the file', ranges([[claimed + 10, 1]]), 'ERR_SFTP_PROTOCOL'],
    ['that is empty', ranges([[0, 0]]), 'ERR_SFTP_PROTOCOL'],
    ['nowhere, with more to come', ranges([], false), 'ERR_SFTP_PROTOCOL'],
    ['at 2^53', ranges([[2n ** 53n, 1]]), 'ERR_SFTP_UNSAFE_INTEGER'],
    ['of 2^64 - 1 bytes', ranges([[0, 2n ** 64n - 1n]]), 'ERR_SFTP_UNSAFE_INTEGER'],
    ['in a reply that is cut off', ranges([[0, 1]]).subarray(0, 12), 'ERR_SFTP_PROTOCOL'],
    ['in more ranges than fit', Buffer.from([0xff, 0xff, 0xff, 0xff, 1]), 'ERR_SFTP_PROTOCOL'],
  ]
  test.each(hostile)('%s is not believed', async (_, reply, code) => {
    const target = join(temporaryDirectory(), 'file')
    const { client } = await withRanges(() => reply)
    await expect(client.get('file', target)).rejects.toMatchObject({ code })
    expect(fs.existsSync(target)).toBe(false)
  })

  test('one byte at a time, and never ends, is stopped like any endless file', async () => {
    const target = join(temporaryDirectory(), 'file')
    const controller = new AbortController()
    let replies = 0
    const { client } = await withRanges(({ offset }) => {
      if (++replies === 2000) controller.abort()
      return ranges([[offset, 1]], false)
    })
    await expect(client.get('file', target, { signal: controller.signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(fs.existsSync(target)).toBe(false)
    expect(replies).toBeLessThan(2100)
  })

  test('in many replies is asked on from the end of each, and ahead of what is copied', async () => {
    const target = join(temporaryDirectory(), 'file')
    const asked: { offset: number; length: number }[] = []
    const content = Buffer.alloc(claimed)
    for (let start = MiB; start <= 5 * MiB; start += MiB) {
      content.fill(7, start, start + 10).fill(7, start + 100_000, start + 100_010)
    }
    const { client } = await withRanges((question) => {
      asked.push(question)
      const start = asked.length * MiB
      return ranges(
        [
          [start, 10],
          [start + 100_000, 10],
        ],
        asked.length === 5,
      )
    }, content)
    await client.get('file', target)
    expect(asked).toHaveLength(5)
    expect(asked[1]).toEqual({ offset: MiB + 100_010, length: claimed - MiB - 100_010 })
    expect(fs.readFileSync(target).equals(content)).toBe(true)
  })

  test('and refuses to after all is taken to have data everywhere, from there on', async () => {
    const target = join(temporaryDirectory(), 'file')
    const content = Buffer.alloc(claimed, 7).fill(0, 0, MiB)
    let replies = 0
    const { client } = await withRanges(
      () => (replies++ === 0 ? ranges([[MiB, 5]], false) : statusCodes.failure),
      content,
    )
    await client.get('file', target)
    expect(fs.readFileSync(target).equals(content)).toBe(true)
  })

  test('only once blocks have come that may be holes writes none of those that are', async (context) => {
    const folder = temporaryDirectory()
    if (!keepsHoles(folder)) return context.skip()
    const content = Buffer.alloc(claimed)
    content.fill(7, 2 * MiB, 2 * MiB + 100)
    const { client, server } = await withRanges(() => ranges([[2 * MiB, 4096]]), content)
    await client.get('file', join(folder, 'file'))
    expect(fs.readFileSync(join(folder, 'file')).equals(content)).toBe(true)
    expect(fs.statSync(join(folder, 'file')).blocks * 512).toBeLessThan(256 * 1024)
    // A budget of blocks is under way before the answer is there, and not much more behind it.
    expect(server.types.filter((type) => type === 'read').length).toBeLessThan((5 * MiB) / 32_768)
  })

  test('nowhere has nothing but a hole', async () => {
    const target = join(temporaryDirectory(), 'file')
    const { client } = await withRanges(() => statusCodes.eof)
    await client.get('file', target)
    expect(fs.readFileSync(target).equals(Buffer.alloc(claimed))).toBe(true)
  })
})
