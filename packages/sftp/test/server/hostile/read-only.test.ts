import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dialects } from '../../../src/protocol/dialect.js'
import { accessFlags, accessMask } from '../../../src/protocol/open-access.js'
import { allOpenFlags, openFlags } from '../../../src/protocol/open-flags.js'
import { requests } from '../../../src/protocol/packets.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { extendedRequestRow, requestNames } from '../../../src/server/request-names.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { attack, everyRequest, makeJail, snapshot, status } from './attack.js'

const { read } = openFlags

/** What a refusal for being read-only is in each version: permission denied, later write-protected. */
const refusals = new Map([
  [3, 3],
  [4, 12],
  [5, 12],
  [6, 12],
])

const mutators = new Set([
  ...['write', 'setstat', 'fsetstat', 'remove', 'mkdir', 'rmdir', 'rename', 'symlink', 'link'],
  ...['posix-rename', 'hardlink', 'fsync', 'lsetstat', 'copy-data'],
])

describe('E4: a read-only server changes nothing', () => {
  test.each(dialects.map((dialect) => [dialect.version, dialect] as const))(
    'in version %i, whatever is asked',
    async (version, dialect) => {
      const { root } = makeJail()
      symlinkSync('file', join(root, 'link'))
      const before = snapshot(root)
      const { client } = attack(new SftpServer({ root }), { readOnly: true, dialect })
      for (const path of ['file', 'link', 'sub', 'nothing']) {
        const handle = path === 'file' ? await client.open(path, read) : Buffer.alloc(16)
        for (const { name, build } of everyRequest(dialect, { path, newPath: 'new', handle })) {
          const answer = await status(client.ask(build))
          const isMutator = mutators.has(extendedRequestRow(name)?.name ?? name)
          // What is not announced is not known.
          if (isMutator) expect([name, answer]).toEqual([name, refusals.get(version)])
          else expect([name, answer]).not.toEqual([name, refusals.get(version)])
        }
      }
      expect(snapshot(root)).toEqual(before)
    },
  )

  test('by any flags of an open of versions 3 and 4', async () => {
    const { root } = makeJail()
    const before = snapshot(root)
    const { client } = attack(new SftpServer({ root }), { readOnly: true })
    for (let flags = 0; flags <= allOpenFlags; flags++) {
      for (const path of ['file', 'new']) {
        const reply = await client.ask((id) => requests.open.encode({ id, path, flags, attrs: {} }))
        if (flags !== read && flags !== 0) expect(reply).toMatchObject({ type: 'status', code: 3 })
        if (reply.type === 'handle') await client.ask((id) => requests.close.encode({ id, handle: reply.handle }))
      }
    }
    expect(snapshot(root)).toEqual(before)
  })

  test('by any right, disposition and flag of an open of versions 5 and 6', async () => {
    for (const dialect of dialects.filter(({ version }) => version >= 5)) {
      const { root } = makeJail()
      const before = snapshot(root)
      const { client } = attack(new SftpServer({ root }), { readOnly: true, dialect })
      const rights = [0, ...Object.values(accessMask), 0xffffffff]
      const flags = [0, 1, 2, 3, 4, 5, 7, ...Object.values(accessFlags).map((flag) => flag | accessFlags.openExisting)]
      for (const desiredAccess of rights) {
        for (const flag of flags) {
          for (const path of ['file', 'new']) {
            const access = { desiredAccess, flags: flag }
            const reply = await client.ask((id) => dialect.requests.open.encode({ id, path, flags: access, attrs: {} }))
            if (reply.type !== 'handle') continue
            expect(path).toBe('file')
            const { handle } = reply
            const data = Buffer.from('x')
            const written = client.ask((id) => dialect.requests.write.encode({ id, handle, offset: 0, data }))
            expect(await status(written)).toBe(refusals.get(dialect.version))
            await client.ask((id) => dialect.requests.close.encode({ id, handle }))
          }
        }
      }
      expect(snapshot(root)).toEqual(before)
    }
  })

  test('nor announces what it would refuse', async () => {
    const { root } = makeJail()
    const { client } = attack(new SftpServer({ root }), { readOnly: true })
    await client.ask((id) => requests.stat.encode({ id, path: '/' }))
    const [version] = client.replies
    const names = version?.type === 'version' ? version.extensions.map(({ name }) => name) : []
    expect(names).toContain('statvfs@openssh.com')
    for (const name of ['posix-rename@openssh.com', 'hardlink@openssh.com', 'fsync@openssh.com', 'copy-data']) {
      expect(names).not.toContain(name)
    }
  })
})

describe('denied and allowed requests', () => {
  test.each(requestNames.filter((name) => !['link', 'block', 'unblock'].includes(name)))(
    '%s is refused when it is denied, and when others are allowed',
    async (denied) => {
      for (const options of [
        { deniedRequests: [denied] },
        { allowedRequests: ['open', 'close'].filter((name) => name !== denied) },
      ]) {
        const { root } = makeJail()
        const { client } = attack(new SftpServer({ root }), options)
        const before = snapshot(root)
        const [dialect] = dialects
        const all = everyRequest(dialect ?? expect.fail(), { path: 'file', newPath: 'new', handle: Buffer.alloc(16) })
        const one = all.find(({ name }) => (extendedRequestRow(name)?.name ?? name) === denied)
        expect(await status(client.ask(one?.build ?? expect.fail()))).toBe(3)
        expect(snapshot(root)).toEqual(before)
      }
    },
  )

  test('a name nobody knows is refused by name: to leave it out would allow more', () => {
    const { root } = makeJail()
    expect(() => attack(new SftpServer({ root }), { deniedRequests: ['delete'] })).toThrow(/Unknown request delete/)
  })
})

test('what is denied by the name of version 3 is denied in the words of later versions too', async () => {
  const dialect = dialects.find(({ version }) => version === 6) ?? expect.fail()
  const asked = async (options: { deniedRequests?: string[]; allowedRequests?: string[] }) => {
    const handler = new MemoryHandler()
    handler.close(handler.open('a', 0x1a, {}))
    handler.close(handler.open('b', 0x1a, {}))
    const { client } = attack(handler, { dialect, ...options })
    const link = dialect.requests.link ?? expect.fail()
    const links = { linkPath: 's', targetPath: 'a' }
    return Promise.all([
      status(client.ask((id) => link.encode({ id, ...links, isSymbolic: true }))),
      status(client.ask((id) => link.encode({ id, ...links, linkPath: 'h', isSymbolic: false }))),
      status(client.ask((id) => dialect.requests.rename.encode({ id, oldPath: 'a', newPath: 'b', flags: 1 }))),
    ])
  }
  const denied = 3
  expect(await asked({})).toEqual([0, 0, 0])
  expect(await asked({ deniedRequests: ['symlink'] })).toEqual([denied, 0, 0])
  expect(await asked({ deniedRequests: ['hardlink'] })).toEqual([0, denied, 0])
  expect(await asked({ deniedRequests: ['posix-rename'] })).toEqual([0, 0, denied])
  expect(await asked({ deniedRequests: ['link', 'rename'] })).toEqual([denied, denied, denied])
  expect(await asked({ allowedRequests: ['link', 'rename'] })).toEqual([denied, denied, denied])
  expect(await asked({ allowedRequests: ['link', 'symlink', 'rename'] })).toEqual([0, denied, denied])
})
