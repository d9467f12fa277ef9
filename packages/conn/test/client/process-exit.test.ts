import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = join(import.meta.dirname, '../fixtures/leave.ts')
const flags = ['--unhandled-rejections=strict', '--import', 'tsx', '--conditions=@ssh/source']

test.concurrent.each(['run', 'failure', 'abort', 'broken', 'unref'])(
  'a process ends by itself after: %s',
  async (scenario) => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [...flags, program, scenario], {
      timeout: 90_000,
    })
    expect(stderr).toBe('')
    expect(Number(stdout)).toBeLessThan(1500)
  },
  120_000,
)
