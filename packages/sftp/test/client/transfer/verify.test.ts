import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { serve } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { Disk, type WriteFault } from './mortal-server.js'

const size = 1_000_003
const content = Buffer.from(seededRandom('verify').bytes(size))

function localFile(): string {
  const path = join(temporaryDirectory(), 'source')
  writeFileSync(path, content)
  return path
}

/** A server that says a WRITE was done when it was not. */
function losing(offset: number): WriteFault {
  return (write) => (write.offset <= offset && offset < write.offset + write.data.length ? 'lost' : undefined)
}

function collecting(chunks: Uint8Array[]): Writable {
  return new Writable({
    write(chunk, _encoding, callback) {
      chunks.push(Buffer.from(chunk))
      callback()
    },
  })
}

describe('a copy that is not what was copied', () => {
  test('is found, told by place, and removed', async () => {
    const disk = new Disk()
    const { client } = await disk.connect({ onWrite: losing(500_000) })
    await client.put(localFile(), '/trusted')
    expect(disk.content('/trusted').equals(content)).toBe(false)
    await expect(client.put(localFile(), '/file', { verify: true, blockSize: 32768 })).rejects.toMatchObject({
      name: 'SftpError',
      code: 'ERR_SFTP_VERIFY_FAILED',
      path: '/file',
      dstpath: '/file',
      details: { offset: Math.floor(500_000 / 32768) * 32768 },
    })
    expect([...disk.files.keys()]).toEqual(['/trusted'])
  })

  test('because it ends too early, or too late, is found', async () => {
    for (const change of [size - 1, size + 1]) {
      const disk = new Disk()
      const { client } = await disk.connect({
        onRequest: ({ type }) => {
          if (type === 'close' && disk.files.get('/file')?.length === size) disk.resize('/file', change)
          return undefined
        },
      })
      const putting = client.put(content, '/file', { verify: true })
      await expect(putting).rejects.toMatchObject({
        code: 'ERR_SFTP_VERIFY_FAILED',
        details: { offset: Math.min(size, change) },
      })
    }
  })

  test('of a stream is found, and removed', async () => {
    const disk = new Disk()
    const { client } = await disk.connect({ onWrite: losing(500_000) })
    const putting = client.put(Readable.from([content]), '/file', { verify: true })
    await expect(putting).rejects.toMatchObject({ code: 'ERR_SFTP_VERIFY_FAILED' })
    expect(disk.files.size).toBe(0)
    const whole = await new Disk().connect()
    await whole.client.put(Readable.from([content]), '/file', { verify: true })
  })

  test('and was fetched is found, and removed', async () => {
    const disk = new Disk()
    disk.put('/file', content)
    const directory = temporaryDirectory()
    let reads = 0
    const { client } = await disk.connect({
      // The source changes once it was read.
      onRequest: ({ type }) => {
        if (type === 'read' && ++reads === 33) disk.write('/file', 999_999, Buffer.from('?!'))
        return undefined
      },
    })
    const options = { verify: true, blockSize: 32768, maxRequests: 1 }
    await expect(client.get('/file', join(directory, 'file'), options)).rejects.toMatchObject({
      code: 'ERR_SFTP_VERIFY_FAILED',
      details: { offset: 999_999 },
    })
    expect(readdirSync(directory)).toEqual([])
    await client.get('/file', join(directory, 'file'), options)
  })

  test('and was delivered to a stream is found', async () => {
    const disk = new Disk()
    disk.put('/file', content)
    const { client } = await disk.connect()
    const chunks: Uint8Array[] = []
    await client.get('/file', collecting(chunks), { verify: true })
    expect(Buffer.concat(chunks).equals(content)).toBe(true)
    let reads = 0
    const changing = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'open' && ++reads === 2) disk.write('/file', 999_999, Buffer.from('?!'))
        return undefined
      },
    })
    await expect(changing.client.get('/file', collecting([]), { verify: true })).rejects.toMatchObject({
      code: 'ERR_SFTP_VERIFY_FAILED',
      path: '/file',
    })
  })
})

describe('a server that makes hashes', () => {
  test('is asked for one of the whole file, and nothing is read', async () => {
    const disk = new Disk()
    const { client, requests, bytesRead } = await disk.connect({ hashed: (path) => disk.content(path) })
    await client.put(localFile(), '/file', { verify: true })
    await client.put(Readable.from([content]), '/stream', { verify: true })
    expect(bytesRead()).toBe(0)
    expect(requests.filter(({ type }) => type === 'extended').length).toBe(2)
    const target = join(temporaryDirectory(), 'target')
    await client.get('/file', target, { verify: true })
    expect(bytesRead()).toBe(size)
    await client.get('/file', collecting([]), { verify: true })
    expect(bytesRead()).toBe(2 * size)
  })

  test('of blocks, as Paramiko does, is asked for those', async () => {
    const disk = new Disk()
    const { client, requests, bytesRead } = await disk.connect({
      hashed: (path) => disk.content(path),
      extensions: { 'check-file': 'md5,sha1' },
    })
    await client.put(localFile(), '/file', { verify: true })
    expect(bytesRead()).toBe(0)
    expect(requests.find(({ type }) => type === 'extended')).toMatchObject({ request: 'check-file' })
    // It knows no SHA-256, which is what streams were hashed with.
    await client.put(Readable.from([content]), '/stream', { verify: true })
    expect(bytesRead()).toBe(size)
  })

  test('of other bytes is not believed, but read', async () => {
    const disk = new Disk()
    const { client, bytesRead } = await disk.connect({ hashed: () => Buffer.from('wrong') })
    await client.put(localFile(), '/file', { verify: true })
    expect(bytesRead()).toBe(size)
    const lossy = await new Disk().connect({ hashed: () => Buffer.from('wrong'), onWrite: losing(0) })
    await expect(lossy.client.put(localFile(), '/file', { verify: true })).rejects.toMatchObject({
      code: 'ERR_SFTP_VERIFY_FAILED',
      details: { offset: 0 },
    })
  })

  test('spares going on with a file the reading of its end', async () => {
    const disk = new Disk()
    disk.put('/file', content.subarray(0, 900_000))
    const { client, bytesRead, bytesWritten } = await disk.connect({ hashed: (path) => disk.content(path) })
    await client.put(localFile(), '/file', { resume: true })
    expect([bytesRead(), bytesWritten()]).toEqual([0, size - 900_000])
    disk.put('/file', Buffer.concat([content.subarray(0, 900_000), Buffer.alloc(10)]))
    await client.put(localFile(), '/file', { resume: true })
    expect(bytesRead()).toBeGreaterThan(0)
    expect(disk.content('/file').equals(content)).toBe(true)
  })

  test('is missed once, and then not asked again', async () => {
    const disk = new Disk()
    const { client, requests } = await disk.connect()
    for (let time = 0; time < 3; time++) await client.put(localFile(), '/file', { verify: true })
    expect(requests.filter(({ type }) => type === 'extended').length).toBe(1)
  })

  test('and answers nonsense is read instead', async () => {
    const disk = new Disk()
    let answered = 0
    const { client } = await disk.connect({
      hashed: () => {
        answered++
        return new Uint8Array(0)
      },
    })
    await client.put(localFile(), '/file', { verify: true })
    expect(answered).toBe(1)
  })
})

test('empty files, trees and copies from a server to itself are checked like others', async () => {
  const { client } = await serve(new MemoryHandler())
  await client.put(Buffer.alloc(0), 'empty', { verify: true })
  await client.put(content, 'file', { verify: true })
  await client.copy(['file', 'empty'], 'copies', { verify: true })
  const directory = temporaryDirectory()
  await client.get('copies', join(directory, 'back'), { recurse: true, verify: true })
  expect(readdirSync(join(directory, 'back')).sort()).toEqual(['empty', 'file'])
})
