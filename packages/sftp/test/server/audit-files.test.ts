import { describe, expect, test } from 'vitest'
import { openFlags } from '../../src/protocol/open-flags.js'
import { requests } from '../../src/protocol/packets.js'
import { auditFiles } from '../../src/server/audit-files.js'
import { limitFiles } from '../../src/server/limit-files.js'
import { MemoryHandler } from '../../src/server/memory-handler.js'
import type { SftpRequestEvent } from '../../src/server/request-event.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'
import { attack, status } from './hostile/attack.js'

const { read, write, create } = openFlags

describe('an audit', () => {
  test('tells what was asked, of which paths, with which outcome', async () => {
    const events: SftpRequestEvent[] = []
    const { client } = await serve(
      auditFiles(new SftpServer({ root: temporaryDirectory() }), (event) => events.push(event)),
    )
    await client.writeFile('/a', 'content')
    await client.readFile('/a')
    await client.rename('/a', '/b')
    await client.chmod('/b', 0o600)
    await client.stat('/gone').catch(() => {})
    await client.posixRename('/b', '/c')
    await client.symlink('c', '/l')
    await client.listdir('/')
    const told = (name: string) => events.filter(({ request }) => request === name)
    await expect.poll(() => told('close').length).toBe(3)
    expect(told('open')[0]).toMatchObject({ path: '/a', flags: write | create | openFlags.truncate })
    expect(told('write')).toEqual([{ request: 'write', path: '/a', bytes: 7 }])
    expect(told('close').map(({ path, total }) => [path, total])).toEqual([
      ['/a', { read: 0, written: 7 }],
      ['/a', { read: 7, written: 0 }],
      ['/', undefined],
    ])
    expect(told('rename')).toEqual([{ request: 'rename', path: '/a', newPath: '/b' }])
    expect(told('setstat')).toEqual([{ request: 'setstat', path: '/b', attrs: { permissions: 0o600 } }])
    expect(told('stat')).toContainEqual({ request: 'stat', path: '/gone', code: 'ENOENT' })
    expect(told('posix-rename')).toEqual([{ request: 'posix-rename', path: '/b', newPath: '/c' }])
    expect(told('symlink')).toEqual([{ request: 'symlink', path: 'c', newPath: '/l' }])
    expect(told('readdir')[0]).toMatchObject({ path: '/' })
  })

  test('tells of what was refused before the handler saw it, and why', async () => {
    const events: SftpRequestEvent[] = []
    const note = (event: SftpRequestEvent) => void events.push(event)
    const { client } = attack(auditFiles(new MemoryHandler(), note), { readOnly: true, deniedRequests: ['readlink'] })
    expect(await status(client.ask((id) => requests.remove.encode({ id, path: 'a' })))).toBe(3)
    expect(await status(client.ask((id) => requests.readlink.encode({ id, path: 'a' })))).toBe(3)
    expect(
      await status(client.ask((id) => requests.extended.encode({ id, request: 'x', payload: Buffer.alloc(0) }))),
    ).toBe(8)
    expect(events).toEqual([
      { request: 'remove', path: 'a', code: 'EROFS', refused: 'read-only' },
      { request: 'readlink', path: 'a', code: 'EACCES', refused: 'denied' },
      { request: 'unknown', code: 'ENOTSUP' },
    ])
  })

  test('tells of files that are closed because the channel ended', async () => {
    const events: SftpRequestEvent[] = []
    const handler = auditFiles(new MemoryHandler(), (event) => events.push(event))
    const { client, session, near } = attack(handler)
    const handle = await client.open('a', read | write | create)
    await client.ask((id) => requests.write.encode({ id, handle, offset: 0, data: Buffer.from('abc') }))
    near.abort()
    await session.closed
    expect(events.at(-1)).toEqual({ request: 'close', path: 'a', total: { read: 0, written: 3 }, isForced: true })
  })

  test('that throws changes nothing for the client', async () => {
    const handler = auditFiles(new MemoryHandler(), () => {
      throw new Error('the log is full')
    })
    const { client } = await serve(handler)
    await client.writeFile('/a', 'content')
    expect(await client.readFile('/a', { encoding: 'utf8' })).toBe('content')
  })

  test('and limits go around each other, in either order', async () => {
    for (const wrap of [
      (note: (event: SftpRequestEvent) => void) =>
        auditFiles(limitFiles(new MemoryHandler(), { maximumBytes: 3 }), note),
      (note: (event: SftpRequestEvent) => void) =>
        limitFiles(auditFiles(new MemoryHandler(), note), { maximumBytes: 3 }),
    ]) {
      const events: SftpRequestEvent[] = []
      const { client } = await serve(wrap((event) => events.push(event)))
      await expect(client.writeFile('/a', 'four')).rejects.toThrow()
      expect(events).toContainEqual({ request: 'write', path: '/a', code: 'EDQUOT' })
    }
  })
})

test('a server that overrides onRequest is told without a wrapper', async () => {
  const seen: string[] = []
  class Watching extends SftpServer {
    onRequest({ request }: SftpRequestEvent): void {
      seen.push(request)
    }
  }
  const { client } = await serve(new Watching({ root: temporaryDirectory() }))
  await client.stat('/')
  expect(seen).toContain('stat')
})
