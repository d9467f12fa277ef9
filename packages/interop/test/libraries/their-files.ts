/** A library's SFTP client against our server. */

import { createHash, randomBytes } from 'node:crypto'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { SshServer } from '@ssh/sdk'
import { beforeAll, describe, expect, test } from 'vitest'
import type { FileStep, FileStepResult, LibraryConnection } from '../../src/index.js'
import { inFolder, ourServer, theirClient, type Workbench } from './workbench.js'

export interface FileClientTraits {
  /** It can make hard links, ask for a file system, and list names that are no UTF-8. Default true. */
  readonly hasAll?: boolean
}

const big = randomBytes(64 * 2 ** 20 + 1)

export function describeTheirFiles(bench: Workbench, { hasAll = true }: FileClientTraits = {}): void {
  describe('files', () => {
    const { peer } = bench
    const folder = inFolder(bench, 'theirs')
    const at = (...names: readonly string[]) => join(folder, ...names)
    let server: SshServer
    let connection: LibraryConnection
    beforeAll(async () => {
      mkdirSync(folder)
      server = await ourServer(bench, { sftpFactory: true })
      connection = await theirClient(bench, server)
      return () => server.close()
    })
    const run = (...steps: readonly FileStep[]): Promise<readonly FileStepResult[]> =>
      peer.call('files', { connection: connection.connection, steps })

    test('of 64 MiB are the same after put and get', async () => {
      writeFileSync(at('local'), big)
      const results = await run(
        { do: 'put', from: at('local'), path: at('remote') },
        { do: 'get', path: at('remote'), to: at('back') },
      )
      expect(results).toEqual([{}, {}])
      expect([hashOf(at('remote')), hashOf(at('back'))]).toEqual([hashOf(at('local')), hashOf(at('local'))])
    })

    test('may be empty, and have any name', async () => {
      mkdirSync(at('names'))
      const names = ['empty', ' with blanks ', 'grün – жук', '-rf', "it's", 'a\\b']
      for (const name of names) {
        writeFileSync(at('names', name), name === 'empty' ? '' : name)
        const path = at('names', `${name}2`)
        expect(await run({ do: 'put', from: at('names', name), path })).toEqual([{}])
        expect(readFileSync(path, 'utf8')).toBe(name === 'empty' ? '' : name)
      }
      const expected = names.flatMap((name) => [name, `${name}2`])
      const [list] = await run({ do: 'list', path: at('names') })
      expect(list?.names?.toSorted()).toEqual(expected.toSorted())
    })

    test('have a size, a mode and a time, which can be changed', async () => {
      writeFileSync(at('facts'), 'x'.repeat(1000))
      const path = at('facts')
      const results = await run(
        { do: 'stat', path },
        { do: 'chmod', path, mode: 0o640 },
        { do: 'truncate', path, size: 100 },
        { do: 'utime', path, time: 1_234_567_890 },
        { do: 'stat', path },
      )
      expect(results[0]).toMatchObject({ size: 1000 })
      expect(results[4]).toEqual({ size: 100, mode: 0o100640, mtime: 1_234_567_890 })
      expect(statSync(path)).toMatchObject({ size: 100, mode: 0o100640, mtimeMs: 1_234_567_890_000 })
    })

    test('are listed, however many there are', async () => {
      mkdirSync(at('many'))
      const names = Array.from({ length: 5000 }, (_, n) => `file number ${n}`)
      for (const name of names) writeFileSync(at('many', name), '')
      const [list] = await run({ do: 'list', path: at('many') })
      expect(list?.names?.toSorted()).toEqual(names.toSorted())
    })

    test('are written and read in parts, in any order', async () => {
      const model = randomBytes(2_000_000)
      const path = at('parts')
      writeFileSync(path, model)
      const parts = Array.from({ length: 40 }, (_, n) => ({ offset: n * 49_000, data: randomBytes(1 + n * 1200) }))
      parts.reverse()
      const [scattered] = await run({
        do: 'scatter',
        path,
        parts: parts.map(({ offset, data }) => ({ offset, data: data.toString('base64') })),
      })
      for (const { offset, data } of parts) data.copy(model, offset)
      expect(scattered?.data).toEqual(parts.map(({ data }) => data.toString('base64')))
      expect(readFileSync(path).equals(model)).toBe(true)
    })

    test('are added to', async () => {
      writeFileSync(at('log'), 'one\n')
      const data = Buffer.from('two\n').toString('base64')
      expect(await run(...Array.from({ length: 3 }, () => ({ do: 'append', path: at('log'), data }) as const))).toEqual(
        [{}, {}, {}],
      )
      expect(readFileSync(at('log'), 'utf8')).toBe('one\ntwo\ntwo\ntwo\n')
    })

    test('are written and read by the hundred', async () => {
      mkdirSync(at('spread'))
      const [spread] = await run({ do: 'spread', path: at('spread'), count: 200 })
      expect(spread?.data?.map((data) => String(Buffer.from(data, 'base64')))).toEqual(
        Array.from({ length: 200 }, (_, n) => `${n}`),
      )
      expect(readdirSync(at('spread'))).toHaveLength(200)
    })

    test('may have names that are no UTF-8', async () => {
      mkdirSync(at('bytes'))
      const names = [Buffer.from('gr\xfcn', 'latin1'), Buffer.from([0xff, 0xfe]), Buffer.from('жук')]
      const pathOf = (name: Buffer) => Buffer.concat([Buffer.from(at('bytes', '/')), name])
      for (const name of names) writeFileSync(pathOf(name), name)
      const encoded = (bytes: Buffer) => bytes.toString('base64')
      const read = await run(...names.map((name) => ({ do: 'readBytes', path: encoded(pathOf(name)) }) as const))
      expect(read.map(({ data }) => data)).toEqual(names.map((name) => [encoded(name)]))
      if (hasAll) {
        const [list] = await run({ do: 'listBytes', path: encoded(Buffer.from(at('bytes'))) })
        expect(list?.names?.toSorted()).toEqual(names.map(encoded).sort())
      }
      await run(...names.map((name) => ({ do: 'removeBytes', path: encoded(pathOf(name)) }) as const))
      expect(readdirSync(at('bytes'))).toEqual([])
    })

    test('replace others, get second names, and are on a file system', async () => {
      for (const name of ['first', 'second']) writeFileSync(at(name), name)
      expect(await run({ do: 'posixRename', path: at('first'), to: at('second') })).toEqual([{}])
      expect(readFileSync(at('second'), 'utf8')).toBe('first')
      if (!hasAll) return
      const [linked, facts] = await run(
        { do: 'link', path: at('second'), to: at('third') },
        { do: 'statvfs', path: folder },
      )
      expect(linked).toEqual({})
      expect(statSync(at('third')).ino).toBe(statSync(at('second')).ino)
      const { blocks, bsize } = statfsSync(folder)
      expect(facts).toEqual({ blocks, blockSize: bsize })
    })

    test('are renamed and removed', async () => {
      writeFileSync(at('old'), 'moved')
      expect(await run({ do: 'rename', path: at('old'), to: at('new') })).toEqual([{}])
      expect(readFileSync(at('new'), 'utf8')).toBe('moved')
      expect(await run({ do: 'remove', path: at('new') })).toEqual([{}])
      expect(readdirSync(folder)).not.toContain('new')
    })

    test('are linked to', async () => {
      writeFileSync(at('target'), 'pointed at')
      const path = at('link')
      const [made, read, own, followed] = await run(
        { do: 'symlink', target: 'target', path },
        { do: 'readlink', path },
        { do: 'lstat', path },
        { do: 'stat', path },
      )
      expect([made, read]).toEqual([{}, { path: 'target' }])
      expect(readlinkSync(path)).toBe('target')
      expect([(own?.mode ?? 0) & 0o170000, (followed?.mode ?? 0) & 0o170000]).toEqual([0o120000, 0o100000])
    })

    test('are in folders that are made, resolved and removed', async () => {
      const path = at('folder')
      expect(await run({ do: 'mkdir', path })).toEqual([{}])
      expect(await run({ do: 'realpath', path: at('folder', '..', 'folder', '.') })).toEqual([{ path }])
      expect(await run({ do: 'rmdir', path })).toEqual([{}])
      expect(readdirSync(folder)).not.toContain('folder')
    })

    test('that are not there, or in the way, are errors', async () => {
      writeFileSync(at('in the way'), '')
      const path = at('missing')
      const missing = await run(
        { do: 'stat', path },
        { do: 'get', path, to: at('nowhere') },
        { do: 'list', path },
        { do: 'remove', path },
        { do: 'rename', path, to: at('elsewhere') },
      )
      expect(missing.map(({ error }) => error)).toEqual(['missing', 'missing', 'missing', 'missing', 'missing'])
      const inTheWay = await run(
        { do: 'mkdir', path: at('in the way') },
        { do: 'rename', path: at('in the way'), to: at('facts') },
      )
      expect(inTheWay.map(({ error }) => error)).toEqual(['failure', 'failure'])
    })

    test('stay below the root that the server has', async () => {
      mkdirSync(at('jail'))
      writeFileSync(at('jail', 'inside'), '')
      writeFileSync(at('outside'), 'secret')
      symlinkSync(at('outside'), at('jail', 'way out'))
      await using jailed = await ourServer(bench, { sftpFactory: { root: at('jail') } })
      const { connection: inside } = await theirClient(bench, jailed)
      const results = await peer.call('files', {
        connection: inside,
        steps: [
          { do: 'realpath', path: '.' },
          { do: 'list', path: '/' },
          { do: 'list', path: '/../..' },
          { do: 'get', path: '/way out', to: at('escaped') },
          { do: 'stat', path: at('outside') },
        ],
      })
      const names = ['inside', 'way out']
      expect(results.slice(0, 3)).toEqual([{ path: '/' }, { names }, { names }])
      expect(results.slice(3).map(({ error }) => error !== undefined)).toEqual([true, true])
    })

    test('cannot be changed when the server is read-only', async () => {
      writeFileSync(at('kept'), 'kept')
      await using readOnly = await ourServer(bench, { sftpFactory: { root: folder, readOnly: true } })
      const { connection: reader } = await theirClient(bench, readOnly)
      const [got, ...refused] = await peer.call('files', {
        connection: reader,
        steps: [
          { do: 'get', path: '/kept', to: at('copy') },
          { do: 'put', from: at('facts'), path: '/kept' },
          { do: 'remove', path: '/kept' },
          { do: 'mkdir', path: '/made' },
        ],
      })
      expect(got).toEqual({})
      expect(refused.map(({ error }) => error)).toEqual(['denied', 'denied', 'denied'])
      expect(readFileSync(at('kept'), 'utf8')).toBe('kept')
    })
  })
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
