import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findSystemUser, readUserFile } from '../../src/io/system-users.js'
import { mustRun } from './programs.js'

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'system-users-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return path
}

describe.skipIf(!existsSync('/etc/passwd'))('a user of this machine', () => {
  test('is found with home, number and groups', async () => {
    const [, uid, home] = /^root:[^:]*:(\d+):\d+:[^:]*:([^:]*):/m.exec(readFileSync('/etc/passwd', 'utf8')) ?? []
    const found = await findSystemUser('root')
    expect(found).toMatchObject({ uid: Number(uid), homeDirectory: home })
    expect(found?.groups.length).toBeGreaterThan(0)
  })

  test.each(['no-such-user', '', 'roo', 'root:x', '../root'])('is not found as %j', async (name) => {
    expect(await findSystemUser(name)).toBeUndefined()
  })
})

describe.skipIf(process.getuid === undefined)('a file of a user', () => {
  const me = process.getuid?.() ?? 0

  test('is read; where there is none, there is nothing to read', async () => {
    const file = join(folder(), 'keys')
    writeFileSync(file, 'text', { mode: 0o600 })
    expect(await readUserFile(file, me, true, dirname(file))).toBe('text')
    expect(await readUserFile(`${file}x`, me, true)).toBeUndefined()
    expect(await readUserFile(`${file}/below`, me, true)).toBeUndefined()
  })

  test('in a folder that others may write to is refused, up to the home', async () => {
    const home = folder()
    mkdirSync(join(home, 'below'), { mode: 0o700 })
    const file = join(home, 'below', 'keys')
    writeFileSync(file, 'text', { mode: 0o600 })
    expect(await readUserFile(file, me, true, home)).toBe('text')
    // Folders of temporary files are everybody's.
    await expect(readUserFile(file, me, true)).rejects.toThrow('is a folder on the way')
    chmodSync(join(home, 'below'), 0o770)
    await expect(readUserFile(file, me, true, home)).rejects.toThrow('is a folder on the way')
    // What the link leads to counts, and where that is.
    const link = join(folder(), 'link')
    symlinkSync(file, link)
    await expect(readUserFile(link, me, true, dirname(link))).rejects.toThrow(join('below'))
  })

  test('that others may write to is refused, unless modes do not matter', async () => {
    const file = join(folder(), 'keys')
    writeFileSync(file, 'text')
    chmodSync(file, 0o620)
    await expect(readUserFile(file, me, true)).rejects.toThrow('StrictModes')
    expect(await readUserFile(file, me, false)).toBe('text')
  })

  test.skipIf(me === 0)('that belongs to somebody else is refused', async () => {
    const file = join(folder(), 'keys')
    writeFileSync(file, 'text', { mode: 0o600 })
    await expect(readUserFile(file, me + 1, true)).rejects.toThrow(`belongs to user ${me}`)
  })

  test('that is a folder, a pipe, or too large is refused at once', async () => {
    const path = folder()
    await expect(readUserFile(path, me, false)).rejects.toThrow('not a regular file')
    await mustRun('mkfifo', [join(path, 'pipe')])
    await expect(readUserFile(join(path, 'pipe'), me, false)).rejects.toThrow('not a regular file')
    writeFileSync(join(path, 'large'), '')
    truncateSync(join(path, 'large'), 1024 * 1024 + 1)
    await expect(readUserFile(join(path, 'large'), me, false)).rejects.toThrow('1048577 bytes')
  })
})
