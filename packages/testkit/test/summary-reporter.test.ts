import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { summaryLine } from '../src/summary-reporter.js'

test('skipped tests are named only when there are some', () => {
  expect(summaryLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed')
  expect(summaryLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped')
})

describe('the last line of a run', () => {
  let folder: string

  beforeAll(() => {
    // Inside the workspace, so that the run resolves vitest.
    folder = mkdtempSync(join(import.meta.dirname, '.run-'))
    const reporter = join(import.meta.dirname, '../src/summary-reporter.ts')
    const config = `export default { test: { reporters: ['default', ${JSON.stringify(reporter)}] } }\n`
    writeFileSync(join(folder, 'vitest.config.ts'), config)
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  function run(name: string, source: string): { lastLine: string | undefined; status: number | null } {
    const file = join(folder, `${name}.test.ts`)
    writeFileSync(file, `import { beforeAll, expect, test } from 'vitest'\n${source}\n`)
    const vitest = join(import.meta.dirname, '../../../node_modules/vitest/vitest.mjs')
    const { VITEST: _, ...env } = process.env
    const result = spawnSync(process.execPath, [vitest, 'run', file], { cwd: folder, encoding: 'utf8', env })
    rmSync(file)
    return { lastLine: result.stdout.trimEnd().split('\n').at(-1), status: result.status }
  }

  test('counts what passed, failed and was skipped', () => {
    const source = `
      test('a', () => {}); test('b', () => {})
      test('c', () => expect(1).toBe(2))
      test.skip('d', () => {}); test.todo('e')`
    expect(run('mixed', source)).toEqual({ lastLine: '2 passed, 1 failed, 2 skipped', status: 1 })
  })

  test('says 0 failed when all is well', () => {
    expect(run('well', `test('a', () => {})`)).toEqual({ lastLine: '1 passed, 0 failed', status: 0 })
  })

  test('counts a file that does not load as a failure', () => {
    expect(run('broken', `throw new Error('no')`)).toEqual({ lastLine: '0 passed, 1 failed', status: 1 })
  })

  test('counts an unhandled rejection as a failure', () => {
    const source = `test('a', async () => { void Promise.reject(new Error('lost')); await new Promise(setImmediate) })`
    expect(run('rejection', source)).toEqual({ lastLine: '1 passed, 1 failed', status: 1 })
  })

  test('counts a hook that throws as a failure', () => {
    const { lastLine, status } = run('hook', `beforeAll(() => { throw new Error('no') }); test('a', () => {})`)
    expect(lastLine).toMatch(/^0 passed, 1 failed/)
    expect(status).toBe(1)
  })
}, 60_000)
