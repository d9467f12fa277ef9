/** SCP with AsyncSSH, which has its own: its server and our scp(), its scp() and our server, and both between both. */

import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scp } from '@ssh/sdk'
import { describe, expect, test } from 'vitest'
import { connectTo, temporaryFolder } from '../src/index.js'
import { describeLibrary, ourServer, theirClient, theirServer } from './libraries/workbench.js'

const large = randomBytes(8 << 20)

/** What is in a tree: names, modes, whole seconds of times, contents of files. */
function treeOf(root: string): object {
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()
  return names.map((name) => {
    const stats = statSync(join(root, name))
    const content = stats.isDirectory()
      ? 'directory'
      : createHash('sha256')
          .update(readFileSync(join(root, name)))
          .digest('hex')
    return [name, stats.mode & 0o777, Math.floor(stats.mtimeMs / 1000), content]
  })
}

/** AsyncSSH parts what it reads at blanks, so names have none. */
function makeTree(root: string): void {
  mkdirSync(join(root, 'sub/deeper'), { recursive: true })
  writeFileSync(join(root, 'large'), large)
  writeFileSync(join(root, 'empty'), '')
  writeFileSync(join(root, 'sub/ümlaut'), 'ü')
  chmodSync(join(root, 'empty'), 0o600)
  for (let index = 0; index < 50; index++)
    writeFileSync(join(root, 'sub/deeper', `f${index}`), `${index}`.repeat(index))
  for (const name of ['large', 'empty', 'sub/deeper', 'sub']) utimesSync(join(root, name), 1e9, 1.1e9)
}

await describeLibrary('asyncssh', 'SCP of AsyncSSH', (bench) => {
  describe('its server, our scp()', () => {
    test('trees come and go, with their modes and times', async () => {
      using folder = temporaryFolder()
      makeTree(join(folder.path, 'tree'))
      await using conn = await connectTo(await theirServer(bench, { allowScp: true }))
      const options = { recurse: true, preserve: true }
      await scp(join(folder.path, 'tree'), [conn, join(folder.path, 'up')], options)
      expect(treeOf(join(folder.path, 'up'))).toEqual(treeOf(join(folder.path, 'tree')))
      await scp([conn, join(folder.path, 'up')], join(folder.path, 'back'), options)
      expect(treeOf(join(folder.path, 'back'))).toEqual(treeOf(join(folder.path, 'tree')))
    })

    test('patterns are expanded there, and what is missing is told', async () => {
      using folder = temporaryFolder()
      makeTree(join(folder.path, 'tree'))
      await using conn = await connectTo(await theirServer(bench, { allowScp: true }))
      await scp([conn, `${folder.path}/tree/sub/deeper/f1?`], join(folder.path, 'some'))
      expect(readdirSync(join(folder.path, 'some'))).toHaveLength(10)
      const errors: Error[] = []
      const sources = [
        [conn, `${folder.path}/none`],
        [conn, `${folder.path}/tree/empty`],
      ] as const
      await scp(sources, join(folder.path, 'rest'), { onError: (error) => errors.push(error) })
      expect(errors).toMatchObject([
        { srcpath: `${folder.path}/none`, serverText: expect.stringMatching(/no such file|no matches/i) },
      ])
      expect(readdirSync(join(folder.path, 'rest'))).toEqual(['empty'])
    })
  })

  describe('its scp(), our server', () => {
    test('trees come and go, with their modes and times', async () => {
      using folder = temporaryFolder()
      makeTree(join(folder.path, 'tree'))
      await using server = await ourServer(bench, { allowScp: true, sftpFactory: true })
      const { connection } = await theirClient(bench, server)
      const up = { connection, path: join(folder.path, 'up') }
      const options = { preserve: true, recurse: true }
      const sent = await bench.peer.call('scp', {
        sources: [{ path: join(folder.path, 'tree') }],
        destination: up,
        ...options,
      })
      expect(sent.errors).toEqual([])
      expect(treeOf(join(folder.path, 'up'))).toEqual(treeOf(join(folder.path, 'tree')))
      const back = { path: join(folder.path, 'back') }
      const taken = await bench.peer.call('scp', { sources: [up], destination: back, ...options })
      expect(taken.errors).toEqual([])
      expect(treeOf(join(folder.path, 'back'))).toEqual(treeOf(join(folder.path, 'tree')))
    })

    test('several files, patterns, and what is not there', async () => {
      using folder = temporaryFolder()
      makeTree(join(folder.path, 'tree'))
      mkdirSync(join(folder.path, 'into'))
      await using server = await ourServer(bench, { allowScp: true, sftpFactory: { root: folder.path } })
      const { connection } = await theirClient(bench, server)
      const sources = ['/tree/none', '/tree/empty', '/tree/sub/deeper/f1?'].map((path) => ({ connection, path }))
      const { errors } = await bench.peer.call('scp', { sources, destination: { path: join(folder.path, 'into') } })
      expect(errors).toEqual([expect.stringContaining('/tree/none: No such file or directory')])
      expect(readdirSync(join(folder.path, 'into'))).toHaveLength(11)
    })
  })

  test('between its server and ours, by either', async () => {
    using folder = temporaryFolder()
    makeTree(join(folder.path, 'tree'))
    const theirs = await theirServer(bench, { allowScp: true })
    await using server = await ourServer(bench, { allowScp: true, sftpFactory: { root: folder.path } })
    await using near = await connectTo(theirs)
    await using far = await connectTo({ ...theirs, port: server.port })
    const options = { preserve: true, recurse: true }
    await scp([far, '/tree'], [near, join(folder.path, 'by us')], options)
    expect(treeOf(join(folder.path, 'by us'))).toEqual(treeOf(join(folder.path, 'tree')))
    await scp([near, join(folder.path, 'tree')], [far, '/by-us'], options)
    expect(treeOf(join(folder.path, 'by-us'))).toEqual(treeOf(join(folder.path, 'tree')))
    const one = await theirClient(bench, theirs)
    const other = await theirClient(bench, server)
    const { errors } = await bench.peer.call('scp', {
      sources: [{ connection: other.connection, path: '/tree' }],
      destination: { connection: one.connection, path: join(folder.path, 'by-them') },
      ...options,
    })
    expect(errors).toEqual([])
    expect(treeOf(join(folder.path, 'by-them'))).toEqual(treeOf(join(folder.path, 'tree')))
  })
})
