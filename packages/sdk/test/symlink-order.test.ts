import { expect, test } from 'vitest'
import { symlinkOrderOf } from '../src/symlink-order.js'

test.each([
  ['SSH-2.0-OpenSSH_9.9', 'target-first'],
  ['SSH-2.0-Go', 'target-first'],
  ['SSH-2.0-paramiko_5.1.0', 'target-first'],
  ['SSH-2.0-libssh2_1.11.1', 'target-first'],
  ['', 'target-first'],
  ['SSH-2.0-AsyncSSH_2.24.1', 'link-first'],
  ['SSH-2.0-libssh_0.11.1', 'link-first'],
])('%s has the %s', (identification, order) => {
  expect(symlinkOrderOf(identification)).toBe(order)
})
