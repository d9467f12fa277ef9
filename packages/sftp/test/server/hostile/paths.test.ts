import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { asBuffer, concatBytes } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { dialects } from '../../../src/protocol/dialect.js'
import { openFlags } from '../../../src/protocol/open-flags.js'
import { requests } from '../../../src/protocol/packets.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { attack, everyRequest, makeJail, rawOpen, rawPath, status } from './attack.js'

const { read, write, create, truncate } = openFlags

describe('E1: paths stay inside the root', () => {
  const escapes = [
    '/../secret/file',
    '../secret/file',
    'sub/../../secret/file',
    '/sub/../../../../secret/file',
    '//../secret/file',
    '/./.././secret/file',
    'relative/file',
    'absolute/file',
    'deep/passwd',
    'sub/../relative/file',
    '..\\secret\\file',
    'C:\\secret\\file',
    'file::$DATA',
    '\\\\server\\share\\file',
    '//server/share/file',
    'C:secret',
    '../secret/file.',
    '../secret/file ',
    '.../secret/file',
    '....//secret/file',
    '%2e%2e/secret/file',
    '~/../secret/file',
    '../secret/',
    '/../secret/file/.',
    '\u2024\u2024/secret/file',
    `${'x/'.repeat(2048)}..`,
    'file\0/../../secret/file',
    '\0',
    `${'../'.repeat(1000)}secret/file`,
    `${'x'.repeat(4096)}`,
    '../root2/file',
  ]

  test.each(escapes)('%j is not there, for reading, looking or writing', async (path) => {
    const { root, base } = makeJail()
    const { client } = attack(new SftpServer({ root }))
    const answers = await Promise.all(
      [
        client.ask((id) => rawOpen(id, path, read)),
        client.ask((id) => rawPath(17, id, path)),
        client.ask((id) => rawPath(7, id, path)),
      ].map(status),
    )
    for (const answer of answers) expect(answer === 2 || answer === 5 || answer === 4).toBe(true)
    expect(readFileSync(join(base, 'secret/file'), 'utf8')).toBe('secret/file')
  })

  test.each(['/../new', '../../new', 'relative/new', 'absolute/new', 'slash/new'])(
    'creating %j makes it inside or not at all',
    async (path) => {
      const { root, base } = makeJail()
      const { client } = attack(new SftpServer({ root }))
      await status(client.ask((id) => rawOpen(id, path, write | create)))
      expect(readdirSync(join(base, 'secret'))).toEqual(['file'])
      expect(readdirSync(base).sort()).toEqual(['root', 'root2', 'secret'])
    },
  )

  test('links lead where they would with the root as `/`', async () => {
    const { root } = makeJail()
    const { client } = attack(new SftpServer({ root }))
    const real = async (path: string) => {
      const reply = await client.ask((id) => requests.realpath.encode({ id, path }))
      return reply.type === 'name' ? reply.entries[0]?.fileName : status(Promise.resolve(reply))
    }
    expect(await real('slash/sub/inner')).toBe('/sub/inner')
    expect(await real('inside/inner')).toBe('/sub/inner')
    expect(await real('sub/up')).toBe('/file')
    expect(await real('relative')).toBe('/secret')
    expect(await real('deep')).toBe('/etc')
    expect(await real('/../..')).toBe('/')
    expect(await real('sub/..')).toBe('/')
    expect(await real('nothing')).toBe('/nothing')
    expect(await real('nothing/below')).toBe(2)
    expect(await real('loop1')).toBe(2)
    expect(await real('file/x')).toBe(2)
  })

  test('the root itself can be neither removed nor renamed', async () => {
    const { root } = makeJail()
    const { client } = attack(new SftpServer({ root: join(root, 'sub') }))
    await client.ask((id) => requests.remove.encode({ id, path: '/inner' }))
    await client.ask((id) => requests.remove.encode({ id, path: '/up' }))
    expect(await status(client.ask((id) => requests.rmdir.encode({ id, path: '/' })))).toBe(3)
    expect(await status(client.ask((id) => requests.rename.encode({ id, oldPath: '/..', newPath: '/x' })))).toBe(3)
    expect(existsSync(join(root, 'sub'))).toBe(true)
  })
})

test('E1: a path into the outside is answered alike whether something is there or not', async () => {
  const { root } = makeJail()
  const { client } = attack(new SftpServer({ root }))
  const pairs = [
    ['../secret/file', '../secret/nothing'],
    ['relative/file', 'relative/nothing'],
    ['absolute/file', 'absolute/nothing'],
    ['deep/passwd', 'deep/nothing'],
    ['../root2/file', '../root2/nothing'],
    // The name of the root itself must not be there to be guessed.
    ['../root/file', '../toor/file'],
    ['sub/../../root/sub/inner', 'sub/../../toor/sub/inner'],
  ] as const
  for (const [path, other] of pairs) {
    for (const build of [rawPath.bind(undefined, 17), rawPath.bind(undefined, 7), rawPath.bind(undefined, 19)]) {
      const told = async (asked: string) => {
        const reply = await client.ask((id) => build(id, asked))
        return { ...reply, id: 0 }
      }
      expect(await told(path)).toEqual(await told(other))
    }
    expect(await status(client.ask((id) => rawOpen(id, path, read)))).toBe(2)
    expect(await status(client.ask((id) => rawOpen(id, other, read)))).toBe(2)
  }
})

test('E1: a directory beside the root whose name begins alike is outside', async () => {
  const base = temporaryDirectory()
  for (const name of ['a', 'ab']) mkdirSync(join(base, name))
  writeFileSync(join(base, 'ab/secret'), 'secret')
  symlinkSync(join(base, 'ab/secret'), join(base, 'a/link'))
  symlinkSync(join(base, 'ab'), join(base, 'a/b'))
  const { client } = attack(new SftpServer({ root: join(base, 'a') }))
  for (const path of ['../ab/secret', '/../ab/secret', 'link', 'b/secret']) {
    expect(await status(client.ask((id) => rawOpen(id, path, read)))).toBe(2)
  }
})

test('E2: a link swapped in after the path was resolved gives nothing from outside', async () => {
  const { root, base } = makeJail()
  // As if the last step of resolving had been overtaken: the path handed on leads outside.
  class Overtaken extends SftpServer {
    override async mapPath(path: string, followLast: boolean) {
      return path === 'race' ? join(base, 'secret/file') : super.mapPath(path, followLast)
    }
  }
  const { client } = attack(new Overtaken({ root }))
  if (process.platform !== 'linux') return
  expect(await status(client.ask((id) => rawOpen(id, 'race', read)))).toBe(2)
  expect(await status(client.ask((id) => rawOpen(id, 'race', write | create | truncate)))).toBe(2)
  expect(readFileSync(join(base, 'secret/file'), 'utf8')).toBe('secret/file')
})

test('E3: no byte of any reply names the real root, whatever is asked in whatever version', async () => {
  for (const dialect of dialects) {
    const base = temporaryDirectory()
    const root = join(base, 'root')
    for (const name of ['sub', 'full']) mkdirSync(join(root, name), { recursive: true })
    for (const name of ['file', 'full/file']) writeFileSync(join(root, name), 'content')
    symlinkSync(join(root, 'sub'), join(root, 'inside'))
    symlinkSync('../outside', join(root, 'relative'))
    symlinkSync('loop2', join(root, 'loop1'))
    symlinkSync('loop1', join(root, 'loop2'))
    linkSync(join(root, 'file'), join(root, 'hard'))
    const { client, sent } = attack(new SftpServer({ root }), { dialect })
    const paths = [
      '/',
      '.',
      '..',
      'file',
      'file/x',
      'sub',
      'full',
      'inside',
      'relative',
      'nothing',
      'no/x',
      'loop1',
      '~',
      '~root',
    ]
    for (const path of paths) {
      const opened = await client.ask((id) => rawPath(11, id, path))
      const handles = opened.type === 'handle' ? [Buffer.from(opened.handle)] : [Buffer.from('none')]
      for (const handle of [...handles, await client.open('hard', read | write)]) {
        for (const { build } of everyRequest(dialect, { path, newPath: `new${client.replies.length}`, handle })) {
          await client.ask(build)
          await client.ask((id) => rawPath(19, id, `new${client.replies.length - 1}`))
        }
      }
      for (const { build } of everyRequest(dialect, { path: 'file', newPath: path, handle: Buffer.alloc(16) })) {
        await client.ask(build)
        if (!existsSync(join(root, 'file'))) writeFileSync(join(root, 'file'), 'content')
      }
    }
    await client.ask((id) => dialect.requests.extended.encode({ id, request: 'x', payload: Buffer.alloc(0) }))
    expect(client.replies.length).toBeGreaterThan(500)
    expect(client.replies.filter(({ type }) => type === 'status').length).toBeGreaterThan(200)
    const told = asBuffer(concatBytes(sent)).toString('latin1')
    expect(told).not.toContain(base)
    expect(told).not.toContain('/proc/')
  }
})

test('E3: a link that leads out is told as it is stored; the administrator who made it wrote that path', async () => {
  const { root, base } = makeJail()
  const { client } = attack(new SftpServer({ root }))
  const reply = await client.ask((id) => requests.readlink.encode({ id, path: 'absolute' }))
  expect(reply).toMatchObject({ type: 'name', entries: [{ fileName: join(base, 'secret') }] })
})
