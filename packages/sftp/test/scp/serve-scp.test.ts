import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type MemoryChannelOptions, memoryChannelPair } from '@ssh/testkit'
import { describe, expect, onTestFinished, test } from 'vitest'
import { SftpError } from '../../src/errors.js'
import type { SftpAttrs } from '../../src/protocol/attrs.js'
import { parseScpCommand } from '../../src/scp/command.js'
import { RequestedNames } from '../../src/scp/requested-names.js'
import { scpReceive, scpRelay, scpSend } from '../../src/scp/scp.js'
import { type ServeScpOptions, serveScp } from '../../src/scp/serve-scp.js'
import type { SftpHandler } from '../../src/server/handler.js'
import { type MemoryFile, MemoryHandler } from '../../src/server/memory-handler.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { temporaryDirectory } from '../temporary-directory.js'

/** Serves a command, and closes with its end as a program does. */
function serve<F>(
  handler: SftpHandler<F>,
  text: string,
  options: ServeScpOptions & { readonly channel?: MemoryChannelOptions } = {},
) {
  const command = parseScpCommand(text)
  if (command === undefined) throw new Error(`no command: ${text}`)
  const { channel: channelOptions, ...serveOptions } = options
  const [near, far] = memoryChannelPair(channelOptions)
  const status = serveScp(far, handler, command, serveOptions).then((status) => {
    far.close()
    return status
  })
  onTestFinished(() => near.abort())
  return { channel: near, status }
}

/** What a client hears that says all of `text` (latin1) and ends. */
async function hear<F>(handler: SftpHandler<F>, command: string, text: string, options: ServeScpOptions = {}) {
  const { channel, status } = serve(handler, command, options)
  let heard = ''
  channel.attach({
    onData(chunk) {
      heard += Buffer.from(chunk).toString('latin1')
      channel.release(chunk.length)
    },
  })
  channel.write(Buffer.from(text, 'latin1'))
  channel.end()
  return { status: await status, heard }
}

/** A handler that counts what is open, and how often it ended. */
class CountingHandler extends MemoryHandler {
  opened = 0
  closed = 0
  ended = 0

  override open(path: string, flags: number, attrs: SftpAttrs): MemoryFile {
    const file = super.open(path, flags, attrs)
    this.opened++
    return file
  }

  override close(): void {
    this.closed++
  }

  end(): void {
    this.ended++
  }
}

function textOf(handler: MemoryHandler, path: string): string {
  const file = handler.open(path, 1, {})
  const into = new Uint8Array(handler.fstat(file).size ?? 0)
  handler.read(file, into, 0)
  return Buffer.from(into).toString('latin1')
}

function put(handler: MemoryHandler, path: string, text: string, permissions = 0o644): void {
  const file = handler.open(path, 0x1a, { permissions })
  handler.write(file, Buffer.from(text), 0)
}

describe.each([
  ['in memory', () => new MemoryHandler()],
  ['in a jail', () => new SftpServer({ root: temporaryDirectory() })],
] as const)('files %s', (_, make) => {
  test.each([
    ['as they were written', {}],
    ['in single bytes', { chunkSize: 1 }],
    ['later', { schedule: setImmediate }],
    ['through a window of 1000 bytes', { windowSize: 1000 }],
  ] as const)('trees come and go unchanged, %s', async (_, channel) => {
    const handler: SftpHandler<never> = make() as never
    const here = temporaryDirectory()
    mkdirSync(join(here, 'tree/sub dir'), { recursive: true })
    const content = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 251))
    writeFileSync(join(here, "tree/sub dir/it's"), content)
    writeFileSync(join(here, 'tree/empty'), '')
    writeFileSync(join(here, 'tree/ümlaut'), 'ü')
    const up = serve(handler, 'scp -r -p -t new', { channel })
    await scpSend(up.channel, [join(here, 'tree')], 'new', { recurse: true, preserve: true, blockSize: 10_000 })
    expect(await up.status).toBe(0)
    const down = serve(handler, 'scp -r -p -f new', { channel })
    const names = { source: 'new', destination: join(here, 'back') }
    await scpReceive(down.channel, RequestedNames.of('new'), names, { recurse: true, preserve: true })
    expect(await down.status).toBe(0)
    expect(readdirSync(join(here, 'back'), { recursive: true }).sort()).toEqual(
      readdirSync(join(here, 'tree'), { recursive: true }).sort(),
    )
    expect(readFileSync(join(here, "back/sub dir/it's")).equals(content)).toBe(true)
    for (const name of ['', 'empty', 'sub dir']) {
      const [before, after] = [statSync(join(here, 'tree', name)), statSync(join(here, 'back', name))]
      expect([after.mode, Math.floor(after.mtimeMs / 1000)]).toEqual([before.mode, Math.floor(before.mtimeMs / 1000)])
    }
  })

  test('from one to another', async () => {
    const [one, other]: SftpHandler<never>[] = [make() as never, make() as never]
    if (one === undefined || other === undefined) throw new Error('none')
    const here = temporaryDirectory()
    mkdirSync(join(here, 'd'))
    writeFileSync(join(here, 'd/x'), 'x'.repeat(100_000))
    const up = serve(one, 'scp -r -t d')
    await scpSend(up.channel, [join(here, 'd')], 'd', { recurse: true })
    const [from, to] = [serve(one, 'scp -r -f d'), serve(other, 'scp -r -t copy')]
    const names = { source: 'd', destination: 'copy' }
    await scpRelay(from.channel, to.channel, RequestedNames.of('d'), names, { recurse: true })
    expect(await Promise.all([from.status, to.status])).toEqual([0, 0])
    const down = serve(other, 'scp -f copy/x')
    await scpReceive(down.channel, RequestedNames.of('copy/x'), { source: 'copy/x', destination: join(here, 'y') })
    expect(readFileSync(join(here, 'y'), 'utf8')).toBe('x'.repeat(100_000))
  })
})

describe('patterns of a client', () => {
  test.each([
    ['scp -f *.txt', ['a.txt', 'b.txt']],
    ['scp -f ?.txt', ['a.txt', 'b.txt']],
    ['scp -f [!a].*', ['b.txt', 'c.log']],
    ["scp -f '*.txt'", []],
    ['scp -f *.none', []],
    ['scp -f a.txt c.log', ['a.txt', 'c.log']],
    ['scp -f d*/x', ['x']],
    ['scp -f .*', ['.hidden']],
    ['scp -f star\\*', ['star*']],
    ['scp -f {a,b}.txt', []],
  ])('%s', async (command, expected) => {
    const handler = new MemoryHandler()
    for (const name of ['a.txt', 'b.txt', 'c.log', '.hidden', 'star*', 'starred']) put(handler, name, name)
    handler.mkdir('dir', {})
    put(handler, 'dir/x', 'x')
    const { heard } = await hear(handler, command, '\0'.repeat(100))
    const names = [...heard.matchAll(/C0\d{3} \d+ ([^\n]*)\n/g)].map(([, name]) => name)
    expect(names).toEqual(expected)
    if (expected.length === 0) expect(heard).toMatch(/.scp: [^\n]*: No such file or directory\n/)
  })

  test('one that is made to be slow is not', async () => {
    const handler = new MemoryHandler()
    put(handler, 'a'.repeat(250), '')
    const before = process.cpuUsage()
    await hear(handler, `scp -f ${'*a'.repeat(100)}*b ${'{a,b}'.repeat(40)}`, '\0'.repeat(9))
    const { user } = process.cpuUsage(before)
    expect(user / 1000).toBeLessThan(2000)
  })
})

describe('E15: names that a client sends', () => {
  test.each([
    'C0644 1 ../x\n',
    'C0644 1 /x\n',
    'C0644 1 sub/x\n',
    'C0644 1 ..\n',
    'C0644 1 .\n',
    'C0644 1 \n',
    'D0755 0 ..\nC0644 1 ../x\n',
    'D0755 0 ../x\n',
    'D0755 0 .\n',
    'D0755 0 \n',
    'D0755 0 sub/../..\n',
  ])('%j makes nothing outside, and nothing inside', async (records) => {
    const outside = temporaryDirectory()
    const root = join(outside, 'root')
    mkdirSync(join(root, 'in/sub'), { recursive: true })
    const handlers: SftpHandler<never>[] = [
      new SftpServer({ root }) as never,
      new SftpServer({ startDirectory: root }) as never,
    ]
    for (const handler of handlers) {
      const { status, heard } = await hear(handler, 'scp -r -t in', `${records}x\0`)
      expect([status, heard]).toEqual([1, expect.stringMatching(/^\0.scp: [^\n]*unexpected filename\n/)])
      expect(readdirSync(outside, { recursive: true }).sort()).toEqual([
        'root',
        join('root', 'in'),
        join('root', 'in', 'sub'),
      ])
    }
  })

  test('a directory is refused without -r', async () => {
    const handler = new MemoryHandler()
    const { status } = await hear(handler, 'scp -t .', 'D0755 0 d\nE\n')
    expect(status).toBe(1)
    expect([...handler.scandir('/')]).toEqual([])
  })

  test.skipIf(process.platform === 'win32')(
    'nothing is written through links, neither out of a jail nor within',
    async () => {
      const outside = temporaryDirectory()
      const root = join(outside, 'root')
      mkdirSync(join(root, 'in'), { recursive: true })
      writeFileSync(join(outside, 'secret'), 'kept')
      writeFileSync(join(root, 'other'), 'kept')
      symlinkSync(outside, join(root, 'in/dir'))
      symlinkSync(join(outside, 'secret'), join(root, 'in/file'))
      symlinkSync('../other', join(root, 'in/near'))
      const handler = new SftpServer({ root })
      for (const [records, name] of [
        ['C0644 4 file\n', 'file'],
        ['C0644 4 near\n', 'near'],
        ['D0755 0 dir\n', 'dir'],
      ] as const) {
        const { heard, status } = await hear(handler, 'scp -r -t in', records)
        expect([status, heard]).toEqual([1, `\0\x01scp: in/${name}: Too many levels of symbolic links\n`])
      }
      expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('kept')
      expect(readFileSync(join(root, 'other'), 'utf8')).toBe('kept')
      expect(readdirSync(outside).sort()).toEqual(['root', 'secret'])
    },
  )

  test.skipIf(process.platform === 'win32')(
    'a path of the command leads out of a jail no more than one of SFTP does',
    async () => {
      const outside = temporaryDirectory()
      const root = join(outside, 'root')
      mkdirSync(root)
      writeFileSync(join(outside, 'secret'), 'secret')
      symlinkSync(outside, join(root, 'out'))
      symlinkSync('/etc/passwd', join(root, 'passwd'))
      for (const path of ['../secret', '/../secret', 'out/secret', 'passwd', `${outside}/secret`, '*/secret', '../*']) {
        const { status, heard } = await hear(new SftpServer({ root }), `scp -r -f ${path}`, '\0'.repeat(50))
        expect([path, status]).toEqual([path, path === '../*' ? expect.anything() : 1])
        expect(heard).not.toMatch(/secret\n?\0|root:/)
        expect(heard.replaceAll(`${outside}/secret:`, '')).not.toContain(outside)
      }
      for (const path of ['../x', 'out/x']) {
        await hear(new SftpServer({ root }), `scp -t ${path}`, 'C0644 1 x\nx\0')
        expect(existsSync(join(outside, 'x'))).toBe(false)
      }
    },
  )
})

describe('what a handler refuses', () => {
  test('is told, and the rest goes on', async () => {
    class Picky extends MemoryHandler {
      override open(path: string, flags: number, attrs: SftpAttrs): MemoryFile {
        if (path.endsWith('bad')) throw new SftpError('EACCES', 'not for you: /real/path', { path: '/real/path' })
        if (path.endsWith('odd')) throw new Error('secret of /real/path')
        return super.open(path, flags, attrs)
      }
    }
    const handler = new Picky()
    const { status, heard } = await hear(handler, 'scp -t /', 'C0644 1 bad\nC0644 1 odd\nC0644 1 good\nx\0')
    expect([status, heard]).toEqual([1, '\0\x01scp: /bad: Permission denied\n\x01scp: /odd: Failure\n\0\0'])
    expect(textOf(handler, 'good')).toBe('x')
  })

  test('a limit that is met in the middle of a file is told at its end, and the file goes', async () => {
    const handler = new MemoryHandler({ maximumFileSize: 10 })
    const { status, heard } = await hear(handler, 'scp -t /', `C0644 20 x\n${'x'.repeat(20)}\0C0644 1 y\ny\0`)
    expect([status, heard]).toEqual([1, '\0\0\x01scp: /x: File too large\n\0\0'])
    expect([...handler.scandir('/')].map(({ fileName }) => fileName)).toEqual(['y'])
  })

  test('a server that is read-only takes nothing and gives everything', async () => {
    const handler = new MemoryHandler()
    put(handler, 'x', 'old')
    const taken = await hear(handler, 'scp -t x', 'C0644 3 x\nnew\0', { readOnly: true })
    expect(taken).toEqual({ status: 1, heard: '\x02scp: x: Read-only file system\n' })
    const given = await hear(handler, 'scp -f x', '\0\0\0', { readOnly: true })
    expect(given).toEqual({ status: 0, heard: 'C0644 3 x\nold\0' })
  })

  test('a target that is no directory is refused with -d, before anything is asked', async () => {
    const handler = new MemoryHandler()
    put(handler, 'x', '')
    for (const [path, reason] of [
      ['x', 'Not a directory'],
      ['none', 'No such file or directory'],
      ['none/', 'No such file or directory'],
    ]) {
      const flag = path === 'none/' ? '' : '-d '
      expect(await hear(handler, `scp ${flag}-t ${path}`, '')).toEqual({
        status: 1,
        heard: `\x02scp: ${path}: ${reason}\n`,
      })
    }
  })

  test('set-user-ID bits stay out, with -p too, as the mode mask says', async () => {
    const root = temporaryDirectory()
    await hear(new SftpServer({ root }), 'scp -p -t .', 'C6777 1 x\nx\0')
    await hear(new SftpServer({ root }), 'scp -t .', 'C6777 1 y\nx\0')
    expect(statSync(join(root, 'x')).mode & 0o7000).toBe(0)
    expect(statSync(join(root, 'y')).mode & 0o7000).toBe(0)
  })
})

describe('a client that goes away', () => {
  const upload = 'T1 0 1 0\nD0755 0 d\nT1 0 1 0\nC0644 5 x\nhello\0C0644 2 y\nyy\0E\n'

  test.each(['end', 'abort'] as const)(
    'at any byte (%s): every file is closed, and none is half there',
    async (how) => {
      for (let length = 0; length < upload.length; length++) {
        const handler = new CountingHandler()
        const { channel, status } = serve(handler, 'scp -r -p -t /')
        channel.attach({})
        channel.write(Buffer.from(upload.slice(0, length), 'latin1'))
        if (how === 'end') channel.end()
        else channel.abort()
        await status
        expect([length, handler.opened, handler.ended]).toEqual([length, handler.closed, 1])
        const left = [...handler.scandir('/')].length === 0 ? [] : [...handler.scandir('/d')]
        for (const { fileName, attrs } of left)
          expect([length, fileName, attrs.size]).toEqual([length, fileName, fileName === 'x' ? 5 : 2])
      }
      const handler = new CountingHandler()
      expect((await hear(handler, 'scp -r -p -t /', upload)).status).toBe(0)
    },
  )

  test('while it is sent something: the file is closed', async () => {
    for (let answers = 0; answers < 4; answers++) {
      const handler = new CountingHandler()
      put(handler, 'x', 'x'.repeat(3_000_000))
      const opened = handler.opened
      const { channel, status } = serve(handler, 'scp -f x')
      channel.attach({ onData: () => {} })
      channel.write(Buffer.alloc(answers))
      await new Promise((resolve) => setImmediate(resolve))
      channel.abort()
      expect(await status).toBe(1)
      expect([handler.opened - opened, handler.ended]).toEqual([handler.closed, 1])
    }
  })

  test('a listing is not walked on for nobody', async () => {
    let listed = 0
    // Of what is listed nothing can be opened, so no answer is waited for.
    class Endless extends SftpServer {
      override async *scandir() {
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve))
          yield { fileName: `f${listed++}`, attrs: { permissions: 0o100644, size: 0 } }
        }
      }
      override async stat() {
        return { permissions: 0o40755 }
      }
    }
    const { channel, status } = serve(new Endless({ root: temporaryDirectory() }), 'scp -r -f d')
    channel.attach({ onData: (chunk) => channel.release(chunk.length) })
    channel.write(Buffer.alloc(2))
    await new Promise((resolve) => setImmediate(resolve))
    channel.abort()
    expect(await status).toBe(1)
    expect(listed).toBeLessThan(1000)
  })
})

test('a client that breaks the protocol is told, and nothing goes on', async () => {
  const handler = new MemoryHandler()
  for (const text of [
    'hello\n',
    'E\n',
    `C0644 ${'9'.repeat(20)} x\n`,
    `C0644 1 ${'x'.repeat(9000)}\n`,
    'C0644 1 x\nx\x07no\n',
  ]) {
    const { status, heard } = await hear(handler, 'scp -r -t /', text)
    expect([status, heard]).toEqual([1, expect.stringMatching(/.scp: [^\n]*\n$/)])
  }
  expect([...handler.scandir('/')]).toEqual([])
})

test('unknown options are refused by name', () => {
  const [channel] = memoryChannelPair()
  const command = parseScpCommand('scp -t x')
  if (command === undefined) throw new Error('none')
  expect(() => serveScp(channel, new MemoryHandler(), command, { readonly: true } as never)).toThrow(/readOnly/)
})

test('options that make no sense are refused before anything is said', async () => {
  const refused = async (options: object) => {
    const { channel, status } = serve(new MemoryHandler(), 'scp -t x')
    const failure = await scpSend(channel, [], 'x', options).catch((error) => error.code)
    channel.abort()
    await status
    return failure
  }
  expect(await refused({ blockSize: 0 })).toBe('EINVAL')
  expect(await refused({ blockSize: 1.5 })).toBe('EINVAL')
  expect(await refused({ recursive: true })).toBe('ERR_SSH_OPTIONS_INVALID')
})
