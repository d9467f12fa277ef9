import { createHash } from 'node:crypto'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { memoryChannelPair, seededRandom } from '@ssh/testkit'
import { expect, test } from 'vitest'
import { checkFileRequest, decodeCheckFileReply } from '../../src/protocol/check-file.js'
import { openFlags } from '../../src/protocol/open-flags.js'
import { requests } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { serveSftp } from '../../src/server/serve-sftp.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { RawClient } from '../scripted-peers.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const content = Buffer.from(seededRandom('hashed').bytes(1_000_003))
const hash = (algorithm: string, start: number, end: number): string =>
  createHash(algorithm).update(content.subarray(start, end)).digest('hex')

async function open(): Promise<{ ask: (fields: object) => Promise<unknown>; client: RawClient; handle: Uint8Array }> {
  const handler = new MemoryHandler()
  const { client: setUp } = await serve(handler)
  await setUp.writeFile('file', content)
  const [near, far] = memoryChannelPair()
  serveSftp(far, handler)
  const client = new RawClient(near)
  client.init()
  const handle = await client.open('file', openFlags.read)
  const ask = async (fields: object): Promise<unknown> => {
    const defaults = { handle, algorithms: 'sha256', start: 0, length: 0, blockSize: 0 }
    const payload = checkFileRequest.encode({ ...defaults, ...fields })
    const reply = await client.ask((id) => requests.extended.encode({ id, request: 'check-file-handle', payload }))
    if (reply.type !== 'extendedReply') return reply.type === 'status' ? reply.code : reply.type
    const { algorithm, digests } = decodeCheckFileReply(reply.payload)
    const { length } = createHash(algorithm).digest()
    return [
      algorithm,
      ...Array.from({ length: digests.length / length }, (_, index) =>
        Buffer.from(digests.subarray(index * length, (index + 1) * length)).toString('hex'),
      ),
    ]
  }
  return { ask, client, handle }
}

test('a file, and any stretch of it, has a hash by the first algorithm of the client that is known', async () => {
  const { ask } = await open()
  expect(await ask({})).toEqual(['sha256', hash('sha256', 0, content.length)])
  expect(await ask({ algorithms: 'crc32,md5,sha1' })).toEqual(['md5', hash('md5', 0, content.length)])
  expect(await ask({ start: 1000, length: 300_000 })).toEqual(['sha256', hash('sha256', 1000, 301_000)])
  expect(await ask({ start: 1_000_000, length: 300_000 })).toEqual(['sha256', hash('sha256', 1_000_000, 1_000_003)])
  expect(await ask({ start: 1_000_003 })).toEqual(['sha256', hash('sha256', 0, 0)])
})

test('blocks have a hash each, the last one of what is left', async () => {
  const { ask } = await open()
  expect(await ask({ blockSize: 400_000, algorithms: 'sha512' })).toEqual([
    'sha512',
    hash('sha512', 0, 400_000),
    hash('sha512', 400_000, 800_000),
    hash('sha512', 800_000, 1_000_003),
  ])
  expect(await ask({ blockSize: 256, start: 10, length: 300 })).toEqual([
    'sha256',
    hash('sha256', 10, 266),
    hash('sha256', 266, 310),
  ])
})

test('what cannot be hashed, or not in one reply, is refused', async () => {
  const { ask, client } = await open()
  expect(await ask({ algorithms: 'crc32' })).toBe(statusCodes.badMessage)
  expect(await ask({ algorithms: '' })).toBe(statusCodes.badMessage)
  expect(await ask({ blockSize: 255 })).toBe(statusCodes.badMessage)
  // 3907 hashes of 64 bytes.
  expect(await ask({ blockSize: 256, algorithms: 'sha512' })).toBe(statusCodes.badMessage)
  expect(await ask({ start: 1_000_004 })).toBe(statusCodes.eof)
  expect(await ask({ handle: Buffer.from('none') })).not.toBeInstanceOf(Array)
  const writing = await client.open('other', openFlags.write | openFlags.create)
  await client.ask((id) => requests.write.encode({ id, handle: writing, offset: 0, data: Buffer.from('x') }))
  const directory = temporaryDirectory()
  symlinkSync('/dev/zero', join(directory, 'endless'))
  const { client: sftp } = await serve(new SftpServer())
  // Not by its hash: it would be made for ever. By reading, as little of it as is compared.
  await sftp.put(Buffer.alloc(10), join(directory, 'file'), { verify: true })
})

test('our client checks its copies on our server without reading them again', async () => {
  let reads = 0
  class Counting extends SftpServer {
    override read(...args: Parameters<SftpServer['read']>): Promise<number> {
      reads += args[1].length
      return super.read(...args)
    }
  }
  const handler = new Counting({ root: temporaryDirectory() })
  const { client, session } = await serve(handler)
  let sent = 0
  expect(client.extensions.get('check-file-handle')).toBe('1')
  await client.put(content, 'file', { verify: true })
  // The server reads it, and sends a hash.
  expect(reads).toBe(content.length)
  expect(session).toBeDefined()
  await client.get('file', join(temporaryDirectory(), 'file'), { verify: true, progress: () => sent++ })
  expect(sent).toBeGreaterThan(0)
})
