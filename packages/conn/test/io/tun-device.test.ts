import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = join(import.meta.dirname, '../fixtures/without-descriptors.ts')
const flags = ['--unhandled-rejections=strict', '--import', 'tsx', '--conditions=@ssh/source']

test.runIf(process.platform === 'linux').each([0, 2, 4])(
  'a tunnel for which there are only %i descriptors is an error, and not the end of the process (H7)',
  async (left) => {
    const argv = [process.execPath, ...flags, program, String(left)]
    const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 256; exec "$@"', 'sh', ...argv], {
      timeout: 30_000,
    })
    expect(stdout).toBe('ERR_SSH_TUN_DEVICE')
  },
  40_000,
)
