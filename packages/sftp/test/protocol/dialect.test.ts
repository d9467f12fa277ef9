import { concatBytes, Reader, SshError } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { dataHeadroom } from '../../src/protocol/data-packets.js'
import { checkVersion, type Dialect, dialectOf, dialects } from '../../src/protocol/dialect.js'
import { framePacket } from '../../src/protocol/framing.js'
import type { Reply, Request } from '../../src/protocol/model.js'
import { accessFlags, accessMask, toOpenAccess, toOpenFlags } from '../../src/protocol/open-access.js'
import { openFlags } from '../../src/protocol/open-flags.js'

const id = 7
const handle = Buffer.from('handle')
const attrs = { size: 5, permissions: 0o100644, atime: 1, mtime: 2, uid: 3, gid: 4 }

/** One of each request, as all versions have it. */
const requests: readonly Request[] = [
  { type: 'init', version: 3, extensions: [] },
  { type: 'open', id, path: 'a', flags: openFlags.read, attrs },
  { type: 'close', id, handle },
  { type: 'read', id, handle, offset: 2 ** 40, length: 9 },
  { type: 'write', id, handle, offset: 2 ** 40, data: handle },
  { type: 'lstat', id, path: 'a', wanted: 5 },
  { type: 'fstat', id, handle, wanted: 5 },
  { type: 'setstat', id, path: 'a', attrs },
  { type: 'fsetstat', id, handle, attrs },
  { type: 'opendir', id, path: 'a' },
  { type: 'readdir', id, handle },
  { type: 'remove', id, path: 'a' },
  { type: 'mkdir', id, path: 'a', attrs },
  { type: 'rmdir', id, path: 'a' },
  { type: 'realpath', id, path: 'a', check: 2, composePaths: ['b', '../c'] },
  { type: 'stat', id, path: 'a', wanted: 5 },
  { type: 'rename', id, oldPath: 'a', newPath: 'b', flags: 1 },
  { type: 'readlink', id, path: 'a' },
  { type: 'symlink', id, targetPath: 'target', linkPath: 'link' },
  { type: 'link', id, targetPath: 'target', linkPath: 'link', isSymbolic: true },
  { type: 'block', id, handle, offset: 1, length: 2, mask: 0x40 },
  { type: 'unblock', id, handle, offset: 1, length: 2 },
  { type: 'extended', id, request: 'x', payload: handle },
]

const replies: readonly Reply[] = [
  { type: 'version', version: 3, extensions: [{ name: 'a', data: handle }] },
  { type: 'status', id, code: 4, message: 'm', languageTag: 'en' },
  { type: 'handle', id, handle },
  { type: 'data', id, data: handle, isLast: true },
  { type: 'name', id, entries: [{ fileName: 'a', longName: 'l', attrs }], isLast: true },
  { type: 'attrs', id, attrs },
  { type: 'extendedReply', id, payload: handle },
]

function encode(layouts: object, { type, ...fields }: Request | Reply): Uint8Array | undefined {
  const layout = (layouts as Record<string, { encode(values: object): Uint8Array } | undefined>)[type]
  return layout?.encode(fields)
}

describe.each(dialects.map((dialect) => ({ version: dialect.version, dialect })))('version $version', ({ dialect }) => {
  const { version, requestMessages, replyMessages } = dialect
  const encodedRequests = requests.flatMap((request) => encode(dialect.requests, request) ?? [])
  const encodedReplies = replies.flatMap((reply) => encode(dialect.replies, reply) ?? [])

  test('what is written is read as the same message, with the fields that the version has', () => {
    for (const request of requests) {
      const bytes = encode(dialect.requests, request)
      if (bytes === undefined) continue
      const read = requestMessages.decode(bytes)
      expect(read.type).toBe(request.type)
      const known = Object.entries(read).filter(([name]) => name in request && name !== 'attrs' && name !== 'flags')
      expect(request).toMatchObject(Object.fromEntries(known))
    }
    for (const reply of replies) {
      const bytes = encode(dialect.replies, reply)
      if (bytes !== undefined) expect(replyMessages.decode(bytes).type).toBe(reply.type)
    }
  })

  test('cut off anywhere, a message is a typed error or one that may end there', () => {
    for (const [reader, messages] of [
      [requestMessages, encodedRequests],
      [replyMessages, encodedReplies],
    ] as const) {
      for (const whole of messages) {
        for (let length = 0; length < whole.length; length++) {
          try {
            reader.decode(whole.subarray(0, length))
          } catch (error) {
            expect(error).toBeInstanceOf(SshError)
          }
        }
      }
    }
  })

  test('any bytes are a message or a typed error', () => {
    const numbers = fc.constantFrom(...encodedRequests.map((bytes) => bytes[0] ?? 0), 101, 102, 103, 104, 105, 201)
    fc.assert(
      fc.property(numbers, fc.uint8Array({ maxLength: 120 }), (number, rest) => {
        for (const reader of [requestMessages, replyMessages]) {
          try {
            expect(reader.decode(Uint8Array.of(number, ...rest))).toBeDefined()
          } catch (error) {
            expect(error).toBeInstanceOf(SshError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  test('bytes behind a message are ignored in version 6, and refused before', () => {
    const more = (bytes: Uint8Array): Uint8Array => concatBytes([bytes, Uint8Array.of(1, 2, 3)])
    const samples = ['close', 'stat', 'open', 'rename', 'readdir', 'setstat'] as const
    for (const name of samples) {
      const request = requests.find(({ type }) => type === name)
      const bytes = request && encode(dialect.requests, request)
      if (bytes === undefined) throw new Error(`no ${name}`)
      if (version === 6) expect(requestMessages.decode(more(bytes)).type).toBe(name)
      else expect(() => requestMessages.decode(more(bytes))).toThrow(SshError)
    }
  })

  test('DATA laid out by hand is what the table writes, and is read from any cut of it', () => {
    const lastness = dialect.dataTailroom > 0 ? fc.boolean() : fc.constant(false)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), lastness, fc.nat({ max: 40 }), (data, isLast, cut) => {
        const packet = Buffer.alloc(dataHeadroom + data.length + (isLast ? dialect.dataTailroom : 0))
        packet.set(data, dataHeadroom)
        const expected = framePacket(dialect.replies.data.encode({ id, data, ...(isLast && { isLast }) }))
        expect(dialect.finishDataPacket(packet, id, isLast)).toEqual(expected)
        const payload = packet.subarray(4)
        const read = dialect.dataOfPacket([payload.subarray(0, cut), payload.subarray(cut)])
        expect(read.length).toBe(data.length)
        expect(read.isLast ?? false).toBe(isLast)
        expect(Buffer.from(concatBytes(read.chunks))).toEqual(Buffer.from(data))
      }),
    )
  })

  test('F6: DATA that claims more than it has is a protocol error', () => {
    const packet = Buffer.from(dialect.replies.data.encode({ id, data: Buffer.from('abc') }))
    for (const length of [4, 0xffffffff]) {
      packet.writeUInt32BE(length, 5)
      expect(() => dialect.dataOfPacket([packet])).toThrow(expect.objectContaining({ code: 'ERR_SFTP_PROTOCOL' }))
    }
    expect(() => dialect.dataOfPacket([packet.subarray(0, 7)])).toThrow(/DATA/)
  })

  test('the attributes of lsetstat@openssh.com are those of the version', () => {
    const value = { path: 'a', attrs }
    const bytes = dialect.extendedRequests.encode('lsetstat@openssh.com', value)
    expect(dialect.extendedRequests.decode('lsetstat@openssh.com', bytes)).toMatchObject({
      path: 'a',
      attrs: { uid: 3 },
    })
    const path = new Reader(bytes)
    path.readString()
    expect(Buffer.from(path.readRest())).toEqual(
      Buffer.from(dialect.requests.setstat.encode({ id, ...value })).subarray(10),
    )
  })
})

test('paths of a symbolic link: the target first as OpenSSH has it, and in version 6 as everybody has it', () => {
  const paths = { id, targetPath: 'target', linkPath: 'link' }
  const at = (dialect: Dialect, text: string): number => {
    const { symlink, link } = dialect.requests
    const bytes = symlink?.encode(paths) ?? link?.encode({ ...paths, isSymbolic: true })
    return Buffer.from(bytes ?? []).indexOf(text)
  }
  for (const dialect of dialects) {
    const isTargetFirst = at(dialect, 'target') < at(dialect, 'link')
    expect(isTargetFirst).toBe(dialect.version < 6)
  }
})

describe('statuses', () => {
  const statusOf = (version: number, code: string) => dialectOf(version)?.statusOf(code)

  test.each([
    ['EEXIST', [4, 11, 11, 11]],
    ['ENOSPC', [4, 4, 14, 14]],
    ['EDQUOT', [4, 4, 15, 15]],
    ['ENOTEMPTY', [4, 4, 4, 18]],
    ['ENOTDIR', [2, 2, 2, 19]],
    ['ELOOP', [2, 2, 2, 21]],
    ['EISDIR', [4, 4, 4, 24]],
    ['EINVAL', [5, 5, 5, 23]],
    ['EROFS', [3, 12, 12, 12]],
    ['EBADF', [4, 9, 9, 9]],
    ['ENOENT', [2, 2, 2, 2]],
    ['EACCES', [3, 3, 3, 3]],
    ['ENOTSUP', [8, 8, 8, 8]],
    ['ERR_SFTP_LOCK_CONFLICT', [4, 4, 17, 25]],
    ['ERR_SFTP_OWNER_INVALID', [4, 4, 16, 29]],
    ['EMFILE', [4, 4, 4, 4]],
  ])('%s is told in versions 3 to 6 as %j', (code, expected) => {
    expect([3, 4, 5, 6].map((version) => statusOf(version, code))).toEqual(expected)
  })
})

describe('how a file is opened', () => {
  const { read, write, append, create, truncate, exclusive } = openFlags
  test.each([
    [read, accessMask.readData | accessMask.readAttributes, accessFlags.openExisting],
    [read | write, 0x183, accessFlags.openExisting],
    [write | create | truncate, 0x102, accessFlags.createTruncate],
    [write | create, 0x102, accessFlags.openOrCreate],
    [write | create | exclusive, 0x102, accessFlags.createNew],
    [write | truncate, 0x102, accessFlags.truncateExisting],
    [write | create | append, 0x106, accessFlags.openOrCreate | accessFlags.appendData],
  ])('flags 0x%x are access 0x%x with flags 0x%x, and the other way round', (flags, desiredAccess, later) => {
    expect(toOpenAccess(flags)).toEqual({ desiredAccess, flags: later })
    expect(toOpenFlags({ desiredAccess, flags: later })).toBe(flags)
  })

  test('who may append only, appends; who may write too, says so', () => {
    const { openExisting } = accessFlags
    expect(toOpenFlags({ desiredAccess: accessMask.appendData, flags: openExisting })).toBe(append)
    expect(toOpenFlags({ desiredAccess: accessMask.appendData | accessMask.writeData, flags: openExisting })).toBe(
      write,
    )
  })

  test('rights and flags without an earlier word are refused, never dropped', () => {
    for (const flags of [
      accessFlags.blockRead,
      accessFlags.noFollow,
      accessFlags.deleteOnClose,
      accessFlags.textMode,
    ]) {
      const access = { desiredAccess: accessMask.readData, flags: accessFlags.openExisting | flags }
      expect(() => toOpenFlags(access)).toThrow(expect.objectContaining({ code: 'ENOTSUP' }))
      expect(() => dialectOf(3)?.requests.open.encode({ id, path: 'a', flags: access, attrs: {} })).toThrow(
        /not supported/,
      )
    }
    const writeAcl = { desiredAccess: accessMask.writeAcl, flags: accessFlags.openExisting }
    expect(() => toOpenFlags(writeAcl)).toThrow(expect.objectContaining({ code: 'ENOTSUP' }))
    const noDisposition = { desiredAccess: accessMask.readData, flags: 7 }
    expect(() => toOpenFlags(noDisposition)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
  })
})

test.each([2, 7, 3.5, Number.NaN])('%d is no version', (version) => {
  expect(() => checkVersion(version)).toThrow(expect.objectContaining({ code: 'EINVAL' }))
})
