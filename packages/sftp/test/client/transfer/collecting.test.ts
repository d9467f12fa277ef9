/** Errors that are collected: each by its path, and the end of the session is not one among others. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { statusCodes } from '../../../src/protocol/status.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { directory, regularFile, withScript } from '../../scripted-peers.js'
import { serve } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'

const { eof, permissionDenied, ok } = statusCodes

describe('a pattern whose errors are collected', () => {
  test('fails when the session ends, instead of having matched nothing', async () => {
    const { client, server } = await withScript((request) => {
      if (request.type === 'opendir') server.channel.abort(new Error('gone'))
    })
    const errors: unknown[] = []
    const onError = (error: Error) => errors.push(error)
    const getting = client.mget('dir/*', temporaryDirectory(), { onError })
    await expect(getting).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST', path: 'dir' })
    expect(errors).toEqual([])
  })

  test('tells each bad name, and matches the good ones behind it', async () => {
    let listed = false
    const { client } = await withScript((request, answers) => {
      if (request.type === 'opendir') answers.handle(request.id, 'h')
      if (request.type !== 'readdir') return
      if (listed) return answers.status(request.id, eof)
      listed = true
      answers.names(request.id, ['../x', 'good', 'a/b', 'better'])
    })
    const errors: unknown[] = []
    expect(await client.glob('dir/*', { onError: (error) => errors.push(error) })).toEqual(['dir/good', 'dir/better'])
    expect(errors).toMatchObject([
      { code: 'ERR_SFTP_UNSAFE_NAME', path: 'dir', details: { name: '../x' } },
      { code: 'ERR_SFTP_UNSAFE_NAME', path: 'dir', details: { name: 'a/b' } },
    ])
  })

  test('tells what may not be looked at, and goes on with the next', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type !== 'lstat' && request.type !== 'stat') return
      if (request.path === 'secret') answers.status(request.id, permissionDenied)
      else answers.attrs(request.id, { permissions: regularFile, size: 1 })
    })
    const errors: unknown[] = []
    expect(await client.glob(['secret', 'open'], { onError: (error) => errors.push(error) })).toEqual(['open'])
    expect(errors).toContainEqual(expect.objectContaining({ code: 'EACCES', path: 'secret' }))
  })

  test('tells of a tree that is too deep, and matches what is beside it', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type === 'lstat' || request.type === 'stat') {
        answers.attrs(request.id, { permissions: directory })
      }
      if (request.type === 'opendir') answers.handle(request.id, `h${request.id}${request.path.slice(-3)}`)
      if (request.type === 'readdir') {
        const handle = Buffer.from(request.handle).toString()
        if (handles.has(handle)) return answers.status(request.id, eof)
        handles.add(handle)
        answers.names(request.id, [{ name: 'd', permissions: directory }, 'x'])
      }
    })
    const handles = new Set<string>()
    const errors: unknown[] = []
    const found = await client.glob('d/**/x', { onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'ELOOP' }])
    expect(found).toContain('d/x')
    expect(found.length).toBeGreaterThan(60)
  })
})

describe('what would wait or go on for ever', () => {
  test.skipIf(process.platform === 'win32')('a pipe that nobody writes to or reads from is an error', async () => {
    const root = temporaryDirectory()
    execFileSync('mkfifo', [join(root, 'pipe')])
    const { client } = await serve(new MemoryHandler())
    await expect(client.put(join(root, 'pipe'), 'copy')).rejects.toMatchObject({ path: join(root, 'pipe') })
    await client.writeFile('pipe', 'content')
    await expect(client.get('pipe', root)).rejects.toMatchObject({ code: 'ENXIO', path: join(root, 'pipe') })
    await expect(client.mget('pip*', root)).rejects.toMatchObject({ code: 'ENXIO', path: join(root, 'pipe') })
    await expect(client.get('pipe', join(root, 'pipe'), { resume: true })).rejects.toThrow()
  })

  test('links that lead back to where the walk is are told, each once', async () => {
    const root = temporaryDirectory()
    mkdirSync(join(root, 'tree/sub'), { recursive: true })
    writeFileSync(join(root, 'tree/a'), 'a')
    for (const name of ['one', 'two', 'three']) symlinkSync('..', join(root, 'tree/sub', name))
    symlinkSync('sub', join(root, 'tree/aside'))
    const served = temporaryDirectory()
    const { client } = await serve(new SftpServer({ root: served }))
    for (const run of [
      (onError: (error: Error) => void) =>
        client.put(join(root, 'tree'), '/tree', { recurse: true, followSymlinks: true, onError }),
      async (onError: (error: Error) => void) => {
        await client.makedirs('/loop/sub')
        for (const name of ['one', 'two', 'three']) await client.symlink('..', `/loop/sub/${name}`)
        await client.symlink('sub', '/loop/aside')
        await client.get('/loop', join(root, 'back'), { recurse: true, followSymlinks: true, onError })
      },
    ]) {
      const errors: Error[] = []
      await run((error) => errors.push(error))
      expect(errors).toHaveLength(6)
      for (const error of errors) expect(error).toMatchObject({ code: 'ELOOP' })
    }
    expect(readdirSync(join(served, 'tree/aside'))).toEqual([])
    expect(readdirSync(join(root, 'back')).sort()).toEqual(['aside', 'sub'])
  })
})

describe('a stream that is put', () => {
  test('and was over before is an error, not an empty file', async () => {
    const { client } = await serve(new MemoryHandler())
    const destroyed = Readable.from([Buffer.from('x')])
    destroyed.destroy()
    await expect(client.put(destroyed, 'destroyed')).rejects.toThrow()
    const read = Readable.from([Buffer.from('x')])
    for await (const _ of read);
    await expect(client.put(read, 'read')).rejects.toThrow()
  })

  test('is let go however it takes that', async () => {
    const { client } = await withScript((request, answers) => {
      if (request.type === 'open') answers.handle(request.id, 'h')
      if (request.type === 'write') answers.status(request.id, permissionDenied)
      if (request.type === 'fsetstat') answers.status(request.id, ok)
    })
    let stopped = 0
    const endless = (onReturn: () => never | Promise<IteratorResult<Uint8Array>>) => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: Buffer.alloc(40_000) }),
        return: () => {
          stopped++
          return onReturn()
        },
      }),
    })
    const throwing = endless(() => {
      throw new Error('no')
    })
    const plain = endless(() => ({ done: true, value: undefined }) as never)
    for (const source of [throwing, plain]) {
      await expect(client.put(source, 'file')).rejects.toMatchObject({ code: 'EACCES', dstpath: 'file' })
    }
    expect(stopped).toBe(2)
  })
})
