/** What stands, or comes to stand, in the places that a transfer writes to. */

import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { serve } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { Disk } from './mortal-server.js'

const blockSize = 32768
const content = Buffer.from(seededRandom('places').bytes(10 * blockSize))

test('a download through a link that fails leaves no half file behind it', async () => {
  const directory = temporaryDirectory()
  mkdirSync(join(directory, 'real'))
  writeFileSync(join(directory, 'real/file'), 'old')
  symlinkSync('real/file', join(directory, 'link'))
  const disk = new Disk()
  disk.put('/file', content)
  const { client } = await disk.connect({ diesAfter: 5 * blockSize })
  await expect(client.get('/file', join(directory, 'link'), { blockSize })).rejects.toMatchObject({
    code: 'ERR_SFTP_CONNECTION_LOST',
    srcpath: '/file',
  })
  expect(readdirSync(join(directory, 'real'))).toEqual([])
})

test('a file that took the place of a download that fails stays', async () => {
  const directory = temporaryDirectory()
  const target = join(directory, 'file')
  const disk = new Disk()
  disk.put('/file', content)
  let reads = 0
  const { client } = await disk.connect({
    diesAfter: 5 * blockSize,
    onRequest: ({ type }) => {
      if (type !== 'read' || ++reads !== 2) return undefined
      writeFileSync(join(directory, 'other'), 'precious')
      renameSync(join(directory, 'other'), target)
      return undefined
    },
  })
  await expect(client.get('/file', target, { blockSize })).rejects.toThrow()
  expect(readFileSync(target, 'utf8')).toBe('precious')
})

describe('what is gone on with', () => {
  test('and shrinks between being looked at and being opened is an error, not a file with a hole', async () => {
    const disk = new Disk()
    const source = join(temporaryDirectory(), 'source')
    writeFileSync(source, content)
    disk.put('/file', content.subarray(0, 5 * blockSize))
    let opened = 0
    const { client } = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'open' && ++opened === 2) disk.resize('/file', blockSize)
        return undefined
      },
    })
    await expect(client.put(source, '/file', { resume: true })).rejects.toMatchObject({
      code: 'ERR_SFTP_FILE_CHANGED',
      path: '/file',
      srcpath: source,
    })
    const left = disk.content('/file')
    expect(left.equals(content.subarray(0, left.length))).toBe(true)
    const target = join(temporaryDirectory(), 'target')
    writeFileSync(target, content.subarray(0, 5 * blockSize))
    disk.put('/whole', content)
    let reads = 0
    const fetching = await disk.connect({
      onRequest: ({ type }) => {
        if (type === 'read' && reads++ === 0) truncateSync(target, blockSize)
        return undefined
      },
    })
    await fetching.client.get('/whole', target, { resume: true }).catch(() => {})
    const got = readFileSync(target)
    expect(got.equals(content.subarray(0, got.length))).toBe(true)
  })

  test('stays when it could not be verified', async () => {
    const directory = temporaryDirectory()
    const target = join(directory, 'target')
    const disk = new Disk()
    disk.put('/file', content)
    const { client } = await disk.connect({ diesAfter: content.length + 100 })
    const options = { resume: true, verify: true, blockSize }
    await expect(client.get('/file', target, options)).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
    expect(readFileSync(target).equals(content)).toBe(true)
  })

  test('is never what another file of the same transfer is', async () => {
    const served = temporaryDirectory()
    mkdirSync(join(served, 'tree'))
    writeFileSync(join(served, 'tree/x'), content)
    writeFileSync(join(served, 'tree/.x.sftp-part'), content.subarray(0, 100))
    const { client } = await serve(new SftpServer({ root: served }))
    const directory = temporaryDirectory()
    const errors: unknown[] = []
    await client.get('/tree', join(directory, 'tree'), {
      recurse: true,
      atomic: true,
      resume: true,
      onError: (error) => errors.push(error),
    })
    expect(readdirSync(join(directory, 'tree'))).toEqual(['x'])
    expect(readFileSync(join(directory, 'tree/x')).equals(content)).toBe(true)
    expect(errors).toMatchObject([{ code: 'EEXIST', srcpath: '/tree/.x.sftp-part' }])
  })
})

test.each([{ atomic: true, resume: true }, { resume: true }, { atomic: true }])(
  'two files that are sent to one place with %o at once do not become a mixture',
  async (options) => {
    const disk = new Disk()
    const contents = [content, Buffer.from(seededRandom('another').bytes(content.length))]
    const { client } = await disk.connect({
      order: 'shuffled',
      extensions: { 'posix-rename@openssh.com': '1' },
    })
    const puts = contents.map((bytes) => client.put(bytes, '/file', { ...options, blockSize }))
    const results = await Promise.allSettled(puts)
    const file = disk.content('/file')
    const [winner] = contents.flatMap((bytes, index) => (bytes.equals(file) ? [index] : []))
    expect(results[winner ?? -1]?.status).toBe('fulfilled')
    if ('resume' in options) {
      expect(results[1 - (winner ?? 0)]).toMatchObject({ reason: { code: 'EBUSY', dstpath: '/file' } })
      await client.put(contents[1 - (winner ?? 0)] ?? '', '/file', options)
    }
    expect([...disk.files.keys()]).toEqual(['/file'])
  },
)

test('a link that is there already is as good as made; another one is in the way', async () => {
  const tree = join(temporaryDirectory(), 'tree')
  mkdirSync(tree)
  writeFileSync(join(tree, 'a'), 'a')
  symlinkSync('a', join(tree, 'link'))
  const { client } = await serve(new MemoryHandler())
  const directory = temporaryDirectory()
  for (let time = 0; time < 2; time++) {
    await client.put(tree, '/', { recurse: true, resume: true })
    await client.get('/tree', directory, { recurse: true, resume: true })
  }
  expect(await client.readlink('/tree/link')).toBe('a')
  expect(readlinkSync(join(directory, 'tree/link'))).toBe('a')
  await client.remove('/tree/link')
  await client.symlink('other', '/tree/link')
  await expect(client.put(tree, '/', { recurse: true })).rejects.toMatchObject({
    code: 'EEXIST',
    srcpath: join(tree, 'link'),
  })
  await expect(client.get('/tree', directory, { recurse: true })).rejects.toMatchObject({
    code: 'EEXIST',
    srcpath: '/tree/link',
  })
  expect(lstatSync(join(directory, 'tree/link')).isSymbolicLink()).toBe(true)
})
