/** Sources that become shorter while they are copied, and files that say more than they have. */

import { existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { framePacket } from '../../../src/protocol/framing.js'
import { replies } from '../../../src/protocol/packets.js'
import { statusCodes } from '../../../src/protocol/status.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { regularFile, withScript } from '../../scripted-peers.js'
import { hasOpenssh, serve, startOpenssh } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'

const size = 40 * 1024 * 1024

/** A file, and a progress function that cuts it off as soon as some of it is copied. */
function shrinking() {
  const directory = temporaryDirectory()
  const source = join(directory, 'source')
  writeFileSync(source, Buffer.alloc(size, 7))
  let events = 0
  return {
    directory,
    source,
    progress: () => {
      if (events++ === 0) truncateSync(source, 1000)
    },
  }
}

const changed = { code: 'ERR_SFTP_FILE_CHANGED', details: { offset: expect.any(Number) } }

describe('a source that becomes shorter while it is copied fails the copy', () => {
  test.each([{}, { atomic: true }, { sparse: false }])('of an upload with %o', async (options) => {
    const { source, progress } = shrinking()
    const root = temporaryDirectory()
    writeFileSync(join(root, 'copy'), 'old')
    const { client } = await serve(new SftpServer({ root }))
    const failure = await client.put(source, 'copy', { ...options, progress }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ ...changed, path: source, srcpath: source, dstpath: 'copy' })
    expect(readdirSync(root)).toEqual(['copy'])
    if ('atomic' in options) expect(readFileSync(join(root, 'copy'), 'utf8')).toBe('old')
    else {
      const { written } = (failure as { details: { written: number } }).details
      expect(statSync(join(root, 'copy')).size).toBe(written)
    }
  })

  test.each([{}, { atomic: true }])('of a download with %o, and nothing of it stays', async (options) => {
    const { directory, progress } = shrinking()
    const copy = join(temporaryDirectory(), 'copy')
    const { client } = await serve(new SftpServer({ root: directory }))
    const transfer = client.get('source', copy, { ...options, progress })
    await expect(transfer).rejects.toMatchObject({ ...changed, path: 'source', srcpath: 'source', dstpath: copy })
    expect(existsSync(copy)).toBe(false)
    expect(readdirSync(join(copy, '..'))).toEqual([])
  })

  test('of a download that is gone on with', async () => {
    const { directory, progress } = shrinking()
    const copy = join(temporaryDirectory(), 'copy')
    writeFileSync(copy, Buffer.alloc(8 * 1024 * 1024, 7))
    const { client } = await serve(new SftpServer({ root: directory }))
    await expect(client.get('source', copy, { resume: true, progress })).rejects.toMatchObject(changed)
  })

  test('of a download into a stream', async () => {
    const { directory, source } = shrinking()
    const { client } = await serve(new SftpServer({ root: directory }))
    const sink = new Writable({
      write(_chunk, _encoding, callback) {
        truncateSync(source, 1000)
        callback()
      },
    })
    await expect(client.get('source', sink)).rejects.toMatchObject({ code: 'ERR_SFTP_FILE_CHANGED', path: 'source' })
  })

  test('of one that the server copies itself', async () => {
    const withCopyData = framePacket(
      replies.version.encode({ version: 3, extensions: [{ name: 'copy-data', data: Buffer.from('1') }] }),
    )
    let stats = 0
    const { client } = await withScript(
      (request, answers) => {
        if (!('id' in request)) return false
        const { id, type } = request
        if (type === 'open') answers.handle(id, request.path)
        else if (type === 'lstat' || type === 'stat') {
          if (request.path === 'dst') answers.status(id, statusCodes.noSuchFile)
          else answers.attrs(id, { size: 5000, permissions: regularFile })
        } else if (type === 'fstat') {
          stats++
          answers.attrs(id, {
            size: Buffer.from(request.handle).toString() === 'src' ? 1000 : 0,
            permissions: regularFile,
          })
        } else answers.status(id, type === 'realpath' ? statusCodes.failure : statusCodes.ok)
        return true
      },
      { version: withCopyData },
    )
    await expect(client.copy('src', 'dst')).rejects.toMatchObject({ code: 'ERR_SFTP_FILE_CHANGED', path: 'src' })
    expect(stats).toBeGreaterThan(0)
  })
})

describe('a file that says more than it has is copied as far as it goes', () => {
  const sysfs = '/sys/kernel/mm/transparent_hugepage/enabled'

  test.skipIf(!existsSync(sysfs))('from this machine', async () => {
    const root = temporaryDirectory()
    const { client } = await serve(new SftpServer({ root }))
    await client.put([sysfs, '/proc/self/status'], '.')
    expect(readFileSync(join(root, 'enabled'))).toEqual(readFileSync(sysfs))
    expect(statSync(join(root, 'status')).size).toBeGreaterThan(0)
  })

  test.skipIf(!existsSync(sysfs) || !hasOpenssh)('from a server, also into a stream', async () => {
    const { client } = await startOpenssh()
    const copy = join(temporaryDirectory(), 'copy')
    await client.get(sysfs, copy)
    expect(readFileSync(copy)).toEqual(readFileSync(sysfs))
    const chunks: Buffer[] = []
    const sink = new Writable({
      write(chunk: Buffer, _encoding, callback) {
        chunks.push(Buffer.from(chunk))
        callback()
      },
    })
    await client.get(sysfs, sink)
    expect(Buffer.concat(chunks)).toEqual(readFileSync(sysfs))
  })

  test('from a server that does not tell its size a second time', async () => {
    const { client } = await withScript((request, answers) => {
      if (!('id' in request)) return false
      const { id, type } = request
      if (type === 'open') answers.handle(id, 'h')
      else if (type === 'stat' || type === 'lstat') answers.attrs(id, { size: 4096, permissions: regularFile })
      else if (type === 'read' && Number(request.offset) === 0) answers.data(id, Buffer.from('short\n'))
      else if (type === 'read') answers.status(id, statusCodes.eof)
      else if (type === 'fstat') answers.status(id, statusCodes.opUnsupported)
      else return false
      return true
    })
    const copy = join(temporaryDirectory(), 'copy')
    await client.get('f', copy)
    expect(readFileSync(copy, 'utf8')).toBe('short\n')
  })
})
