/** One contract for both ways to lock a client into a directory: by descriptors, and by looking at paths. */

import * as fs from 'node:fs'
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DescriptorJail } from '../../../src/server/local/descriptor-jail.js'
import { hasPlaces } from '../../../src/server/local/descriptors.js'
import type { LocalTree } from '../../../src/server/local/local-tree.js'
import { PathJail } from '../../../src/server/local/path-jail.js'
import { heapAfterCollection } from '../../heap.js'
import { openDescriptors } from '../../open-descriptors.js'
import { temporaryDirectory } from '../../temporary-directory.js'

const { O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants

const jails: readonly (readonly [string, boolean, (root: string) => LocalTree])[] = [
  ['by descriptors', hasPlaces(), (root) => new DescriptorJail(root)],
  ['by paths', process.platform !== 'win32', (root) => new PathJail(root)],
]

function makeTree() {
  const base = temporaryDirectory()
  for (const name of ['root/a/b', 'secret']) mkdirSync(join(base, name), { recursive: true })
  for (const name of ['root/file', 'root/a/b/deep', 'secret/file']) writeFileSync(join(base, name), name)
  const root = join(base, 'root')
  const link = (target: string, name: string) => symlinkSync(target, join(root, name))
  link('a/b', 'toB')
  link('.', 'here')
  link('a/..', 'around')
  link('..', 'a/up')
  link('/file', 'absolute')
  link(join(root, 'a'), 'real')
  link('../../../../secret/file', 'escape')
  link(join(base, 'secret'), 'out')
  link('loop2', 'loop1')
  link('loop1', 'loop2')
  link('nothing', 'dangling')
  link('/a/new', 'toNew')
  return { base, root }
}

describe.each(jails.filter(([, works]) => works))('a jail %s', (_name, _works, make) => {
  test.each([
    ['/', '/'],
    ['', '/'],
    ['/a/b', '/a/b'],
    ['/a/../a/./b//', '/a/b'],
    ['/toB/deep', '/a/b/deep'],
    ['/toB/..', '/a'],
    ['/here', '/'],
    ['/here/here/a', '/a'],
    ['/around/file', '/file'],
    ['/a/up/file', '/file'],
    ['/a/up/../../..', '/'],
    ['/absolute', '/file'],
    ['/real/b', '/a/b'],
    ['/escape', '/secret/file'],
    ['/dangling', '/nothing'],
    ['/nothing', '/nothing'],
    ['/../../file', '/file'],
  ])('%j is %j', async (path, canonical) => {
    const { root } = makeTree()
    // What a link out of the jail would name does not exist inside: its parent must, for a path to be canonical.
    if (canonical.startsWith('/secret')) mkdirSync(join(root, 'secret'))
    const tree = make(root)
    expect(tree.toVirtual(await tree.canonical(path))).toBe(canonical)
    tree.end()
  })

  test.each([
    ['/nothing/x', 'ENOENT'],
    ['/file/x', 'ENOTDIR'],
    ['/absolute/x', 'ENOTDIR'],
    ['/loop1', 'ELOOP'],
    ['/loop1/x', 'ELOOP'],
    ['/out/file', 'ENOENT'],
    ['/escape/x', 'ENOENT'],
    ['/dangling/x', 'ENOENT'],
    [`/${'x/'.repeat(3000)}`, 'ENAMETOOLONG'],
  ])('%j is %s', async (path, code) => {
    const tree = make(makeTree().root)
    await expect(tree.canonical(path)).rejects.toMatchObject({ code })
    tree.end()
  })

  test('a link at the end is the entry itself, unless a slash follows it', async () => {
    const tree = make(makeTree().root)
    const isLink = (path: string) => tree.withEntry(path, async ({ path: local }) => lstatSync(local).isSymbolicLink())
    expect(await isLink('/toB')).toBe(true)
    expect(await isLink('/toB/')).toBe(false)
    expect(await isLink('/real/../toB')).toBe(true)
    expect((await tree.stat('/toB', false)).isDirectory()).toBe(true)
    tree.end()
  })

  test('the root knows that it is, by whichever way it is named', async () => {
    const tree = make(makeTree().root)
    for (const path of ['/', '', '/.', '/..', '/a/..', '/a/b/../..', '/here/', '/a/up/']) {
      expect([path, await tree.withEntry(path, async ({ isRoot }) => isRoot)]).toEqual([path, true])
    }
    expect(await tree.withEntry('/a', async ({ isRoot }) => isRoot)).toBe(false)
    tree.end()
  })

  test('opens through links inside, makes files where they lead, and nothing outside', async () => {
    const { base, root } = makeTree()
    const tree = make(root)
    const open = async (path: string, flags: number, followLast = true) => {
      fs.closeSync(await tree.open(path, flags, 0o644, followLast))
    }
    await open('/toNew', O_WRONLY | O_CREAT)
    expect(statSync(join(root, 'a/new')).isFile()).toBe(true)
    await open('/absolute', O_RDWR | O_TRUNC)
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('')
    await expect(open('/absolute', O_RDONLY, false)).rejects.toMatchObject({ code: 'ELOOP' })
    await expect(open('/escape', O_RDONLY)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(open('/escape', O_WRONLY | O_CREAT | O_TRUNC)).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(open('/loop1', O_WRONLY | O_CREAT)).rejects.toMatchObject({ code: 'ELOOP' })
    expect(readFileSync(join(base, 'secret/file'), 'utf8')).toBe('secret/file')
    tree.end()
  })

  test('changes the target of a link, and not what has no right to be reached', async () => {
    const { base, root } = makeTree()
    const tree = make(root)
    await tree.withTarget('/absolute', (local) => fsp.chmod(local, 0o600))
    expect(statSync(join(root, 'file')).mode & 0o777).toBe(0o600)
    await expect(tree.withTarget('/escape', (local) => fsp.chmod(local, 0o777))).rejects.toMatchObject({
      code: 'ENOENT',
    })
    expect(statSync(join(base, 'secret/file')).mode & 0o777).not.toBe(0o777)
    await expect(tree.withTarget('/loop1', async () => {})).rejects.toMatchObject({ code: 'ELOOP' })
    tree.end()
  })

  test('lists a directory that a link leads to, and only a directory', async () => {
    const tree = make(makeTree().root)
    const directory = await tree.openDirectory('/toB')
    expect(fs.readdirSync(directory.path)).toEqual(['deep'])
    expect(lstatSync(directory.entry('deep')).isFile()).toBe(true)
    directory.close()
    tree.end()
  })

  test('a directory that may be entered and not read is walked through, by a user who has given up his rights', async () => {
    const { base, root } = makeTree()
    const isRoot = process.geteuid?.() === 0
    chmodSync(base, 0o755)
    chmodSync(join(root, 'a'), 0o311)
    const tree = make(root)
    // Giving up rights changes who may look at /proc/self; see proc(5), dumpable.
    if (isRoot) process.seteuid?.(65_534)
    try {
      expect((await tree.stat('/a/b/deep', false)).isFile()).toBe(true)
      fs.closeSync(await tree.open('/toB/deep', O_RDONLY, 0, true))
      const directory = await tree.openDirectory('/a')
      await expect(fsp.readdir(directory.path)).rejects.toMatchObject({ code: 'EACCES' })
      directory.close()
    } finally {
      if (isRoot) process.seteuid?.(0)
      chmodSync(join(root, 'a'), 0o755)
      tree.end()
    }
  })

  test('names of any bytes are walked through', async () => {
    const { root } = makeTree()
    const name = Buffer.from([0xff, 0x41])
    fs.mkdirSync(Buffer.concat([Buffer.from(`${root}/`), name]))
    fs.writeFileSync(Buffer.concat([Buffer.from(`${root}/`), name, Buffer.from('/x')]), '')
    const tree = make(root)
    expect((await tree.stat('/\udcffA/x', false)).isFile()).toBe(true)
    tree.end()
  })

  test('leaves no descriptor open, whatever happens', async () => {
    const { root } = makeTree()
    const before = openDescriptors()
    const tree = make(root)
    const paths = [
      '/',
      '/a/b/deep',
      '/toB/deep',
      '/nothing/x',
      '/file/x',
      '/loop1',
      '/escape',
      '/a/../a/../a/b',
      '/here/',
    ]
    const failing = async (): Promise<never> => {
      throw new Error('the task failed')
    }
    const works = paths.flatMap((path) => [
      tree.stat(path, false),
      tree.canonical(path),
      tree.withEntry(path, failing),
      tree.withTarget(path, failing),
      tree.openDirectory(path).then((directory) => directory.close()),
      tree.open(path, O_RDONLY, 0, true).then((fd) => fs.closeSync(fd)),
    ])
    // Ends while everything is under way: what is used is closed after its use.
    tree.end()
    await Promise.allSettled(works)
    expect(openDescriptors()).toBe(before)
    // And may be used again.
    expect((await tree.stat('/file', false)).isFile()).toBe(true)
    tree.end()
    await expect.poll(openDescriptors).toBe(before)
  })

  test('a path that goes up and down for ever is given up', async () => {
    const { root } = makeTree()
    for (let depth = 0, at = root; depth < 40; depth++) mkdirSync((at = join(at, 'd')))
    symlinkSync(`${'d/'.repeat(30)}${'../'.repeat(30)}${'d/'.repeat(30)}x`, join(root, 'x'))
    const tree = make(root)
    const before = process.cpuUsage()
    await expect(
      tree.stat(`/${'d/../'.repeat(700)}${'d/'.repeat(35)}${'../'.repeat(30)}nothing`, false),
    ).rejects.toThrow()
    await expect(tree.stat('/x', false)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(process.cpuUsage(before).user).toBeLessThan(2_000_000)
    tree.end()
  })
})

test.skipIf(!hasPlaces())('a jail that nobody ends is closed once nobody holds it any more', async () => {
  const { root } = makeTree()
  const before = openDescriptors()
  await (async () => {
    for (let turn = 0; turn < 10; turn++) await new DescriptorJail(root).stat('/file', false)
  })()
  expect(openDescriptors()).toBe(before + 10)
  await expect
    .poll(() => {
      heapAfterCollection()
      return openDescriptors()
    })
    .toBe(before)
})
