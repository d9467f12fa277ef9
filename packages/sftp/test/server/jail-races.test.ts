/** E2: what a local user moves, replaces and links while a client is served. A second process does it, ten thousand times. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { SftpClient } from '../../src/client/sftp-client.js'
import { hasPlaces } from '../../src/server/local/descriptors.js'
import { SftpServer } from '../../src/server/sftp-server.js'
import { openDescriptors } from '../open-descriptors.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

const swaps = 10_000

/** Turns of the client, each with every call; a machine where they are slower sees more swaps. */
const turns = 150

/** What a file outside is long, and no file inside. */
const secret = 'the secret outside'.padEnd(4242, '.')

/**
 * Each turn: the real thing steps aside, a link to the outside takes its name, and all goes back. Ends once it was done
 * often enough, and somebody made the file `stop`.
 */
const swapper = `
  const { existsSync, renameSync } = require('node:fs')
  const [, base, ...names] = process.argv
  process.chdir(base)
  process.stdout.write('started')
  let turn = 0
  for (; turn < ${swaps} || turn % 100 !== 0 || !existsSync('stop'); turn++) {
    for (const name of names) {
      renameSync(name, name + '.real')
      renameSync(name + '.link', name)
      renameSync(name, name + '.link')
      renameSync(name + '.real', name)
    }
  }
  process.stdout.write(' ' + turn)
`

/** A tree with `a/d` and `a/f`, which are swapped for links to what must never be reached. */
function makeTree() {
  const base = temporaryDirectory()
  for (const name of ['root/a/d/sub', 'outside/sub']) mkdirSync(join(base, name), { recursive: true })
  for (const name of ['kept', 'old', 'sub/deep']) {
    writeFileSync(join(base, 'root/a/d', name), 'inside')
    writeFileSync(join(base, 'outside', name), secret, { mode: 0o640 })
  }
  writeFileSync(join(base, 'outside/only-outside'), secret)
  writeFileSync(join(base, 'root/a/f'), 'inside')
  symlinkSync('../../outside', join(base, 'root/a/d.link'))
  symlinkSync(join(base, 'outside/kept'), join(base, 'root/a/f.link'))
  return { base, root: join(base, 'root'), outside: join(base, 'outside') }
}

/** Everything about a tree that a client could have changed, as text. */
function snapshot(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const at = join(path, name)
      const { mode, size, mtimeMs, uid, nlink } = lstatSync(at)
      const isFile = (mode & 0o170000) === 0o100000
      return [name, mode, mtimeMs, uid, nlink, isFile ? readFileSync(at, 'utf8') : size].join(' ')
    })
}

/** Starts swapping. @returns what ends it, and tells how often it was done */
async function startSwapping(root: string, ...names: string[]): Promise<() => Promise<number>> {
  const argv = ['-e', swapper, join(root, 'a'), ...names]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stdout.setEncoding('utf8')
  await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()))
  child.stdout.on('data', (text) => {
    said += text
  })
  return async () => {
    writeFileSync(join(root, 'a/stop'), '')
    await once(child, 'close')
    return Number(said)
  }
}

/** Whatever a client can do below `d`; failures are expected, for the name is gone at times. */
async function useEverything(client: SftpClient, turn: number): Promise<string[]> {
  const seen: string[] = []
  const attempt = async <R>(work: Promise<R>): Promise<R | undefined> => {
    const result = await work.catch(() => undefined)
    seen.push(JSON.stringify(result ?? null))
    return result
  }
  const d = '/a/d'
  await Promise.all([
    attempt(client.readFile(`${d}/kept`, { encoding: 'utf8' })),
    attempt(client.readFile(`${d}/only-outside`, { encoding: 'utf8' })),
    attempt(client.readFile(`${d}/sub/deep`, { encoding: 'utf8' })),
    attempt(client.readFile('/a/f', { encoding: 'utf8' })),
    attempt(client.stat(`${d}/kept`).then(({ size }) => size)),
    attempt(client.stat('/a/f').then(({ size }) => size)),
    attempt(client.lstat(`${d}/only-outside`).then(({ size }) => size)),
    attempt(client.listdir(d)),
    attempt(client.listdir(`${d}/sub`)),
    attempt(client.realpath(`${d}/sub/../kept`)),
    attempt(client.writeFile(`${d}/new${turn}`, 'x')),
    attempt(client.writeFile(`${d}/kept`, 'inside')),
    attempt(client.writeFile('/a/f', 'inside')),
    attempt(client.appendFile(`${d}/sub/deep`, '')),
    attempt(client.mkdir(`${d}/folder${turn}`)),
    attempt(client.symlink('/x', `${d}/link${turn}`)),
    attempt(client.link(`${d}/kept`, `${d}/hard${turn}`)),
    attempt(client.rename(`${d}/old`, `${d}/older`)),
    attempt(client.posixRename(`${d}/older`, `${d}/old`)),
    attempt(client.posixRename(`${d}/only-outside`, `/a/taken${turn}`)),
    attempt(client.chmod(`${d}/kept`, 0o600)),
    attempt(client.chmod('/a/f', 0o600)),
    attempt(client.truncate('/a/f', 6)),
    attempt(client.utime(`${d}/sub/deep`, 1, 1)),
    attempt(client.remove(`${d}/only-outside`)),
    attempt(client.rmdir(`${d}/folder${turn}`)),
  ])
  return seen
}

describe.skipIf(!hasPlaces())(
  'E2: while a second process swaps a directory and a file for links to the outside',
  () => {
    test('nothing outside is read, told, made or changed, and no descriptor stays open', async () => {
      const { root, outside } = makeTree()
      const before = snapshot(outside)
      const { client, session } = await serve(new SftpServer({ root }))
      await client.stat('/')
      const descriptors = openDescriptors()
      const stop = await startSwapping(root, 'd', 'f')
      const seen: string[] = []
      for (let turn = 0; turn < turns; turn++) seen.push(...(await useEverything(client, turn)))
      expect(await stop()).toBeGreaterThanOrEqual(swaps)
      expect(snapshot(outside)).toEqual(before)
      expect(seen.filter((result) => result === String(secret.length) || result.includes('outside'))).toEqual([])
      // It was no idle race: the client did get at what is inside.
      expect(seen.filter((result) => result !== 'null').length).toBeGreaterThan(turns)
      expect(openDescriptors()).toBe(descriptors)
      await client.close()
      await session.closed
    })
  },
)

describe('E2: links and names that were there before', () => {
  test('a hard link to a file outside is what the administrator made, and a link beside it is not', async () => {
    const { root, outside } = makeTree()
    linkSync(join(outside, 'kept'), join(root, 'hard'))
    symlinkSync(join(outside, 'kept'), join(root, 'soft'))
    const { client } = await serve(new SftpServer({ root }))
    expect(await client.readFile('/hard', { encoding: 'utf8' })).toBe(secret)
    await expect(client.readFile('/soft')).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('a link of this very process into /proc leads nowhere', async () => {
    const { root } = makeTree()
    for (const name of ['self', 'thread-self']) symlinkSync(`/proc/${name}/root`, join(root, name))
    symlinkSync('/proc/self/fd/0', join(root, 'input'))
    const { client } = await serve(new SftpServer({ root }))
    for (const path of ['/self/etc/passwd', '/thread-self/etc/passwd', '/input', '/self']) {
      await expect(client.stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
    }
    expect(await client.readlink('/input')).toBe('/proc/self/fd/0')
  })

  test('the target of a link that a client makes is stored inside the root', async () => {
    const { root } = makeTree()
    const { client } = await serve(new SftpServer({ root }))
    await client.symlink('/../../etc/passwd', '/made')
    expect(readlinkSync(join(root, 'made'))).toBe(join(root, 'etc/passwd'))
  })
})
