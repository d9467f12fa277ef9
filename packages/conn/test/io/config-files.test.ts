import { chmodSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { devNull, homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ConfigParseError } from '../../src/errors.js'
import { includeReader, readConfigFile, readNamedConfigFile } from '../../src/io/config-files.js'
import { mustRun } from './programs.js'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'config-files-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function write(name: string, text = name, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  // Whatever the umask is.
  chmodSync(path, mode)
  return path
}

const isPosix = process.getuid !== undefined

describe('a file of configuration', () => {
  test('is read, with where it comes from', async () => {
    const file = write('plain', 'Port 1')
    expect(await readConfigFile(file)).toEqual({ text: 'Port 1', file, scope: 'user' })
  })

  test('that is not there is none, unless it was named', async () => {
    const file = join(folder, 'missing')
    expect(await readConfigFile(file)).toBeUndefined()
    await expect(readNamedConfigFile(file)).rejects.toThrow(`Cannot read ${file}: there is no such file`)
    expect(await readConfigFile(join(write('not-a-folder'), 'x'))).toBeUndefined()
  })

  test('is empty when it is the null device', async () => {
    expect(await readConfigFile(devNull)).toMatchObject({ text: '' })
  })

  // threats.md G19: CVE-2026-0965.
  test.skipIf(!isPosix)('that is a FIFO or a folder is refused, and no writer is waited for', async () => {
    const fifo = join(folder, 'fifo')
    await mustRun('mkfifo', [fifo])
    for (const path of [fifo, folder]) {
      await expect(readConfigFile(path)).rejects.toThrow(ConfigParseError)
      await expect(readConfigFile(path)).rejects.toThrow('it is not a regular file')
    }
  })

  test('larger than any real one is refused without being read', async () => {
    const file = write('huge', '')
    truncateSync(file, 1024 ** 3)
    await expect(readConfigFile(file)).rejects.toThrow('it has more than 1048576 bytes')
  })

  // threats.md G19: CVE-2025-14821.
  test.skipIf(!isPosix)('that others may write to is refused where it must be private', async () => {
    for (const mode of [0o620, 0o602, 0o666]) {
      const file = write(`mode-${mode}`, 'Port 1', mode)
      await expect(readConfigFile(file, { isPrivate: true })).rejects.toThrow('lets others write to it')
      await expect(readConfigFile(file)).resolves.toBeDefined()
    }
    for (const mode of [0o600, 0o644, 0o640]) {
      await expect(readConfigFile(write(`mode-${mode}`, '', mode), { isPrivate: true })).resolves.toBeDefined()
    }
  })
})

describe('included files', () => {
  const include = (pattern: string, scope: 'user' | 'system' = 'user', isPrivate = false) =>
    includeReader(isPrivate)(pattern, { text: '', scope })
  const names = async (...args: Parameters<typeof include>) => (await include(...args)).map(({ text }) => text)

  beforeAll(() => {
    mkdirSync(join(folder, 'd'))
    for (const name of ['b.conf', 'a.conf', '.hidden.conf', 'c.txt', 'A.conf']) write(join('d', name), name)
    mkdirSync(join(homedir(), '.ssh'), { recursive: true })
    writeFileSync(join(homedir(), '.ssh', 'relative'), 'relative', { mode: 0o600 })
  })

  test('are found by wildcards, in the order of their characters', async () => {
    expect(await names(join(folder, 'd', '*.conf'))).toEqual(['A.conf', 'a.conf', 'b.conf'])
    expect(await names(join(folder, '?', '[ab].conf'))).toEqual(['a.conf', 'b.conf'])
    expect(await names(join(folder, 'd', 'none-*'))).toEqual([])
    expect(await names(join(folder, 'd', 'missing'))).toEqual([])
  })

  test('are in ~/.ssh where their name is relative, and in /etc/ssh for the system', async () => {
    expect(await names('relative')).toEqual(['relative'])
    expect(await names('~/.ssh/rel*')).toEqual(['relative'])
    expect(await names('relative', 'system')).toEqual([])
  })

  test('of the system are in nobody’s home', async () => {
    await expect(include('~/.ssh/relative', 'system')).rejects.toThrow('a file of the system must not include')
    await expect(include('~root/x')).rejects.toThrow('in the home of another user')
  })

  test.skipIf(!isPosix)('are as private as the file must be', async () => {
    write(join('d', 'open.conf'), 'x', 0o666)
    await expect(include(join(folder, 'd', 'open.conf'), 'user', true)).rejects.toThrow('lets others write to it')
  })
})

describe('a name of included files that somebody hostile has chosen', () => {
  const include = (pattern: string) => includeReader(false)(pattern, { text: '', scope: 'user' })

  test('is given up when it fits too many, before all of them are looked at', async () => {
    const top = join(folder, 'many')
    for (let first = 0; first < 70; first++) {
      for (let second = 0; second < 60; second++) mkdirSync(join(top, `${first}`, `${second}`), { recursive: true })
    }
    // 4200 folders below; what is in them is not read any more.
    await expect(include(`${top}/*/*`)).rejects.toThrow('fits too many files')
    await expect(include(`${top}/*/*/x`)).rejects.toThrow('fits too many files')
    await expect(include(`${top}/*/1`)).rejects.toThrow('it is not a regular file')
  })

  test('is no longer than any path', async () => {
    await expect(include(`/${'[a]*'.repeat(1100)}`)).rejects.toThrow('is longer than any path')
  })
})
