import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { processorTimeMs } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { RequestedNames } from '../../src/scp/requested-names.js'
import { scpReceive } from '../../src/scp/scp.js'
import type { ScpSinkOptions } from '../../src/scp/scp-options.js'
import { temporaryDirectory } from '../temporary-directory.js'
import { answering, type ScriptedScp, saying } from './scripted-scp.js'

/** What `ls -lR` would show: names, types, modes, and contents of files. */
function picture(root: string): unknown {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stats = lstatSync(join(root, name))
      return [name, stats.mode, stats.isFile() ? readFileSync(join(root, name), 'utf8') : '', stats.mtimeMs]
    })
}

/** Receives what was asked for at `path` into `destination`. */
function receive(peer: ScriptedScp, path: string, destination: string, options: ScpSinkOptions = {}): Promise<void> {
  return scpReceive(peer.channel, RequestedNames.of(path), { source: path, destination }, options)
}

/** Says one thing after another, each when the one before was answered, and ends. */
function inTurn(...lines: readonly string[]): ScriptedScp {
  const left = [...lines]
  return answering((heard, far) => {
    if (!/[\0\n]$/.test(heard)) return undefined
    const next = left.shift()
    if (next === undefined) far.end()
    return next ?? ''
  })
}

/** A target with something in it, and a place beside it where nothing may change. */
function targetBeside() {
  const root = temporaryDirectory()
  const target = join(root, 'target')
  mkdirSync(target, { mode: 0o750 })
  mkdirSync(join(root, 'rootpathdir'))
  mkdirSync(join(root, 'dotpathdir'))
  writeFileSync(join(root, 'beside'), 'untouched')
  return { root, target }
}

const far = '../'.repeat(12)

describe('F3: what servers try that were caught at it (the modes of regress/scp-ssh-wrapper.sh of OpenSSH)', () => {
  const modes: [name: string, said: (root: string) => string][] = [
    ['badserver_0: an absolute directory', (root) => `D0755 0 ${root}/rootpathdir\nC755 2 rootpathfile\nX\n`],
    ['badserver_1: a directory far above', (root) => `D0755 0 ${far}${root}/dotpathdir\nC755 2 file\nX\n`],
    ['badserver_2: the same once more', (root) => `D0755 0 ${far}${root}/dotpathdir\nC755 2 file\nX\n`],
    [
      'badserver_3: the way there, one directory after another',
      (root) =>
        `${`${far}${root}/dotpathdir`
          .split('/')
          .filter(Boolean)
          .map((part) => `D0755 0 ${part}\n`)
          .join('')}C755 2 file\nX\n`,
    ],
    [
      'badserver_4: the same, and up again',
      (root) =>
        `${`${root}/dotpathdir`
          .split('/')
          .filter(Boolean)
          .map((part) => `D0755 0 ${part}\n`)
          .join('')}D0755 0 ..\nC755 2 file\nX\n`,
    ],
    ['badserver_5: a directory without a name', () => 'D0555 0 \nX\n'],
    ['badserver_6: a directory named dot', () => 'D0555 0 .\nX\n'],
    ['badserver_7: a file that nobody asked for', () => 'C0755 2 extrafile\nX\n'],
  ]

  describe.each(modes)('%s', (_, said) => {
    test.each([
      ['of a file', 'file', {}],
      ['of a tree', 'data', { recurse: true }],
      ['of a tree that is preserved', 'data', { recurse: true, preserve: true }],
      ['of a tree, whatever the errors', 'data', { recurse: true, onError: () => {} }],
    ] as const)('gets nowhere when asked for a copy %s', async (_, path, options) => {
      const { root, target } = targetBeside()
      const before = picture(root)
      await expect(receive(saying(said(root)), path, target, options)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_SFTP_(UNREQUESTED|PROTOCOL)$/),
      })
      expect(picture(root)).toEqual(before)
      expect(statSync(target).mode & 0o777).toBe(0o750)
    })
  })
})

describe('F1: names', () => {
  test.each(['../x', 'a/b', '/x', '', '.', '..', 'a\0b', './x', '/', '..\\x', 'a\\b'])(
    'of a directory that holds %j, nothing else is made',
    async (name) => {
      const { root, target } = targetBeside()
      const errors: unknown[] = []
      // Takes a no for an answer, and goes on.
      const polite = inTurn('D0755 0 tree\n', `C0644 1 ${name}\n`, 'C0644 1 good\n', 'x\0', 'E\n')
      await receive(polite, 'tree', target, { recurse: true, onError: (error) => errors.push(error) })
      expect(errors).toMatchObject([{ code: 'ERR_SFTP_UNSAFE_NAME' }])
      expect(readdirSync(root).sort()).toEqual(['beside', 'dotpathdir', 'rootpathdir', 'target'])
      expect(readdirSync(target, { recursive: true }).sort()).toEqual(['tree', join('tree', 'good')])
    },
  )
})

describe('F3: only what was asked for', () => {
  test.each([
    ['name', 'other'],
    ['dir/name', 'dir'],
    ['*.txt', 'a.log'],
    ['*', '.bashrc'],
    ['dir*/x', 'y'],
    ['a?', 'abc'],
    ['[ab]', 'c'],
    ['file\\*', 'fileX'],
  ])('asked for %s, %s is refused', async (path, name) => {
    const target = temporaryDirectory()
    await expect(receive(inTurn(`C0644 1 ${name}\n`, 'x\0'), path, target)).rejects.toMatchObject({
      code: 'ERR_SFTP_UNREQUESTED',
      details: { name },
    })
    expect(readdirSync(target)).toEqual([])
  })

  test.each([
    ['name', 'name'],
    ['dir/name/', 'name'],
    ['*.txt', 'a.txt'],
    ['.*', '.bashrc'],
    ['dir*/x', 'x'],
    ['file\\*', 'file*'],
    ['file[1].txt', 'file1.txt'],
    // A shell leaves a pattern as it is when nothing matches.
    ['file[1].txt', 'file[1].txt'],
    ['~', 'whoever'],
  ])('asked for %s, %s is taken', async (path, name) => {
    const target = temporaryDirectory()
    await receive(inTurn(`C0644 1 ${name}\n`, 'x\0'), path, target)
    expect(readdirSync(target)).toEqual([name])
  })

  test('a name that was asked for is taken once', async () => {
    const target = temporaryDirectory()
    const twice = inTurn('C0644 1 name\n', 'x\0', 'C0644 1 name\n', 'y\0')
    await expect(receive(twice, 'name', target)).rejects.toMatchObject({ code: 'ERR_SFTP_UNREQUESTED' })
    expect(readFileSync(join(target, 'name'), 'utf8')).toBe('x')
  })

  test('of two matches with one name the second replaces nothing', async () => {
    const target = temporaryDirectory()
    const errors: Error[] = []
    const twice = inTurn('C0644 1 name\n', 'x\0', 'C0644 1 name\n')
    await receive(twice, '*/name', target, { onError: (error) => errors.push(error) })
    expect(errors).toMatchObject([{ code: 'EEXIST' }])
    expect(readFileSync(join(target, 'name'), 'utf8')).toBe('x')
  })

  test('no directory is taken when only files were asked for', async () => {
    const target = temporaryDirectory()
    await expect(receive(saying('D0755 0 name\nE\n'), 'name', target)).rejects.toMatchObject({
      code: 'ERR_SFTP_UNREQUESTED',
    })
    expect(readdirSync(target)).toEqual([])
  })

  test('the contents of a directory without a name are taken, and its mode is not', async () => {
    const target = temporaryDirectory()
    chmodSync(target, 0o750)
    const said = ['T1 0 1 0\n', 'D0777 0 .\n', 'C0644 1 x\n', 'x\0', 'E\n']
    await receive(inTurn(...said), 'dir/.', target, { recurse: true, preserve: true })
    expect(readdirSync(target)).toEqual(['x'])
    expect(statSync(target).mode & 0o777).toBe(0o750)
    expect(statSync(target).mtimeMs).toBeGreaterThan(1e12)
  })

  test('a server that sends nothing, and says nothing, has not sent what was asked for', async () => {
    await expect(receive(saying(''), 'name', temporaryDirectory())).rejects.toMatchObject({
      code: 'ERR_SFTP_CONNECTION_LOST',
    })
  })
})

describe.skipIf(process.platform === 'win32')('F2: links', () => {
  test.each([
    ['a file', ['D0755 0 tree\n', 'C0644 4 link\n', 'evil\0', 'E\n']],
    ['a directory', ['D0755 0 tree\n', 'D0755 0 link\n', 'C0644 4 x\n', 'evil\0', 'E\n', 'E\n']],
  ])('nothing is written through one that stands in place of %s', async (_, said) => {
    const { root, target } = targetBeside()
    mkdirSync(join(target, 'tree'))
    symlinkSync(join(root, said.length > 4 ? 'dotpathdir' : 'beside'), join(target, 'tree', 'link'))
    const before = picture(join(root, 'dotpathdir'))
    await expect(receive(inTurn(...said), 'tree', target, { recurse: true })).rejects.toMatchObject({ code: 'ELOOP' })
    expect(readFileSync(join(root, 'beside'), 'utf8')).toBe('untouched')
    expect(picture(join(root, 'dotpathdir'))).toEqual(before)
  })

  test('a pattern does not make one be followed', async () => {
    const { root, target } = targetBeside()
    symlinkSync(join(root, 'beside'), join(target, 'link'))
    await expect(receive(inTurn('C0644 4 link\n', 'evil\0'), 'l*', target)).rejects.toMatchObject({ code: 'ELOOP' })
    expect(readFileSync(join(root, 'beside'), 'utf8')).toBe('untouched')
  })

  test('one that the caller named is', async () => {
    const { root, target } = targetBeside()
    symlinkSync(join(root, 'beside'), join(target, 'link'))
    await receive(inTurn('C0644 3 link\n', 'new\0'), 'link', target)
    expect(readFileSync(join(root, 'beside'), 'utf8')).toBe('new')
  })
})

describe.skipIf(process.platform === 'win32')('F4, F11, F14: modes', () => {
  const umask = process.umask()

  test('set-user-ID and its kin come only with preserve', async () => {
    const target = temporaryDirectory()
    await receive(inTurn('C6755 1 s\n', 'x\0'), 's', join(target, 'plain'))
    await receive(inTurn('C6755 1 s\n', 'x\0'), 's', join(target, 'kept'), { preserve: true })
    expect(statSync(join(target, 'plain')).mode & 0o7777).toBe(0o755 & ~umask)
    expect(statSync(join(target, 'kept')).mode & 0o7777).toBe(0o6755)
  })

  test('a private file is private from its first moment', async () => {
    const target = temporaryDirectory()
    const modes: number[] = []
    for (const preserve of [false, true]) {
      const name = `f${preserve}`
      const peer = answering((heard, end) => {
        if (heard === '\0' && modes.length === Number(preserve)) {
          if (!existsSync(join(target, name))) return `C0600 1 ${name}\n`
          modes.push(statSync(join(target, name)).mode & 0o777)
          return 'x\0'
        }
        end.end()
        return ''
      })
      await receive(peer, name, target, { preserve })
    }
    expect(modes).toEqual([0o600, 0o600])
  })

  test('a file that will be public is private until it is whole, with preserve', async () => {
    const target = temporaryDirectory()
    const modes: number[] = []
    const peer = answering((_, end) => {
      if (!existsSync(join(target, 'f'))) return 'C0666 1 f\n'
      modes.push(statSync(join(target, 'f')).mode & 0o777)
      if (modes.length === 1) return 'x\0'
      end.end()
      return ''
    })
    await receive(peer, 'f', target, { preserve: true })
    expect(modes).toEqual([0o600, 0o666])
  })

  test('a directory that cannot be written into is filled first', async () => {
    const target = temporaryDirectory()
    await receive(inTurn('D0555 0 d\n', 'C0444 1 x\n', 'x\0', 'E\n'), 'd', target, { recurse: true })
    expect(statSync(join(target, 'd')).mode & 0o777).toBe(0o555 & ~umask)
    expect(statSync(join(target, 'd/x')).mode & 0o777).toBe(0o444 & ~umask)
    chmodSync(join(target, 'd'), 0o755)
  })

  test('a directory that was there keeps its mode', async () => {
    const target = temporaryDirectory()
    mkdirSync(join(target, 'd'), { mode: 0o700 })
    await receive(inTurn('D0777 0 d\n', 'E\n'), 'd', target, { recurse: true })
    expect(statSync(join(target, 'd')).mode & 0o777).toBe(0o700)
  })

  test('times come with preserve, for directories too', async () => {
    const target = temporaryDirectory()
    const said = [
      'T1500000000 0 1400000000 0\n',
      'D0750 0 d\n',
      'T1300000000 0 1200000000 0\n',
      'C0640 1 x\n',
      'x\0',
      'E\n',
    ]
    await receive(inTurn(...said), 'd', target, { recurse: true, preserve: true })
    expect(statSync(join(target, 'd'))).toMatchObject({ mtimeMs: 1.5e12, atimeMs: 1.4e12 })
    expect(statSync(join(target, 'd/x'))).toMatchObject({ mtimeMs: 1.3e12, atimeMs: 1.2e12 })
    await receive(inTurn(...said), 'd', target, { recurse: true })
  })
})

describe('F5: a source that stops, lies, or is cut off', () => {
  const whole = 'D0755 0 d\nT1 0 1 0\nC0644 5 a\nhello\0C0644 0 b\n\0E\n'

  test.each([1, 7, 1000])(
    'cut at any byte, nothing half is left and the error is typed (chunks of %i)',
    async (chunkSize) => {
      for (let end = 0; end < whole.length; end++) {
        const target = temporaryDirectory()
        const failure = await receive(saying(whole.slice(0, end), { chunkSize }), 'd', target, { recurse: true }).then(
          () => undefined,
          (error) => error,
        )
        expect([end, failure?.code]).toEqual([end, 'ERR_SFTP_CONNECTION_LOST'])
        const a = join(target, 'd/a')
        if (existsSync(a)) expect([end, readFileSync(a, 'utf8')]).toEqual([end, 'hello'])
      }
      const target = temporaryDirectory()
      await receive(saying(whole, { chunkSize }), 'd', target, { recurse: true })
      expect(readdirSync(join(target, 'd'))).toEqual(['a', 'b'])
    },
  )

  test('aborted at any byte, likewise', async () => {
    for (let end = 0; end < whole.length; end++) {
      const target = temporaryDirectory()
      const peer = saying(whole.slice(0, end), { stays: true })
      const received = receive(peer, 'd', target, { recurse: true })
      // Everything that was said has been taken by the time that a macrotask runs.
      await new Promise((resolve) => setImmediate(resolve))
      peer.far.abort(new Error('gone'))
      await expect(received).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
    }
  })

  test('a signal ends it wherever it waits, and removes half a file', async () => {
    for (const end of [0, 8, 25, 32, 35, 38]) {
      const target = temporaryDirectory()
      const abort = new AbortController()
      const peer = saying(whole.slice(0, end), { stays: true })
      const received = receive(peer, 'd', target, { recurse: true, signal: abort.signal })
      await new Promise((resolve) => setImmediate(resolve))
      abort.abort()
      await expect(received).rejects.toMatchObject({ code: 'ABORT_ERR' })
      expect(peer.channel.isClosed).toBe(true)
      if (existsSync(join(target, 'd/a'))) expect(readFileSync(join(target, 'd/a'), 'utf8')).toBe('hello')
    }
  })

  test('a size of 8 PiB takes no memory and no disk', async () => {
    const target = temporaryDirectory()
    const before = process.memoryUsage.rss()
    await expect(receive(saying(`C0644 ${2 ** 53 - 1} x\nabc`), 'x', target)).rejects.toMatchObject({
      code: 'ERR_SFTP_CONNECTION_LOST',
    })
    expect(readdirSync(target)).toEqual([])
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6)
  })

  test('more bytes than were announced are no answer', async () => {
    const target = temporaryDirectory()
    await expect(receive(saying('C0644 1 x\nxyz\n\0'), 'x', target)).rejects.toMatchObject({
      code: 'ERR_SFTP_PROTOCOL',
    })
    expect(readdirSync(target)).toEqual([])
  })

  test('a file that its sender says is not right does not stay', async () => {
    const target = temporaryDirectory()
    const peer = inTurn('C0644 3 x\n', 'abc\x01scp: x: Input/output error\n')
    await expect(receive(peer, 'x', target)).rejects.toMatchObject({
      code: 'EIO',
      srcpath: 'x',
      dstpath: join(target, 'x'),
    })
    expect(readdirSync(target)).toEqual([])
  })

  test('a line without end is refused at a bound', async () => {
    for (const line of [`C0644 1 ${'x'.repeat(20_000)}`, `\x01${'y'.repeat(20_000)}`, 'z'.repeat(20_000)]) {
      await expect(receive(saying(line, { stays: true }), 'x', temporaryDirectory())).rejects.toMatchObject({
        code: 'ERR_SFTP_PROTOCOL',
      })
    }
  })

  test('a tree without bottom is refused at a bound', async () => {
    const target = temporaryDirectory()
    const deep = 'D0755 0 d\n'.repeat(200)
    const errors: Error[] = []
    await receive(saying(deep), 'd', target, { recurse: true, onError: (error) => errors.push(error) }).catch(() => {})
    expect(errors[0]).toMatchObject({ code: 'ELOOP' })
  })

  test('an end without a beginning breaks the protocol', async () => {
    await expect(receive(saying('E\n'), 'x', temporaryDirectory(), { recurse: true })).rejects.toMatchObject({
      code: 'ERR_SFTP_PROTOCOL',
    })
  })

  test('text of a login script is said to be that', async () => {
    await expect(receive(saying('Welcome to the machine\nC0644 1 x\nx\0'), 'x', temporaryDirectory())).rejects.toThrow(
      /start-up file/,
    )
  })

  test('a window is not released before its bytes are taken', async () => {
    const peer = saying('', { stays: true, windowSize: 64 * 1024 })
    const received = receive(peer, 'x', temporaryDirectory())
    peer.far.write(Buffer.from('C0644 100000000 x\n'))
    for (let round = 0; round < 100; round++) {
      peer.far.write(Buffer.alloc(64 * 1024))
      expect(peer.channel.unreleased).toBeLessThanOrEqual(64 * 1024)
      await new Promise((resolve) => setImmediate(resolve))
    }
    peer.far.abort()
    await expect(received).rejects.toMatchObject({ code: 'ERR_SFTP_CONNECTION_LOST' })
  })
})

describe('what is there already', () => {
  test('a longer file is cut to what came', async () => {
    const target = temporaryDirectory()
    writeFileSync(join(target, 'x'), 'something longer')
    await receive(inTurn('C0644 3 x\n', 'new\0'), 'x', target)
    expect(readFileSync(join(target, 'x'), 'utf8')).toBe('new')
  })

  test('a destination that is no directory is said to be none before anything comes', async () => {
    const target = temporaryDirectory()
    writeFileSync(join(target, 'f'), '')
    const into = (destination: string) =>
      receive(saying('', { stays: true }), 'x', destination, { intoDirectory: true })
    await expect(into(join(target, 'f'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(receive(saying('', { stays: true }), 'x', join(target, 'none/'))).rejects.toMatchObject({
      code: 'ENOENT',
    })
  })

  test('a file stays in the way of a directory, and a directory in the way of a file', async () => {
    const target = temporaryDirectory()
    writeFileSync(join(target, 'f'), 'kept')
    mkdirSync(join(target, 'd/d'), { recursive: true })
    const directory = receive(inTurn('D0755 0 f\n'), 'f', target, { recurse: true })
    await expect(directory).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(receive(inTurn('C0644 1 d\n'), 'd', target)).rejects.toMatchObject({ code: 'EISDIR' })
    expect(readFileSync(join(target, 'f'), 'utf8')).toBe('kept')
  })
})

test('single bytes in great number cost neither memory nor time out of proportion', async () => {
  const target = temporaryDirectory()
  const size = 50_000
  const spent = await processorTimeMs(() =>
    receive(saying(`C0644 ${size} x\n${'a'.repeat(size)}\0`, { chunkSize: 1 }), 'x', target),
  )
  expect(statSync(join(target, 'x')).size).toBe(size)
  expect(spent).toBeLessThan(10_000)
})
