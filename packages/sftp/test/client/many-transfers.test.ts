/** Many transfers at once share the bytes that may be in flight. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '@ssh/testkit'
import { expect, test } from 'vitest'
import { type ServerFile, SftpServer } from '../../src/server/sftp-server.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const mebibyte = 1024 * 1024
const block = 32 * 1024
const bytes = Buffer.from(seededRandom('many').bytes(mebibyte))

/** A server that counts the bytes of READs and WRITEs that it has, and answers them only when no more come. */
class Slow extends SftpServer {
  inFlight = 0
  most = 0

  override async read(file: ServerFile, into: Uint8Array, position: number): Promise<number> {
    return this.#held(into.length, () => super.read(file, into, position))
  }

  override async write(file: ServerFile, data: Uint8Array, position: number): Promise<void> {
    return this.#held(data.length, () => super.write(file, data, position))
  }

  async #held<R>(byteCount: number, work: () => Promise<R>): Promise<R> {
    this.inFlight += byteCount
    this.most = Math.max(this.most, this.inFlight)
    for (let before = -1; before !== this.inFlight; ) {
      before = this.inFlight
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.inFlight -= byteCount
    return work()
  }
}

async function setup(maximumInFlight: number) {
  const root = temporaryDirectory()
  const server = new Slow({ root })
  const { client } = await serve(server, {
    client: { maximumInFlight },
    maximumRequests: 10_000,
    channel: { schedule: setImmediate },
  })
  return { client, server, root, local: temporaryDirectory() }
}

test('a hundred downloads have no more bytes in flight than one may', async () => {
  const { client, server, root, local } = await setup(mebibyte)
  for (let index = 0; index < 100; index++) writeFileSync(join(root, `file-${index}`), bytes)
  const gets = Array.from({ length: 100 }, (_, index) =>
    client.get(`/file-${index}`, join(local, `file-${index}`), { blockSize: block }),
  )
  await Promise.all(gets)
  expect(server.most).toBeLessThanOrEqual(mebibyte)
  // A budget that is not used would be kept as well.
  expect(server.most).toBeGreaterThan(mebibyte / 4)
  for (let index = 0; index < 100; index++) {
    expect(readFileSync(join(local, `file-${index}`)).equals(bytes)).toBe(true)
  }
})

test('a hundred uploads have no more bytes in flight than one may', async () => {
  const { client, server, root, local } = await setup(mebibyte)
  writeFileSync(join(local, 'source'), bytes)
  const puts = Array.from({ length: 100 }, (_, index) =>
    client.put(join(local, 'source'), `/file-${index}`, { blockSize: block }),
  )
  await Promise.all(puts)
  expect(server.most).toBeLessThanOrEqual(mebibyte)
  expect(server.most).toBeGreaterThan(mebibyte / 4)
  for (let index = 0; index < 100; index++) {
    expect(readFileSync(join(root, `file-${index}`)).equals(bytes)).toBe(true)
  }
})

test('downloads, uploads and streams share the same bytes', async () => {
  const { client, server, root, local } = await setup(mebibyte)
  writeFileSync(join(local, 'source'), bytes)
  for (let index = 0; index < 20; index++) writeFileSync(join(root, `there-${index}`), bytes)
  const options = { blockSize: block }
  const work = Array.from({ length: 20 }, (_, index) => [
    client.get(`/there-${index}`, join(local, `got-${index}`), options),
    client.put(join(local, 'source'), `/put-${index}`, options),
    client.readFile(`/there-${index}`, options),
    client.writeFile(`/written-${index}`, bytes, options),
    client.createReadStream(`/there-${index}`, options).toArray(),
  ])
  await Promise.all(work.flat())
  expect(server.most).toBeLessThanOrEqual(mebibyte)
  expect(server.most).toBeGreaterThan(mebibyte / 4)
})
