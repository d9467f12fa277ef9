import { readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { appendLine, expandHome, readFileIfThere, readRegularFile } from '../../src/io/files.js'
import { mustRun } from './programs.js'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'files-'))
})
afterAll(() => rm(folder, { recursive: true }))

test("only a leading tilde of one's own stands for the home directory", () => {
  expect(expandHome('~/.ssh/id')).toBe(join(homedir(), '.ssh/id'))
  expect(expandHome('~')).toBe(homedir())
  expect(expandHome('~root/.ssh')).toBe('~root/.ssh')
  expect(expandHome('/a/~/b')).toBe('/a/~/b')
})

describe('reading', () => {
  test('gives the content of a regular file', async () => {
    const file = join(folder, 'plain')
    writeFileSync(file, 'content')
    expect(String(await readRegularFile(file))).toBe('content')
  })

  test('tells a file that is not there from one that cannot be read', async () => {
    expect(await readFileIfThere(join(folder, 'none'))).toBeUndefined()
    expect(await readFileIfThere(join(folder, 'none', 'below'))).toBeUndefined()
    await expect(readRegularFile(join(folder, 'none'))).rejects.toMatchObject({
      name: 'ConfigParseError',
      message: expect.stringContaining('there is no such file'),
    })
  })

  // As when it was a file a moment before.
  test.skipIf(process.getuid === undefined)('waits for no FIFO, whenever it came to be one', async () => {
    const fifo = join(folder, 'fifo')
    await mustRun('mkfifo', [fifo])
    const file = join(folder, 'swapped')
    writeFileSync(file, 'x')
    const reading = readFileIfThere(file)
    renameSync(fifo, file)
    expect(['x', 'it is not a regular file']).toContainEqual(
      await reading.then(String, (error: Error) => error.message.replace(/^.*: /, '')),
    )
  })

  test('waits for no device, and swallows no giant', async () => {
    await expect(readRegularFile('/dev/zero')).rejects.toThrow('it is not a regular file')
    await expect(readFileIfThere(folder)).rejects.toThrow('it is not a regular file')
    const giant = join(folder, 'giant')
    writeFileSync(giant, '')
    truncateSync(giant, 2 ** 30)
    await expect(readRegularFile(giant)).rejects.toThrow('at most')
  })
})

describe('appending a line', () => {
  test('makes the file for its owner alone, and writes a line once', async () => {
    const file = join(folder, 'new', 'list')
    await Promise.all([appendLine(file, 'one'), appendLine(file, 'two'), appendLine(file, 'one')])
    expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n')
    expect([statSync(file).mode & 0o777, statSync(join(folder, 'new')).mode & 0o777]).toEqual([0o600, 0o700])
  })

  test('goes on after one that failed', async () => {
    const file = join(folder, 'later', 'further', 'list')
    const attempts = [appendLine(file, 'one'), appendLine(file, 'two')]
    const outcomes = await Promise.allSettled(attempts)
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})
