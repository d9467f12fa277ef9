import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { codeBlocks } from '../../scripts/docs/code-blocks.js'

const root = join(import.meta.dirname, '../../../..')

/** What a block may use without declaring it: the things that every reader of these pages has in mind. */
const surroundings = `
declare const conn: import('@ssh/sdk').SshClientConnection
declare const other: import('@ssh/sdk').SshClientConnection
declare const sftp: import('@ssh/sdk').SftpClient
declare const server: import('@ssh/sdk').SshServer
declare const channel: import('@ssh/wire').ByteChannel
declare const dir: string, file: string, pattern: string
declare const progress: (event: import('@ssh/sdk').SftpProgress) => void
declare const bar: { update(bytes: number): void }
`

const packages = readdirSync(join(root, 'packages'))
const published = ['wire', 'crypto', 'streams', 'conn', 'sftp', 'sdk']
const guide = 'packages/sdk/docs/guide'
const pages = [
  'README.md',
  ...packages.map((name) => `packages/${name}/README.md`),
  ...readdirSync(join(root, guide)).map((name) => `${guide}/${name}`),
].filter((path) => existsSync(join(root, path)))
const blocks = pages.flatMap((path) => codeBlocks(path, readFileSync(join(root, path), 'utf8')))
const fileOf = ({ path, line }: { path: string; line: number }) => `${path.replaceAll('/', '+')}+${line}.mts`

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'code-blocks-'))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.base.json'),
      compilerOptions: {
        noEmit: true,
        declaration: false,
        declarationMap: false,
        noUnusedLocals: false,
        noUnusedParameters: false,
        customConditions: ['@ssh/source'],
        paths: { '@ssh/*': [join(root, 'packages/*/src/index.ts')] },
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: ['*.mts', '*.d.ts'],
    }),
  )
  writeFileSync(join(folder, 'surroundings.d.ts'), surroundings)
  for (const block of blocks) writeFileSync(join(folder, fileOf(block)), block.program)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the code in READMEs and guides', () => {
  test('has the right types', { timeout: 120_000 }, () => {
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', '.', '--pretty', 'false'], {
      cwd: folder,
      encoding: 'utf8',
    })
    // What is wrong in the sources themselves is for check:types to say.
    const faults = stdout.split('\n').filter((line) => /^[^.]\S*\.mts\(/.test(line))
    expect(faults.map((line) => line.replace(/\+\d+\.mts/, '').replaceAll('+', '/'))).toEqual([])
  })

  test.each(blocks.filter(({ isRunnable }) => isRunnable))('runs: $path line $line', { timeout: 60_000 }, (block) => {
    const cwd = join(folder, fileOf(block).replace('.mts', ''))
    mkdirSync(cwd)
    const { status, stderr } = spawnSync(
      join(root, 'node_modules/.bin/tsx'),
      ['--conditions=@ssh/source', '--tsconfig', join(folder, 'tsconfig.json'), join(folder, fileOf(block))],
      { cwd, encoding: 'utf8', timeout: 50_000 },
    )
    expect(stderr.replace(/^npm .*\n/gm, '')).toBe('')
    expect(status).toBe(0)
  })

  test('every package shows a program that runs', () => {
    const without = published.filter(
      (name) => !blocks.some(({ path, isRunnable }) => isRunnable && path === `packages/${name}/README.md`),
    )
    expect(without).toEqual([])
  })
})
