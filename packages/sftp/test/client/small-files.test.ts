/** How few requests many small files take. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { SftpAttrs } from '../../src/protocol/attrs.js'
import { type ServerFile, SftpServer } from '../../src/server/sftp-server.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

/** A server that counts what small files may need. */
class Counting extends SftpServer {
  readonly counts = { stat: 0, open: 0, read: 0, close: 0 }
  /** Told of each path whose attributes are asked for. */
  onStat: (path: string) => void = () => {}

  override async stat(path: string): Promise<SftpAttrs> {
    this.counts.stat++
    return super.stat(path)
  }

  override async lstat(path: string): Promise<SftpAttrs> {
    this.counts.stat++
    this.onStat(path)
    return super.lstat(path)
  }

  override async open(path: string, flags: number, attrs: SftpAttrs): Promise<ServerFile> {
    this.counts.open++
    return super.open(path, flags, attrs)
  }

  override async close(file: ServerFile): Promise<void> {
    this.counts.close++
    return super.close(file)
  }

  override read(file: ServerFile, into: Uint8Array, position: number): Promise<number> {
    this.counts.read++
    return super.read(file, into, position)
  }
}

async function setup() {
  const root = temporaryDirectory()
  const server = new Counting({ root })
  const { client, session } = await serve(server)
  const names = Array.from({ length: 50 }, (_, index) => `file-${index}`)
  for (const name of names) writeFileSync(join(root, name), name)
  return { client, session, server, root, names, local: temporaryDirectory() }
}

test.each([
  ['of a pattern', '/*'],
  ['of a directory', '/'],
])('files %s take an OPEN, a READ and a CLOSE each', async (_, path) => {
  const { client, session, server, names, local } = await setup()
  if (path === '/') await client.get(path, local, { recurse: true })
  else await client.mget(path, local)
  expect(names.map((name) => readFileSync(join(local, name), 'utf8'))).toEqual(names)
  // Nobody waits for the last CLOSE but the end of the session.
  await client.close()
  await session.closed
  const { stat, ...counts } = server.counts
  expect(counts).toEqual({ open: names.length, read: names.length, close: names.length })
  // Of the directory itself.
  expect(stat).toBeLessThanOrEqual(1)
})

test('attributes of named files are asked for before their turn', async () => {
  const { client, server, names, local } = await setup()
  let most = 0
  server.onStat = () => {
    most = Math.max(most, server.counts.stat - server.counts.open)
  }
  await client.get(names, local)
  expect(server.counts.stat).toBe(names.length)
  expect(most).toBeGreaterThan(8)
})

test('a named file that is not there is told of in its turn, and asked for once', async () => {
  const { client, server, names, local } = await setup()
  const paths = ['file-0', 'missing', ...names.slice(1)]
  const errors: unknown[] = []
  await client.get(paths, local, { onError: (error) => errors.push(error) })
  expect(errors).toEqual([expect.objectContaining({ code: 'ENOENT', srcpath: 'missing' })])
  expect(server.counts).toMatchObject({ stat: 51, open: 50 })
  await expect(client.get(paths, local)).rejects.toMatchObject({ code: 'ENOENT', srcpath: 'missing' })
})

test.each([
  ['has grown', 'more than was listed'],
  ['has shrunk', 'f'],
  ['is empty now', ''],
])('a file that %s since it was listed comes as it is', async (_, content) => {
  const root = temporaryDirectory()
  const path = join(root, 'file')
  class Changing extends SftpServer {
    override async open(...args: Parameters<SftpServer['open']>): Promise<ServerFile> {
      writeFileSync(path, content)
      return super.open(...args)
    }
  }
  writeFileSync(path, 'as listed')
  const { client } = await serve(new Changing({ root }))
  const local = temporaryDirectory()
  await client.mget('/*', local)
  expect(readFileSync(join(local, 'file'), 'utf8')).toBe(content)
})

test.each([
  ['a long way', 20, 64],
  ['a short way', 0, 16],
])('over %s, some more of them are under way at once', async (_, stepMs, most) => {
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += stepMs))
  onTestFinished(() => clock.mockRestore())
  const { client, server, local, root } = await setup()
  for (let index = 0; index < 300; index++) writeFileSync(join(root, `more-${index}`), 'more')
  let atOnce = 0
  const open = server.open.bind(server)
  server.open = async (...args) => {
    atOnce = Math.max(atOnce, server.counts.open - server.counts.close)
    return open(...args)
  }
  await client.mget('/*', local)
  // Nobody waits for the CLOSE of a file that was read.
  expect(atOnce).toBeGreaterThan(most / 2)
  expect(atOnce).toBeLessThanOrEqual(2 * most)
})
