/** What callers may get wrong, and what servers say in other words than theirs. */

import { describe, expect, test } from 'vitest'
import { SftpClient } from '../../src/client/sftp-client.js'
import { SftpError } from '../../src/errors.js'
import { statusCodes } from '../../src/protocol/status.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import { meaningOf } from '../../src/system-errors.js'
import { regularFile, withScript } from '../scripted-peers.js'
import { serve, servers } from '../servers.js'

test('rmtree refuses what is no named tree before anything is removed', async () => {
  const { client } = await serve(new MemoryHandler())
  await client.makedirs('/d/sub')
  await client.chdir('/d')
  for (const path of ['', '.', '..', '/', '//', 'sub/.', 'sub/..', './', '../']) {
    await expect(client.rmtree(path, { ignoreErrors: true })).rejects.toMatchObject({ code: 'EINVAL', path })
  }
  expect(await client.listdir()).toEqual(['sub'])
  await client.rmtree('sub/')
  expect(await client.listdir()).toEqual([])
})

for (const { name, isHere, isSlow = false, start } of servers) {
  test.skipIf(!isHere || isSlow)(`a file is no directory to list or remove, on ${name}`, async () => {
    const { client, cwd } = await start()
    await client.chdir(cwd)
    await client.writeFile('file', 'x')
    const notDirectory = { code: 'ENOTDIR' }
    await expect(client.listdir('file')).rejects.toMatchObject(notDirectory)
    await expect(client.readdir('file')).rejects.toMatchObject(notDirectory)
    await expect(client.scandir('file').next()).rejects.toMatchObject(notDirectory)
    await expect(client.rmdir('file')).rejects.toMatchObject(notDirectory)
    await expect(client.listdir('none')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(client.rmdir('none')).rejects.toMatchObject({ code: 'ENOENT' })
  })
}

describe('a failure whose text is a reason of the system', () => {
  const fail = (text: string) =>
    SftpError.fromStatus(statusCodes.failure, text, { operation: 'write', path: 'f', offset: 4096 })

  test.each([
    ['Disk quota exceeded', 'EDQUOT'],
    ['No space left on device', 'ENOSPC'],
    ['File too large', 'EFBIG'],
    ['Directory not empty', 'ENOTEMPTY'],
    ['File exists', 'EEXIST'],
    ['Is a directory', 'EISDIR'],
    ['Not a directory', 'ENOTDIR'],
    ['read-only file system', 'EROFS'],
    ['/tmp/f: Too many open files', 'EMFILE'],
  ])('"%s" has the code %s', (text, code) => {
    expect(fail(text)).toMatchObject({ code, status: 4, serverText: text, details: { offset: 4096 } })
    expect(fail(text).message).toBe(`${code}: ${text}, write at offset 4096: "f"`)
  })

  test('is not one that says nothing, or something else', () => {
    expect(fail('Failure').message).toBe(
      'ERR_SFTP_FAILURE: the server gave no reason, write at offset 4096 (server: Failure): "f"',
    )
    expect(fail('').message).toBe('ERR_SFTP_FAILURE: the server gave no reason, write at offset 4096: "f"')
    expect(fail('Moon phase').message).toBe('ERR_SFTP_FAILURE: Moon phase, write at offset 4096: "f"')
  })

  test('and nothing more is asked', async () => {
    const { client, server } = await withScript((request, answers) => {
      if (!('id' in request)) return false
      answers.status(request.id, statusCodes.failure, 'Directory not empty')
      return true
    })
    await expect(client.rmdir('d')).rejects.toMatchObject({ code: 'ENOTEMPTY', serverText: 'Directory not empty' })
    expect(server.types).toEqual(['rmdir'])
  })
})

test('what is not supported is not said to be of sockets', () => {
  expect(meaningOf('ENOTSUP')).toBe('operation not supported')
})

test('an encoding may stand for the options', async () => {
  const { client } = await serve(new MemoryHandler())
  await client.writeFile('/f', 'grün', 'latin1')
  await client.appendFile('/f', 'é', 'latin1')
  const text: string = await client.readFile('/f', 'latin1')
  expect([text, (await client.readFile('/f')).length]).toEqual(['grüné', 5])
  await using file = await client.open('/f')
  const again: string = await file.readFile('latin1')
  expect(again).toBe('grüné')
})

test('a path that is no text is refused with what was found', async () => {
  const { client, server } = await withScript((request, answers) => {
    if (request.type !== 'lstat') return false
    answers.attrs(request.id, { permissions: regularFile })
    return true
  })
  const wrong = <T>(value: unknown): T => value as T
  for (const [call, found] of [
    [() => client.stat(wrong(undefined)), 'undefined'],
    [() => client.open(wrong(null)), 'null'],
    [() => client.rename('a', wrong(5)), 'a number'],
    [() => client.put('f', wrong({ recurse: true })), 'an object'],
    [() => client.put(wrong(undefined), 'f'), 'undefined'],
    [() => client.get('f', wrong({ recurse: true })), 'an object'],
    [() => client.get(wrong([undefined]), 'f'), 'undefined'],
    [() => client.mget('f', wrong({})), 'an object'],
  ] as const) {
    await expect(call()).rejects.toMatchObject({ code: 'EINVAL', message: `Expected a path as text, found ${found}` })
  }
  expect(server.types).toEqual([])
})

test('a version that there is not is named', async () => {
  const start = SftpClient.start(wrongChannel(), { sftpVersion: 7 as 6 })
  await expect(start).rejects.toMatchObject({ code: 'EINVAL', message: expect.stringContaining('found 7') })
})

function wrongChannel(): Parameters<typeof SftpClient.start>[0] {
  return { attach: () => {}, write: () => true, abort: () => {}, close: () => {}, release: () => {} } as never
}
