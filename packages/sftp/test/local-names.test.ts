import { mkdirSync, writeFileSync } from 'node:fs'
import { type opendir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { localNames } from '../src/local-names.js'
import { temporaryDirectory } from './temporary-directory.js'

const runtime = vi.hoisted(() => ({ givesBytes: true }))

// Bun's and Deno's directories have no names as bytes.
vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>()
  const open: typeof opendir = (path, options) =>
    fs.opendir(path, { ...options, ...(!runtime.givesBytes && { encoding: 'utf8' }) })
  return { ...fs, opendir: open, readdir: vi.fn(fs.readdir) }
})

beforeEach(() => void vi.clearAllMocks())

async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = []
  for await (const name of localNames(directory, 2)) names.push(name)
  return names.sort()
}

describe.each([
  { where: 'Node', givesBytes: true },
  { where: 'a runtime whose directories give no bytes', givesBytes: false },
])('the names in a directory, on $where', ({ givesBytes }) => {
  beforeEach(() => void (runtime.givesBytes = givesBytes))

  it('are all given, those that are not UTF-8 included', async () => {
    const directory = temporaryDirectory()
    for (const name of ['a', 'b', 'ü']) writeFileSync(join(directory, name), '')
    mkdirSync(join(directory, 'c'))
    const isPosix = process.platform === 'linux'
    if (isPosix) writeFileSync(Buffer.concat([Buffer.from(`${directory}/`), Buffer.of(0x78, 0xff)]), '')
    expect(await namesIn(directory)).toEqual(['a', 'b', 'c', ...(isPosix ? ['x\udcff'] : []), 'ü'].sort())
    expect(vi.mocked(readdir)).toHaveBeenCalledTimes(givesBytes ? 0 : 1)
  })

  it('are none in an empty one', async () => {
    expect(await namesIn(temporaryDirectory())).toEqual([])
  })

  it('fail with the error of the system', async () => {
    await expect(namesIn(join(temporaryDirectory(), 'missing'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
