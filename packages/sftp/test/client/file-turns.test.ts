/** Calls on one open file side by side, and files whose session is over. */

import { describe, expect, test } from 'vitest'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { withScript } from '../scripted-peers.js'
import { serve } from '../servers.js'

describe('calls without a position take turns', () => {
  test('so that writes and reads side by side go one behind the other', async () => {
    const { client } = await serve(new MemoryHandler())
    await using file = await client.open('/f', 'w+')
    expect(await Promise.all(['aaa', 'bbb', 'ccc'].map((text) => file.write(text)))).toEqual([3, 3, 3])
    expect(await file.readFile({ encoding: 'utf8' })).toBe('aaabbbccc')
    const [start, ...parts] = await Promise.all([file.seek(0), file.read(3), file.read(3), file.read(3), file.tell()])
    expect([start, ...parts.map(String)]).toEqual([0, 'aaa', 'bbb', 'ccc', '9'])
    await using log = await client.open('/log', 'a')
    await Promise.all(['a', 'b', 'c'].map((text) => log.write(text)))
    expect(await client.readFile('/log', { encoding: 'utf8' })).toBe('abc')
  })

  test('and one that is aborted or fails gives its turn away', async () => {
    const { client } = await serve(new MemoryHandler())
    await using file = await client.open('/f', 'w+')
    const controller = new AbortController()
    const writes = [file.write('aaa'), file.write('bbb', undefined, { signal: controller.signal }), file.write('ccc')]
    controller.abort()
    const results = await Promise.allSettled([...writes, file.seek(-1), file.write('ddd')])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'])
    expect(await file.readFile({ encoding: 'utf8' })).toBe('aaacccddd')
  })
})

test('what a file was not opened for is refused at once, and nothing is sent', async () => {
  const { client, server } = await withScript((request, answers) => {
    if (request.type !== 'open') return false
    answers.handle(request.id, 'h')
    return true
  })
  const reader = await client.open('f', 'r')
  await expect(reader.write('x')).rejects.toMatchObject({ code: 'EBADF', path: 'f' })
  const writer = await client.open('f', 'a')
  await expect(writer.read(1)).rejects.toMatchObject({ code: 'EBADF', path: 'f' })
  expect(server.types).toEqual(['open', 'open'])
})

test('a file declared with await using leaves the error of a lost connection as it is', async () => {
  const { client, server } = await withScript((request, answers) => {
    if (request.type === 'open') answers.handle(request.id, 'h')
    else if (request.type === 'read') server.channel.abort()
    else return false
    return true
  })
  const work = async (): Promise<void> => {
    await using file = await client.open('f')
    await file.read(1)
  }
  await expect(work()).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
  await expect(work()).rejects.not.toHaveProperty('suppressed')
})

test('closing a file whose session this side has ended is no failure', async () => {
  const { client } = await serve(new MemoryHandler())
  const file = await client.open('/f', 'w')
  await client.close()
  await file.close()
})
