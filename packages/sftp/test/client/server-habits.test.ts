/** What the client does about servers that read the protocol in their own way. */

import { once } from 'node:events'
import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openFlags } from '../../src/protocol/open-flags.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

/** As pkg/sftp's server, which writes at the offset it is given. */
class AppendBlind extends MemoryHandler {
  override open(...[path, flags, attrs]: Parameters<MemoryHandler['open']>) {
    return super.open(path, flags & ~openFlags.append, attrs)
  }
}

describe('a server that leaves finding the end to the client', () => {
  test('appends what is written to an open file', async () => {
    const { client } = await serve(new AppendBlind())
    await client.writeFile('log', 'one\n')
    await client.appendFile('log', 'two\n')
    await using file = await client.open('log', 'a+')
    await file.write('three\n')
    await file.write('four\n', 0)
    expect(await file.readFile({ encoding: 'utf8' })).toBe('one\ntwo\nthree\nfour\n')
  })

  test('appends what is written to a stream', async () => {
    const { client } = await serve(new AppendBlind())
    await client.writeFile('log', 'one\n')
    const stream = client.createWriteStream('log', { flags: 'a', blockSize: 2 })
    stream.write('two\n')
    stream.end('three\n')
    await once(stream, 'close')
    expect(await client.readFile('log', { encoding: 'utf8' })).toBe('one\ntwo\nthree\n')
  })
})

/** As Paramiko's server, which opens a file anew to set its size. */
class EmptiedBySize extends MemoryHandler {
  override fsetstat(...[file, attrs]: Parameters<MemoryHandler['fsetstat']>) {
    if (attrs.size !== undefined) super.fsetstat(file, { size: 0 })
    return super.fsetstat(file, attrs)
  }
}

test('a server that empties a file whose size is set gets sparse files whole', async () => {
  const { client } = await serve(new EmptiedBySize())
  const path = join(temporaryDirectory(), 'sparse')
  for (const end of [5_000_000, 6_000_000]) {
    writeFileSync(path, 'start')
    appendFileSync(path, Buffer.alloc(4_000_000))
    truncateSync(path, 5_000_000 - 3)
    appendFileSync(path, 'end')
    truncateSync(path, end)
    await client.put(path, '/sparse')
    expect((await client.readFile('/sparse')).equals(readFileSync(path))).toBe(true)
  }
})

describe('symbolic links', () => {
  const linkFirst = { symlinkOrder: 'link-first' } as const

  test('are made when both sides have the order of the draft', async () => {
    const { client } = await serve(new MemoryHandler(), { ...linkFirst, client: linkFirst })
    await client.symlink('target', '/link')
    expect(await client.readlink('/link')).toBe('target')
  })

  test.each([
    ['the client', { client: linkFirst }],
    ['the server', linkFirst],
  ])('are turned round when only %s has it', async (_, options) => {
    const { client } = await serve(new MemoryHandler(), options)
    await client.symlink('/target', '/link')
    expect(await client.readlink('/target')).toBe('/link')
  })
})
