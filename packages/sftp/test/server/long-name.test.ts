import { expect, test } from 'vitest'
import { fileTypes } from '../../src/protocol/attrs.js'
import { longName } from '../../src/server/long-name.js'

const june = new Date(2026, 5, 15, 12, 30).getTime()

test('a recent file shows its time of day, an old one its year', () => {
  const attrs = { permissions: fileTypes.file | 0o644, uid: 1000, gid: 100, size: 4096, mtime: june / 1000 }
  expect(longName('name', attrs, june)).toBe('-rw-r--r--    1 1000     100          4096 Jun 15 12:30 name')
  expect(longName('name', attrs, june + 365 * 86_400_000)).toContain(' Jun 15  2026 name')
  expect(longName('name', attrs, june - 1)).toContain(' Jun 15  2026 name')
})

test.each([
  [fileTypes.directory | 0o1777, 'drwxrwxrwt'],
  [fileTypes.symlink | 0o777, 'lrwxrwxrwx'],
  [fileTypes.file | 0o4755, '-rwsr-xr-x'],
  [fileTypes.file | 0o6644, '-rwSr-Sr--'],
  [fileTypes.socket | 0o1000, 's--------T'],
])('mode %o', (permissions, text) => {
  expect(longName('x', { permissions }, june)).toMatch(new RegExp(`^${text} `))
})

test('what the attributes do not say is a question mark, and owners may have names', () => {
  expect(longName('x', {}, june)).toMatch(/^\?{10} +1 \? +\? +0 \? +x$/)
  const owners = { user: () => 'alice', group: () => 'staff' }
  expect(longName('x', { uid: 1, gid: 2 }, june, owners)).toContain(' alice    staff    ')
})
