/** Our SFTP client against a library's server. */

import { createHash, randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SftpClient, SshClientConnection } from '@ssh/sdk'
import { beforeAll, describe, expect, test } from 'vitest'
import { connectTo } from '../../src/index.js'
import { inFolder, theirServer, type Workbench } from './workbench.js'

const big = randomBytes(16 * 2 ** 20 + 1)

export interface FileServerTraits {
  /** RENAME replaces what is there, which version 3 forbids. */
  readonly renameReplaces: boolean
}

export function describeOurFiles(bench: Workbench, { renameReplaces }: FileServerTraits): void {
  describe('files', () => {
    const folder = inFolder(bench, 'ours')
    const at = (...names: readonly string[]) => join(folder, ...names)
    let conn: SshClientConnection
    let sftp: SftpClient
    beforeAll(async () => {
      mkdirSync(folder)
      conn = await connectTo(await theirServer(bench))
      sftp = await conn.startSftpClient()
      return () => conn.close()
    })

    test('are the same after put and get', async () => {
      writeFileSync(at('local'), big)
      await sftp.put(at('local'), at('remote'))
      expect(hashOf(at('remote'))).toBe(hashOf(at('local')))
      await sftp.get(at('remote'), at('back'))
      expect(hashOf(at('back'))).toBe(hashOf(at('local')))
    })

    test('may be empty, and have any name', async () => {
      for (const name of ['empty', ' with blanks ', 'grün – жук', '-rf', "it's", 'a\\b']) {
        await sftp.writeFile(at(name), name === 'empty' ? '' : name)
        expect(readFileSync(at(name), 'utf8')).toBe(name === 'empty' ? '' : name)
        expect(await sftp.readFile(at(name), { encoding: 'utf8' })).toBe(name === 'empty' ? '' : name)
      }
    })

    test('are read and written at any place', async () => {
      await using file = await sftp.open(at('places'), 'w+')
      await file.write(Buffer.from('hello world'))
      await file.write(Buffer.from('J'), 0)
      await file.write(Buffer.from('!'), 11)
      expect(String(await file.read(5, 6))).toBe('world')
      expect(readFileSync(at('places'), 'utf8')).toBe('Jello world!')
      await sftp.appendFile(at('places'), '!!')
      expect(readFileSync(at('places'), 'utf8')).toBe('Jello world!!!')
    })

    test('have a size, a mode and a time, which can be changed', async () => {
      await sftp.writeFile(at('facts'), 'x'.repeat(1000))
      const stats = await sftp.stat(at('facts'))
      expect({ size: stats.size, isFile: stats.isFile() }).toEqual({ size: 1000, isFile: true })
      await sftp.chmod(at('facts'), 0o640)
      await sftp.truncate(at('facts'), 100)
      await sftp.utime(at('facts'), 1_000_000_000, 1_234_567_890)
      expect(statSync(at('facts'))).toMatchObject({ size: 100, mode: 0o100640, mtimeMs: 1_234_567_890_000 })
      expect(await sftp.stat(at('facts'))).toMatchObject({ size: 100, permissions: 0o100640, mtime: 1_234_567_890 })
    })

    test('are listed, however many there are', async () => {
      mkdirSync(at('many'))
      const names = Array.from({ length: 500 }, (_, n) => `file number ${n}`)
      for (const name of names) writeFileSync(at('many', name), '')
      const entries = await sftp.readdir(at('many'))
      expect(entries.map(({ name }) => name).sort()).toEqual(names.toSorted())
      expect(entries.every(({ attrs }) => attrs.isFile())).toBe(true)
      expect((await sftp.stat(at('many'))).isDirectory()).toBe(true)
    })

    test('are renamed and removed', async () => {
      await sftp.writeFile(at('old'), 'moved')
      await sftp.rename(at('old'), at('new'))
      expect(readFileSync(at('new'), 'utf8')).toBe('moved')
      await sftp.remove(at('new'))
      expect(readdirSync(folder)).not.toContain('new')
    })

    test('are linked to', async () => {
      await sftp.writeFile(at('target'), 'pointed at')
      await sftp.symlink('target', at('link'))
      expect(readlinkSync(at('link'))).toBe('target')
      expect(await sftp.readlink(at('link'))).toBe('target')
      expect((await sftp.lstat(at('link'))).isSymbolicLink()).toBe(true)
      expect((await sftp.stat(at('link'))).isFile()).toBe(true)
      expect(await sftp.readFile(at('link'), { encoding: 'utf8' })).toBe('pointed at')
    })

    test('are in folders that are made, resolved and removed', async () => {
      await sftp.mkdir(at('folder'))
      expect(lstatSync(at('folder')).isDirectory()).toBe(true)
      expect(await sftp.realpath(at('folder', '..', 'folder', '.'))).toBe(at('folder'))
      await sftp.rmdir(at('folder'))
      expect(readdirSync(folder)).not.toContain('folder')
    })

    test('go both ways as whole trees', async () => {
      mkdirSync(at('tree', 'deep', 'deeper'), { recursive: true })
      for (const name of ['one', 'deep/two', 'deep/deeper/three']) writeFileSync(at('tree', name), name)
      await sftp.put(at('tree'), at('sent'), { recurse: true })
      await sftp.get(at('sent'), at('received'), { recurse: true })
      expect(readFileSync(at('received', 'deep', 'deeper', 'three'), 'utf8')).toBe('deep/deeper/three')
      await sftp.rmtree(at('sent'))
      expect(readdirSync(folder)).not.toContain('sent')
    })

    test('that are not there, or in the way, are errors', async () => {
      await sftp.writeFile(at('in the way'), '')
      const missing = { code: 'ENOENT', path: at('missing') }
      await expect(sftp.stat(at('missing'))).rejects.toMatchObject(missing)
      await expect(sftp.readFile(at('missing'))).rejects.toMatchObject(missing)
      await expect(sftp.remove(at('missing'))).rejects.toMatchObject(missing)
      await expect(sftp.readdir(at('missing'))).rejects.toMatchObject(missing)
      await expect(sftp.rename(at('missing'), at('elsewhere'))).rejects.toMatchObject(missing)
      const inTheWay = { code: expect.stringMatching(/^(?:ERR_SFTP_FAILURE|EEXIST)$/) }
      await expect(sftp.mkdir(at('in the way'))).rejects.toMatchObject(inTheWay)
      if (!renameReplaces) await expect(sftp.rename(at('in the way'), at('facts'))).rejects.toMatchObject(inTheWay)
      expect(await sftp.exists(at('missing'))).toBe(false)
      expect(await sftp.exists(at('in the way'))).toBe(true)
    })

    test('are read and written side by side', async () => {
      const contents = Array.from({ length: 20 }, () => randomBytes(50_000))
      await Promise.all(contents.map((content, n) => sftp.writeFile(at(`beside ${n}`), content)))
      const back = await Promise.all(contents.map((_, n) => sftp.readFile(at(`beside ${n}`))))
      expect(back.every((content, n) => content.equals(contents[n] ?? Buffer.alloc(0)))).toBe(true)
    })

    test('are taken care of in several sessions at once', async () => {
      const sessions = await Promise.all(Array.from({ length: 4 }, () => conn.startSftpClient()))
      const texts = await Promise.all(
        sessions.map(async (session, n) => {
          await session.writeFile(at(`session ${n}`), `${n}`)
          const text = await session.readFile(at(`session ${n}`), { encoding: 'utf8' })
          await session.close()
          return text
        }),
      )
      expect(texts).toEqual(['0', '1', '2', '3'])
    })
  })
}

function hashOf(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
