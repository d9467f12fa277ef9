import { expect, test } from 'vitest'
import { SftpError } from '../../src/errors.js'
import { statusCodes, statusOf, statusRow } from '../../src/protocol/status.js'

test('what a version 3 status says survives the way to a client and its error', () => {
  for (const code of ['ENOENT', 'EACCES', 'ENOTSUP', 'ERR_SFTP_EOF', 'ERR_SFTP_BAD_MESSAGE']) {
    expect(statusRow(statusOf(code)).code).toBe(code)
  }
})

test('what version 3 has no status for is a failure', () => {
  for (const code of ['EEXIST', 'ENOTEMPTY', 'ENOSPC', 'EISDIR', '__proto__']) {
    expect(statusOf(code)).toBe(statusCodes.failure)
  }
})

test('statuses of later versions have the codes of fs', () => {
  expect([11, 14, 18, 19, 21, 24].map((status) => statusRow(status).code)).toEqual([
    'EEXIST',
    'ENOSPC',
    'ENOTEMPTY',
    'ENOTDIR',
    'ELOOP',
    'EISDIR',
  ])
  expect(statusRow(4_000_000_000).code).toBe('ERR_SFTP_FAILURE')
})

test('E14: an error tells what failed and what the server said, made printable', () => {
  const error = SftpError.fromStatus(4, 'no\x1b[2J way', { operation: 'write', path: 'a\nb', offset: 32768 })
  expect(error.message).toBe('ERR_SFTP_FAILURE: no\\x1b[2J way, write at offset 32768: "a\\x0ab"')
  expect(error).toMatchObject({ code: 'ERR_SFTP_FAILURE', status: 4, path: 'a\nb', details: { offset: 32768 } })
  expect(error.serverText).toBe('no\\x1b[2J way')
  expect(error.layer).toBe('sftp')
})
