/** A server may give the handle of a closed file to the next one: nothing may be asked with it any more. */

import { describe, expect, test } from 'vitest'
import { openFlags } from '../../src/protocol/open-flags.js'
import type { Request } from '../../src/protocol/packets.js'
import { statusCodes } from '../../src/protocol/status.js'
import { type Answers, withScript } from '../scripted-peers.js'

const { ok, eof } = statusCodes

/** As OpenSSH numbers handles: the lowest that is free. READ and WRITE are answered when a test says so. */
async function reusingHandles() {
  const open = new Map<string, string>()
  const touched: { readonly type: 'read' | 'write'; readonly path: string | undefined }[] = []
  const held: (() => void)[] = []
  const answer = (request: Request, answers: Answers): boolean | undefined => {
    if (request.type === 'open') {
      let number = 0
      while (open.has(String(number))) number++
      open.set(String(number), request.path)
      answers.handle(request.id, String(number))
    }
    if (request.type === 'close') open.delete(Buffer.from(request.handle).toString())
    if (request.type !== 'read' && request.type !== 'write') return undefined
    const { id, type } = request
    touched.push({ type, path: open.get(Buffer.from(request.handle).toString()) })
    const length = request.type === 'read' ? request.length : 0
    held.push(() => {
      if (type === 'write') answers.status(id, ok)
      else if (touched.length > 200) answers.status(id, eof)
      else answers.data(id, Buffer.alloc(length))
    })
    return true
  }
  const { client } = await withScript(answer, { maximumInFlight: 65536 })
  /** Answers everything, and what comes of it. */
  const release = async (): Promise<void> => {
    for (let quiet = 0; quiet < 5; quiet++) {
      await new Promise((resolve) => setImmediate(resolve))
      if (held.length > 0) quiet = 0
      for (const reply of held.splice(0)) reply()
    }
  }
  return { client, touched, release }
}

const closed = { code: 'ERR_SFTP_CLOSED', path: 'first' }

describe('what goes on when its file is closed', () => {
  test('writes nothing into the next file: a stream that is destroyed', async () => {
    const { client, touched, release } = await reusingHandles()
    const stream = client.createWriteStream('first')
    stream.on('error', () => {})
    stream.write(Buffer.alloc(1_000_000))
    await expect.poll(() => touched.length).toBe(2)
    stream.destroy()
    await client.open('second', openFlags.write)
    await release()
    expect(touched.every(({ path }) => path === 'first')).toBe(true)
  })

  test('writes nothing into the next file: a write of many blocks', async () => {
    const { client, touched, release } = await reusingHandles()
    const file = await client.open('first', 'w')
    const writing = expect(file.write(Buffer.alloc(1_000_000))).rejects.toMatchObject(closed)
    await expect.poll(() => touched.length).toBe(2)
    const closing = file.close()
    await client.open('second', 'w')
    await release()
    await writing
    await closing
    expect(touched.every(({ path }) => path === 'first')).toBe(true)
  })

  test.each(['read', 'blocks', 'readParallel'] as const)('reads nothing of the next file: %s', async (way) => {
    const { client, touched, release } = await reusingHandles()
    const file = await client.open('first')
    const ways = {
      read: () => file.read(),
      blocks: async () => {
        for await (const _ of file.blocks(0, 10_000_000));
      },
      readParallel: async () => {
        for await (const _ of file.readParallel(10_000_000, 0));
      },
    }
    if (way === 'readParallel') Reflect.defineProperty(file, 'stat', { value: async () => ({ size: 10_000_000 }) })
    const reading = expect(ways[way]()).rejects.toMatchObject(closed)
    await expect.poll(() => touched.length).toBe(2)
    const closing = file.close()
    await client.open('second')
    await release()
    await reading
    await closing
    expect(touched.every(({ path }) => path === 'first')).toBe(true)
  })
})
