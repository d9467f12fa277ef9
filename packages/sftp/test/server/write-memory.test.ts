/** Where the bytes of WRITEs lie while they are written. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '@ssh/testkit'
import { expect, test } from 'vitest'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { type ServerFile, SftpServer } from '../../src/server/sftp-server.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const bytes = Buffer.from(seededRandom('writes').bytes(8 * 1024 * 1024))

test('a handler that says nothing may keep what it was given', async () => {
  const kept: { data: Uint8Array; position: number }[] = []
  class Keeping extends MemoryHandler {
    override write(...[file, data, position]: Parameters<MemoryHandler['write']>): void {
      kept.push({ data, position })
      super.write(file, data, position)
    }
  }
  const { client } = await serve(new Keeping(), { channel: { chunkSize: 32_000, schedule: setImmediate } })
  await client.writeFile('/file', bytes)
  expect(kept.length).toBeGreaterThan(30)
  for (const { data, position } of kept) {
    expect(bytes.subarray(position, position + data.length).equals(data)).toBe(true)
  }
})

test('a handler that is done with its bytes gets the same memory again and again', async () => {
  const memories = new Set<ArrayBufferLike>()
  class Watching extends SftpServer {
    override async write(file: ServerFile, data: Uint8Array, position: number): Promise<void> {
      memories.add(data.buffer)
      await super.write(file, data, position)
    }
  }
  const root = temporaryDirectory()
  const { client } = await serve(new Watching({ root }), { channel: { chunkSize: 32_000, schedule: setImmediate } })
  for (const name of ['first', 'second', 'third']) {
    await client.writeFile(`/${name}`, bytes)
    expect(readFileSync(join(root, name)).equals(bytes)).toBe(true)
  }
  expect(memories.size).toBeLessThan(35)
})
