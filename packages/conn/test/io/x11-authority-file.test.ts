import { existsSync, rmSync, symlinkSync } from 'node:fs'
import { chown, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { changeAuthorityFile, makeAuthorityFile } from '../../src/io/x11-authority-file.js'

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ssh-x11-test-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}

const append = (text: string) => (content: Uint8Array) => Buffer.concat([content, Buffer.from(text)])

describe('changing an Xauthority file', () => {
  test('makes one for nobody else, and leaves no lock', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'authority')
    await changeAuthorityFile(path, append('a'))
    expect(await readFile(path, 'utf8')).toBe('a')
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['authority'])
  })

  test('goes one after the other, however many want to', async () => {
    const path = join(await temporaryFolder(), 'authority')
    await Promise.all([...'abcdef'].map((letter) => changeAuthorityFile(path, append(letter))))
    expect([...(await readFile(path, 'utf8'))].sort().join('')).toBe('abcdef')
  })

  test('waits for whoever holds the lock, until it is not wanted any more', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'authority')
    await writeFile(`${path}-c`, '')
    await writeFile(`${path}-l`, '')
    const abort = new AbortController()
    const change = changeAuthorityFile(path, append('a'), abort.signal)
    abort.abort()
    await expect(change).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(existsSync(path)).toBe(false)
    expect((await readdir(folder)).sort()).toEqual(['authority-c', 'authority-l'])
  })

  test('that fails leaves the file and no lock', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'authority')
    await writeFile(path, 'before')
    const failing = changeAuthorityFile(path, () => {
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await readFile(path, 'utf8')).toBe('before')
    expect(await readdir(folder)).toEqual(['authority'])
  })

  test('that changes nothing leaves the file alone', async () => {
    const path = join(await temporaryFolder(), 'authority')
    await writeFile(path, 'before')
    await utimes(path, 1, 1)
    await changeAuthorityFile(path, (content) => content)
    expect((await stat(path)).mtimeMs).toBe(1000)
  })

  test('does not write through a link that somebody has put in its way', async () => {
    const folder = await temporaryFolder()
    const path = join(folder, 'authority')
    await writeFile(join(folder, 'victim'), 'precious')
    await symlink(join(folder, 'victim'), `${path}-n`)
    await changeAuthorityFile(path, append('a'))
    expect(await readFile(join(folder, 'victim'), 'utf8')).toBe('precious')
    expect(await readFile(path, 'utf8')).toBe('a')
  })

  const isRoot = process.platform !== 'win32' && process.getuid?.() === 0
  test.runIf(isRoot)('by root gives nothing away to an owner who swaps files meanwhile', async () => {
    const folder = await temporaryFolder()
    const [path, victim] = [join(folder, 'authority'), join(folder, 'victim')]
    await writeFile(victim, 'precious', { mode: 0o600 })
    await writeFile(path, 'a')
    await chown(path, 65534, 65534)
    let isOver = false
    const swap = () => {
      if (isOver) return
      if (existsSync(`${path}-n`)) {
        rmSync(`${path}-n`)
        symlinkSync(victim, `${path}-n`)
        return
      }
      setImmediate(swap)
    }
    swap()
    await changeAuthorityFile(path, append('b'))
    isOver = true
    expect((await stat(victim)).uid).toBe(0)
  })

  test.runIf(isRoot)('by root leaves a file to its owner', async () => {
    const path = join(await temporaryFolder(), 'authority')
    await writeFile(path, 'a')
    await chown(path, 65534, 65533)
    await changeAuthorityFile(path, append('b'))
    expect(await readFile(path, 'utf8')).toBe('ab')
    const { uid, gid, mode } = await stat(path)
    expect([uid, gid, mode & 0o777]).toEqual([65534, 65533, 0o600])
  })

  test('a folder that is not there is the system’s error', async () => {
    const path = join(await temporaryFolder(), 'none', 'authority')
    await expect(changeAuthorityFile(path, append('a'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

test('a file of our own is for nobody else, and goes with its folder', async () => {
  const file = await makeAuthorityFile(Buffer.from('cookie'))
  expect(await readFile(file.path, 'utf8')).toBe('cookie')
  expect((await stat(file.path)).mode & 0o777).toBe(0o600)
  await file.remove()
  await file.remove()
  expect(existsSync(join(file.path, '..'))).toBe(false)
})
