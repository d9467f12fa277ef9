import { readFileSync } from 'node:fs'
import { mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { SftpClient } from '../src/client/sftp-client.js'
import { attrFlags, type SftpAttrs } from '../src/protocol/attrs.js'
import { type Dialect, dialectOf, type SftpVersion } from '../src/protocol/dialect.js'
import { framePacket, PacketReader } from '../src/protocol/framing.js'
import { lockFlags } from '../src/protocol/lock-flags.js'
import type { Reply, Request } from '../src/protocol/model.js'
import { accessFlags, accessMask, type OpenAccess } from '../src/protocol/open-access.js'
import { openFlags } from '../src/protocol/open-flags.js'
import { replies, requests } from '../src/protocol/packets.js'
import { type MemoryFile, MemoryHandler } from '../src/server/memory-handler.js'
import { type ServeSftpOptions, serveSftp } from '../src/server/serve-sftp.js'
import { SftpServer } from '../src/server/sftp-server.js'
import { softwareVersion } from '../src/version.js'
import { serve } from './servers.js'
import { temporaryDirectory } from './temporary-directory.js'

const versions = [3, 4, 5, 6] as const
const laterVersions = [4, 5, 6] as const

const both = (sftpVersion: SftpVersion, options: ServeSftpOptions = {}) => ({
  ...options,
  sftpVersion,
  client: { sftpVersion },
})

function dialect(version: number): Dialect {
  const found = dialectOf(version)
  if (found === undefined) throw new Error(`no version ${version}`)
  return found
}

describe('the version', () => {
  test('is 3 unless both sides want more, and then the lesser of what they want', async () => {
    expect((await serve(new MemoryHandler())).client.version).toBe(3)
    for (const server of versions) {
      for (const client of versions) {
        const options = { sftpVersion: server, client: { sftpVersion: client } }
        expect((await serve(new MemoryHandler(), options)).client.version).toBe(Math.min(server, client))
      }
    }
  })

  test.each([0, 2, 3, 4, 7, 0xffffffff])(
    'a client that offers %d gets what the server can, but at least 3',
    async (offered) => {
      const [near, far] = memoryChannelPair()
      serveSftp(far, new MemoryHandler(), { sftpVersion: 6 })
      const reader = new PacketReader()
      const version = new Promise<number>((resolve) => {
        near.attach({
          onData: (chunk) => {
            reader.push(chunk)
            const packet = reader.next()
            if (packet !== undefined) resolve(replies.version.decode(Buffer.concat(packet)).version)
          },
          onClose: () => {},
        })
      })
      near.write(framePacket(requests.init.encode({ version: offered, extensions: [] })))
      expect(await version).toBe(Math.max(3, Math.min(offered, 6)))
      near.close()
    },
  )

  test.each([
    [3, 4],
    [5, 6],
    [6, 2],
    [6, 7],
  ] as const)('a client that offers %d does not take %d', async (sftpVersion, chosen) => {
    const script = scripted(() => undefined, { version: chosen })
    await expect(SftpClient.start(script.channel, { sftpVersion })).rejects.toMatchObject({
      code: 'ERR_SFTP_PROTOCOL',
      message: expect.stringContaining(`chose ${chosen}`),
    })
  })

  test('one that nobody speaks is refused before anything is sent', async () => {
    const sftpVersion = 7 as SftpVersion
    const [near, far] = memoryChannelPair()
    await expect(SftpClient.start(near, { sftpVersion })).rejects.toMatchObject({ code: 'EINVAL' })
    expect(() => serveSftp(far, new MemoryHandler(), { sftpVersion })).toThrow(/3, 4, 5 or 6/)
  })

  test('is chosen anew from those the server announces, with the first request', async () => {
    const script = scripted(
      (request, speak) => {
        if (request.type === 'extended') {
          expect(request).toMatchObject({ request: 'version-select', payload: Buffer.from('\0\0\0\x015') })
          speak(5)
          return { type: 'status', id: request.id, code: 0, message: '', languageTag: '' }
        }
        if (request.type === 'stat') return { type: 'attrs', id: request.id, attrs: { owner: 'ada', group: 'g' } }
      },
      { version: 3, extensions: { versions: '2,3,5,6' } },
    )
    const client = await SftpClient.start(script.channel, { sftpVersion: 5 })
    expect(client.version).toBe(5)
    expect(client.announcements.versions).toEqual([2, 3, 5, 6])
    expect(await client.stat('a')).toMatchObject({ owner: 'ada' })
    expect(script.requests.map(({ type }) => type)).toEqual(['init', 'extended', 'stat'])
    await client.close()
  })

  test('stays as it was when the server refuses to change it', async () => {
    const script = scripted(
      (request) => {
        if ('id' in request) return { type: 'status', id: request.id, code: 8, message: 'no', languageTag: '' }
      },
      { version: 3, extensions: { versions: '3,6' } },
    )
    const client = await SftpClient.start(script.channel, { sftpVersion: 6 })
    expect(client.version).toBe(3)
    await client.close()
  })

  test('is not chosen anew from a list without a better one', async () => {
    for (const list of ['3', '3,7', '', 'x,4x,-4', '4'.repeat(5000)]) {
      const script = scripted(() => undefined, { version: 3, extensions: { versions: list } })
      const client = await SftpClient.start(script.channel, { sftpVersion: 6 })
      expect(script.requests.map(({ type }) => type)).toEqual(['init'])
      await client.close()
    }
  })
})

describe.each(laterVersions)('version %d', (version) => {
  test('tells times to the nanosecond, creation, owners by name', async () => {
    const directory = temporaryDirectory()
    await writeFile(join(directory, 'a'), 'x')
    class Named extends SftpServer {
      override formatUser = (uid: number): string => `user${uid}`
      override formatGroup = (gid: number): string => `group${gid}`
    }
    const { client } = await serve(new Named({ root: directory }), both(version))
    const { mtimeNs, atimeNs, uid, gid, birthtimeNs } = await stat(join(directory, 'a'), { bigint: true })
    const billion = 1_000_000_000n
    for (const stats of [await client.stat('a'), await client.lstat('a'), (await client.readdir('.'))[0]?.attrs]) {
      expect(stats).toMatchObject({
        type: 'file',
        mode: 0o100000 | Number((await stat(join(directory, 'a'))).mode & 0o7777),
        mtime: Number(mtimeNs / billion),
        mtimeNs: Number(mtimeNs % billion),
        atime: Number(atimeNs / billion),
        atimeNs: Number(atimeNs % billion),
        createTime: Number(birthtimeNs / billion),
        owner: `user${uid}`,
        group: `group${gid}`,
      })
      expect(stats?.mtimeDate).toEqual(new Date(Number(mtimeNs / 1_000_000n)))
      expect(stats?.createDate?.getTime()).toBe(Number(birthtimeNs / 1_000_000n))
      expect(stats?.linkCount).toBe(version === 6 ? 1 : undefined)
      expect(stats?.ctimeDate === undefined).toBe(version !== 6)
    }
  })

  test('asks for what is wanted, and the handler hears it', async () => {
    const asked: (number | undefined)[] = []
    class Asked extends MemoryHandler {
      override stat(path: string, wanted?: number): SftpAttrs {
        asked.push(wanted)
        return super.stat(path)
      }
    }
    const { client } = await serve(new Asked(), both(version))
    await client.stat('/', { wanted: attrFlags.size | attrFlags.modifyTime })
    await client.stat('/')
    expect(asked[0]).toBe(0x21)
    // All of the version but access control lists and untranslated names.
    expect(asked[1]).toBe({ 4: 0x800001bd, 5: 0x800003bd, 6: 0x8000bfbd }[version])
  })

  test('sets times to the nanosecond, one without the other', async () => {
    const { client } = await serve(new MemoryHandler(), both(version))
    await client.writeFile('a', '')
    await client.utime('a', 1_700_000_000_123_456_789n, -1n)
    expect(await client.stat('a')).toMatchObject({ atime: 1_700_000_000, atimeNs: 123_456_789 })
    expect(await client.stat('a')).toMatchObject({ mtime: -1, mtimeNs: 999_999_999 })
    await client.setstat('a', { mtime: 5, mtimeNs: 7 })
    expect(await client.stat('a')).toMatchObject({ atime: 1_700_000_000, atimeNs: 123_456_789, mtime: 5, mtimeNs: 7 })
  })

  test('sets an owner by name or number, and refuses names nobody knows', async () => {
    class Named extends MemoryHandler {
      parseUser = (name: string): number | undefined => (name === 'ada' ? 17 : undefined)
      parseGroup = async (name: string): Promise<number | undefined> => (name === 'staff' ? 18 : undefined)
    }
    const handler = new Named()
    const { client } = await serve(handler, both(version))
    await client.writeFile('a', '')
    await client.chown('a', 'ada', 'staff')
    expect(handler.stat('a')).toMatchObject({ uid: 17, gid: 18 })
    await client.chown('a', 5, 6)
    expect(handler.stat('a')).toMatchObject({ uid: 5, gid: 6 })
    await client.setstat('a', { group: 'staff' })
    expect(handler.stat('a')).toMatchObject({ uid: 5, gid: 18 })
    const refused = { 4: 'ERR_SFTP_FAILURE', 5: 'ERR_SFTP_UNKNOWN_PRINCIPAL', 6: 'ERR_SFTP_OWNER_INVALID' }[version]
    await expect(client.chown('a', 'nobody-knows', 6)).rejects.toMatchObject({ code: refused })
    expect(handler.stat('a')).toMatchObject({ uid: 5, gid: 18 })
  })

  test('refuses to set what it has no place for, and what the server does not set', async () => {
    const { client } = await serve(new MemoryHandler(), both(version))
    await client.writeFile('a', '')
    await expect(client.setstat('a', { acl: Buffer.from('x') })).rejects.toMatchObject({ code: 'ENOTSUP', status: 8 })
    const early = version === 6 ? { status: 8 } : { status: undefined }
    await expect(client.setstat('a', { mimeType: 'a/b' })).rejects.toMatchObject({ code: 'ENOTSUP', ...early })
  })

  test('has no line of ls in listings', async () => {
    const { client } = await serve(new MemoryHandler(), both(version))
    await client.mkdir('d')
    const [entry] = await client.readdir('/')
    expect(entry).toMatchObject({ name: 'd', longName: undefined })
    expect(entry?.attrs.isDirectory()).toBe(true)
  })

  test('tells who the server is and what it can do, as the version tells it', async () => {
    const { client } = await serve(new MemoryHandler(), both(version))
    const { newline, vendor, supported, aclCapabilities } = client.announcements
    expect(newline).toMatch(/^\r?\n$/)
    if (version > 4) expect(vendor).toMatchObject({ productName: 'SshSdk SFTP', productVersion: softwareVersion })
    expect(supported === undefined).toBe(version === 4)
    expect(aclCapabilities).toBe(version === 6 ? 0 : undefined)
    if (supported === undefined) return
    expect(supported).toMatchObject({ attributeMask: 0x1ad, attributeBits: 0, openFlags: 0x1f })
    expect(supported.extensions).toContain('posix-rename@openssh.com')
    expect(supported.blockVector).toBe(version === 6 ? 0xffff : undefined)
  })

  test('paths of symbolic links go in the order that both sides think of', async () => {
    for (const symlinkOrder of ['target-first', 'link-first'] as const) {
      const options = { sftpVersion: version, symlinkOrder }
      const { client } = await serve(new MemoryHandler(), { ...options, client: options })
      await client.symlink('to/there', 'here')
      expect(await client.readlink('here')).toBe('to/there')
    }
  })
})

test('version 3 sets no owner by name, and says so before anything is sent', async () => {
  const { client } = await serve(new MemoryHandler())
  await client.writeFile('a', '')
  await expect(client.chown('a', 'ada', 'staff')).rejects.toMatchObject({
    code: 'ENOTSUP',
    message: expect.stringContaining('version 3 of SFTP cannot set owner, group'),
  })
  await expect(client.setstat('a', { createTime: 1 })).rejects.toMatchObject({ code: 'ENOTSUP' })
  // Parts of a second are beyond its words, not against them.
  await client.utime('a', 1.75, new Date(2500))
  expect(await client.stat('a')).toMatchObject({ atime: 1, mtime: 2 })
  await client.utime('a', -5, 2 ** 33)
  expect(await client.stat('a')).toMatchObject({ atime: 0, mtime: 0xffffffff })
})

describe('renaming over what is there', () => {
  test.each(versions)('in version %d replaces it when asked to', async (sftpVersion) => {
    const { client } = await serve(new MemoryHandler(), both(sftpVersion))
    for (const options of [{ overwrite: true }, { atomic: true }, { native: true }]) {
      await client.writeFile('a', 'new')
      await client.writeFile('b', 'old')
      await expect(client.rename('a', 'b')).rejects.toMatchObject({ status: sftpVersion === 3 ? 4 : 11 })
      await client.rename('a', 'b', options)
      expect(await client.readFile('b', { encoding: 'utf8' })).toBe('new')
    }
  })

  test.each([4, 5] as const)('in version %d of a server without it is unsupported', async (sftpVersion) => {
    const handler = new MemoryHandler()
    Object.assign(handler, { posixRename: undefined })
    const { client } = await serve(handler, both(sftpVersion))
    await client.writeFile('a', '')
    await expect(client.rename('a', 'b', { overwrite: true })).rejects.toMatchObject({ code: 'ENOTSUP' })
    await expect(client.posixRename('a', 'b')).rejects.toMatchObject({ code: 'ENOTSUP' })
  })
})

describe('rights to open with', () => {
  const access = (desiredAccess: number, flags: number): OpenAccess => ({ desiredAccess, flags })

  test.each(versions)('mean in version %d what flags mean where those have words for them', async (sftpVersion) => {
    const { client } = await serve(new MemoryHandler(), both(sftpVersion))
    const { readData, writeData, appendData } = accessMask
    {
      await using file = await client.open('a', access(writeData, accessFlags.createNew))
      await file.write('one')
    }
    await expect(client.open('a', access(writeData, accessFlags.createNew))).rejects.toThrow()
    {
      await using file = await client.open('a', access(appendData, accessFlags.openExisting | accessFlags.appendData))
      await file.write(' two')
    }
    expect(await client.readFile('a', { encoding: 'utf8' })).toBe('one two')
    await (await client.open('a', access(readData | writeData, accessFlags.truncateExisting))).close()
    expect(await client.getSize('a')).toBe(0)
    await expect(client.open('b', access(readData, accessFlags.openExisting))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test.each(versions)('that flags have no words for are refused in version %d, not dropped', async (sftpVersion) => {
    const { client } = await serve(new MemoryHandler(), both(sftpVersion))
    const locked = access(accessMask.writeData, accessFlags.createNew | accessFlags.blockWrite)
    await expect(client.open('a', locked)).rejects.toMatchObject({ code: 'ENOTSUP' })
    expect(await client.exists('a')).toBe(false)
  })

  test.each([5, 6] as const)('come to a handler that takes them as they are in version %d', async (sftpVersion) => {
    const opened: OpenAccess[] = []
    class Rich extends MemoryHandler {
      readonly supportedAccess = access(0x1ff, 0x1ff)
      openAccess(path: string, asked: OpenAccess, attrs: SftpAttrs): MemoryFile {
        opened.push(asked)
        return this.open(path, openFlags.read | openFlags.create, attrs)
      }
    }
    const { client } = await serve(new Rich(), both(sftpVersion))
    const locked = access(accessMask.readData | accessMask.execute, accessFlags.openOrCreate | accessFlags.blockDelete)
    await (await client.open('a', locked)).close()
    await (await client.open('a', 'r')).close()
    expect(opened).toEqual([locked, access(accessMask.readData | accessMask.readAttributes, accessFlags.openExisting)])
    expect(client.announcements.supported).toMatchObject({ accessMask: 0x1ff, openFlags: 0x1ff })
  })

  test.each([5, 6] as const)(
    'E4: a read-only server refuses in version %d whatever could change a file',
    async (sftpVersion) => {
      const handler = new MemoryHandler()
      handler.open('a', openFlags.create | openFlags.write, {})
      const { client } = await serve(handler, both(sftpVersion, { readOnly: true }))
      const { readData, readAttributes, writeAttributes } = accessMask
      const { openExisting, openOrCreate, createTruncate, truncateExisting, deleteOnClose } = accessFlags
      await (await client.open('a', access(readData | readAttributes, openExisting))).close()
      for (const flags of [openOrCreate, createTruncate, truncateExisting, openExisting | deleteOnClose]) {
        await expect(client.open('a', access(readData, flags))).rejects.toMatchObject({ code: 'EROFS' })
      }
      const changing = access(readData | writeAttributes, openExisting)
      await expect(client.open('a', changing)).rejects.toMatchObject({ code: 'EROFS' })
      await expect(client.symlink('x', 'y')).rejects.toMatchObject({ code: 'EROFS' })
      // Before version 6 it takes a request of OpenSSH's, which such a server does not offer.
      await expect(client.link('a', 'y')).rejects.toMatchObject({ code: sftpVersion === 6 ? 'EROFS' : 'ENOTSUP' })
      await expect(client.rename('a', 'b', { overwrite: true })).rejects.toMatchObject({ code: 'EROFS' })
    },
  )
})

describe('canonical paths', () => {
  test.each(versions)('in version %d follow further paths, and come with attributes', async (sftpVersion) => {
    const { client } = await serve(new MemoryHandler(), both(sftpVersion))
    await client.makedirs('/d/e')
    await client.writeFile('/d/e/f', 'four')
    expect(await client.realpath('/d', { compose: ['e', '../e/f'] })).toBe('/d/e/f')
    expect(await client.realpath('/nowhere', { compose: ['e', '/d', 'e/../z'] })).toBe('/d/z')
    const there = await client.realpathStat('/d', { compose: ['e/f'] })
    expect(there).toMatchObject({ path: '/d/e/f', attrs: { size: 4, type: 'file' } })
    expect(await client.realpathStat('/d/none')).toEqual({ path: '/d/none', attrs: undefined })
    await expect(client.realpathStat('/d/none', { check: 'always' })).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('locks', () => {
  async function twoClients() {
    const handler = new MemoryHandler()
    const { client: one } = await serve(handler, both(6))
    const { client: two } = await serve(handler, both(6))
    await one.writeFile('a', '0123456789')
    return { one: await one.open('a', 'r+'), two: await two.open('a', 'r+'), client: two }
  }
  const conflict = { code: 'ERR_SFTP_LOCK_CONFLICT', status: 25 }

  test('keep others from the bytes, and from no others', async () => {
    const { one, two } = await twoClients()
    await one.lock(2, 3)
    await expect(two.read(3, 0)).rejects.toMatchObject(conflict)
    await expect(two.write('x', 4)).rejects.toMatchObject(conflict)
    await expect(two.truncate(3)).rejects.toMatchObject(conflict)
    expect((await two.read(2, 0)).toString()).toBe('01')
    await two.write('x', 5)
    await one.write('y', 3)
    expect((await one.read(10, 0)).toString()).toBe('012y4x6789')
    await one.unlock(2, 3)
    expect((await two.read(3, 2)).toString()).toBe('2y4')
  })

  test('of length 0 reach behind the end, and end with the file', async () => {
    const { one, two, client } = await twoClients()
    await one.lock(8, 0, lockFlags.write | lockFlags.delete)
    await expect(two.write('x', 1000)).rejects.toMatchObject(conflict)
    expect((await two.read(2, 8)).toString()).toBe('89')
    await expect(client.remove('a')).rejects.toMatchObject(conflict)
    await one.close()
    await two.write('x', 1000)
    await client.remove('a')
  })

  test('can be shared while nobody is kept from reading, and advisory ones bind only those who lock', async () => {
    const { one, two } = await twoClients()
    await one.lock(0, 5, lockFlags.write)
    await two.lock(0, 5, lockFlags.write)
    await expect(one.write('x', 0)).rejects.toMatchObject(conflict)
    await expect(two.lock(4, 1, lockFlags.read)).rejects.toMatchObject(conflict)
    await one.unlock(0, 5)
    await two.unlock(0, 5)
    await one.lock(0, 5, lockFlags.read | lockFlags.write | lockFlags.advisory)
    await two.write('z', 0)
    await expect(two.lock(0, 1)).rejects.toMatchObject(conflict)
  })

  test('that are not there cannot be taken off, and nobody takes off those of others', async () => {
    const { one, two } = await twoClients()
    await one.lock(0, 4)
    for (const wrong of [one.unlock(0, 5), one.unlock(1, 3), two.unlock(0, 4)]) {
      await expect(wrong).rejects.toMatchObject({ code: 'ERR_SFTP_NO_MATCHING_LOCK', status: 31 })
    }
    await expect(one.lock(0, 1, 0x1000)).rejects.toMatchObject({ code: 'EINVAL' })
  })

  test('of one client on one file are bounded', async () => {
    const { one } = await twoClients()
    for (let count = 0; count < 1024; count++) await one.lock(0, 1)
    await expect(one.lock(0, 1)).rejects.toMatchObject({ code: 'ERR_SFTP_LOCK_REFUSED', status: 26 })
  })

  test.each([3, 4, 5] as const)('are unsupported in version %d', async (sftpVersion) => {
    const { client } = await serve(new MemoryHandler(), both(sftpVersion))
    const file = await client.open('a', 'w')
    await expect(file.lock()).rejects.toMatchObject({ code: 'ENOTSUP' })
    await expect(file.unlock()).rejects.toMatchObject({ code: 'ENOTSUP' })
  })

  test('are unsupported by a handler without them, which says so beforehand', async () => {
    const { client } = await serve(new SftpServer({ root: temporaryDirectory() }), both(6))
    expect(client.announcements.supported?.blockVector).toBe(1)
    const file = await client.open('a', 'w')
    await expect(file.lock()).rejects.toMatchObject({ code: 'ENOTSUP', status: 8 })
  })
})

describe('the end, which version 6 can tell beforehand', () => {
  test('of a file and of a listing saves a request', async () => {
    const names: string[] = []
    class Counted extends MemoryHandler {
      override read(file: MemoryFile, into: Uint8Array, position: number): number {
        names.push('read')
        return super.read(file, into, position)
      }
    }
    const { client } = await serve(new Counted(), both(6))
    await client.writeFile('a', 'four')
    const file = await client.open('a')
    expect((await file.read(100, 0)).toString()).toBe('four')
    expect(names).toEqual(['read'])
  })

  test('of a listing ends it without asking again', async () => {
    const script = scripted(
      (request) => {
        if (request.type === 'opendir') return { type: 'handle', id: request.id, handle: Buffer.from('h') }
        if (request.type === 'close') return { type: 'status', id: request.id, code: 0, message: '', languageTag: '' }
        if (request.type === 'readdir') {
          return { type: 'name', id: request.id, entries: [{ fileName: 'a', attrs: {} }], isLast: true }
        }
      },
      { version: 6 },
    )
    const client = await SftpClient.start(script.channel, { sftpVersion: 6 })
    expect(await client.listdir('/')).toEqual(['a'])
    expect(script.requests.filter(({ type }) => type === 'readdir')).toHaveLength(1)
    await client.close()
  })

  test('is not believed of data that is not there: no data without the end is a broken protocol', async () => {
    for (const isLast of [true, false]) {
      const script = scripted(
        (request) => {
          if (request.type === 'open') return { type: 'handle', id: request.id, handle: Buffer.from('h') }
          if (request.type === 'read') return { type: 'data', id: request.id, data: Buffer.alloc(0), isLast }
        },
        { version: 6 },
      )
      const client = await SftpClient.start(script.channel, { sftpVersion: 6 })
      const file = await client.open('a')
      const reading = file.read(5, 0)
      if (isLast) expect(await reading).toEqual(Buffer.alloc(0))
      else await expect(reading).rejects.toMatchObject({ code: 'ERR_SFTP_PROTOCOL' })
      client.close().catch(() => {})
    }
  })
})

test('a text file of version 4 is refused: its line ends would not be translated', async () => {
  const [near, far] = memoryChannelPair()
  const handler = new MemoryHandler()
  handler.open('a', openFlags.create | openFlags.write, {})
  serveSftp(far, handler, { sftpVersion: 4 })
  const reader = new PacketReader()
  const status = new Promise<unknown>((resolve) => {
    near.attach({
      onData: (chunk) => {
        reader.push(chunk)
        for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
          const reply = dialect(4).replyMessages.decode(Buffer.concat(packet))
          if (reply.type !== 'version') resolve(reply)
        }
      },
      onClose: () => {},
    })
  })
  const textMode = 0x40
  near.write(framePacket(requests.init.encode({ version: 4, extensions: [] })))
  const flags = openFlags.read | textMode
  near.write(framePacket(dialect(4).requests.open.encode({ id: 1, path: 'a', flags, attrs: {} })))
  expect(await status).toMatchObject({ type: 'status', id: 1, code: 8 })
  near.close()
})

test('garbled announcements are as good as none', async () => {
  const extensions = { supported2: 'x', 'vendor-id': '\0\0\0\x09', 'acl-supported': '', newline: '\r\n' }
  const script = scripted(() => undefined, { version: 6, extensions })
  const client = await SftpClient.start(script.channel, { sftpVersion: 6 })
  expect(client.announcements).toEqual({ newline: '\r\n' })
  await client.close()
})

test('how much a read gets is taken from what is announced when limits cannot be asked for', async () => {
  const { version } = dialect(5).replies
  const data = Buffer.alloc(20)
  data.writeUInt32BE(100_000, 16)
  const packet = framePacket(version.encode({ version: 5, extensions: [{ name: 'supported', data }] }))
  const script = scripted(() => undefined, { version: 5, packet })
  const client = await SftpClient.start(script.channel, { sftpVersion: 5 })
  expect(await client.limits()).toMatchObject({ maxReadLength: 100_000, maxWriteLength: 32 * 1024 })
  await client.close()
})

test('the version of this package is what clients are told', () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  expect(manifest).toMatchObject({ version: softwareVersion })
})

test('names and hard links of a directory of this machine work in version 6', async () => {
  const directory = temporaryDirectory()
  await mkdir(join(directory, 'd'))
  const { client } = await serve(new SftpServer({ root: directory }), both(6))
  await client.writeFile('a', 'x')
  await client.link('a', 'd/b')
  await client.symlink('/a', 'd/s')
  expect(await client.stat('a')).toMatchObject({ linkCount: 2 })
  expect(await client.readlink('d/s')).toBe('/a')
  expect(await client.readFile('d/s', { encoding: 'utf8' })).toBe('x')
  await expect(client.rmdir('d')).rejects.toMatchObject({ code: 'ENOTEMPTY', status: 18 })
  await expect(client.stat('a/b')).rejects.toMatchObject({ code: 'ENOTDIR', status: 19 })
})

/** A server that speaks a version and answers as told. */
function scripted(
  answer: (request: Request, speak: (version: number) => void) => Reply | undefined,
  hello: { version: number; extensions?: Readonly<Record<string, string>>; packet?: Uint8Array },
) {
  const [channel, far] = memoryChannelPair()
  const received: Request[] = []
  let spoken = dialectOf(hello.version) ?? dialect(3)
  const reader = new PacketReader()
  const send = (reply: Reply): void => {
    const layout = spoken.replies[reply.type] as { encode(fields: object): Uint8Array }
    far.write(framePacket(layout.encode(reply)))
  }
  const greet = (): void => {
    const extensions = Object.entries(hello.extensions ?? {}).map(([name, data]) => ({ name, data: Buffer.from(data) }))
    far.write(hello.packet ?? framePacket(replies.version.encode({ version: hello.version, extensions })))
  }
  far.attach({
    onData: (chunk) => {
      far.release(chunk.length)
      reader.push(chunk)
      for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
        const request = spoken.requestMessages.decode(Buffer.concat(packet))
        received.push(request)
        if (request.type === 'init') greet()
        else {
          let next = spoken
          const reply = answer(request, (version) => {
            next = dialect(version)
          })
          if (reply !== undefined) send(reply)
          spoken = next
        }
      }
    },
    onClose: () => {},
  })
  return { channel, requests: received }
}
