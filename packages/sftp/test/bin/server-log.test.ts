import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { logLines } from '../../src/bin/log-lines.js'
import { type LogLevel, ServerLog } from '../../src/bin/server-log.js'
import type { SftpRequestEvent } from '../../src/server/request-event.js'
import { temporaryDirectory } from '../temporary-directory.js'

describe('levels', () => {
  test.each<[LogLevel, LogLevel[]]>([
    ['QUIET', []],
    ['FATAL', ['FATAL']],
    ['ERROR', ['FATAL', 'ERROR']],
    ['INFO', ['FATAL', 'ERROR', 'INFO']],
    ['VERBOSE', ['FATAL', 'ERROR', 'INFO', 'VERBOSE']],
    ['DEBUG', ['FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG1']],
    ['DEBUG1', ['FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG1']],
    ['DEBUG3', ['FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG1', 'DEBUG2', 'DEBUG3']],
  ])('%s lets through %j', (level, wanted) => {
    const log = new ServerLog({ level, facility: 'AUTH', toStderr: true })
    const all: LogLevel[] = ['QUIET', 'FATAL', 'ERROR', 'INFO', 'VERBOSE', 'DEBUG', 'DEBUG1', 'DEBUG2', 'DEBUG3']
    expect(all.filter((one) => log.wants(one))).toEqual(wanted)
  })
})

describe.skipIf(process.platform === 'win32')('the log of the system', () => {
  /** A `logger` that writes down its arguments and what it was given. */
  function fakeLogger(): string {
    const folder = temporaryDirectory()
    mkdirSync(join(folder, 'bin'))
    writeFileSync(join(folder, 'bin/logger'), `#!/bin/sh\necho "$@" >> "${folder}/said"\ncat >> "${folder}/said"\n`)
    chmodSync(join(folder, 'bin/logger'), 0o755)
    const { PATH } = process.env
    process.env.PATH = `${join(folder, 'bin')}:${PATH}`
    onTestFinished(() => {
      process.env.PATH = PATH
    })
    return join(folder, 'said')
  }

  test('gets lines by logger(1), with facility and priority', async () => {
    const said = fakeLogger()
    const log = new ServerLog({ level: 'INFO', facility: 'LOCAL3', toStderr: false })
    log.write({ level: 'INFO', text: 'one' })
    log.write({ level: 'VERBOSE', text: 'not wanted' })
    log.write({ level: 'INFO', text: 'two' })
    log.end()
    const read = () => {
      try {
        return readFileSync(said, 'utf8')
      } catch {
        return ''
      }
    }
    await expect.poll(read).toBe(`-t sftp-server[${process.pid}] -p local3.info\none\ntwo\n`)
  })

  test('is done without where there is no logger', async () => {
    const { PATH } = process.env
    process.env.PATH = '/nonexistent'
    onTestFinished(() => {
      process.env.PATH = PATH
    })
    const log = new ServerLog({ level: 'INFO', facility: 'AUTH', toStderr: false })
    for (let line = 0; line < 3; line++) {
      log.write({ level: 'INFO', text: 'nobody reads this' })
      await new Promise((resolve) => setImmediate(resolve))
    }
    log.end()
  })
})

test.each<[SftpRequestEvent, string[]]>([
  [{ request: 'open', path: '/a', flags: 0x1a, attrs: {} }, ['INFO open "/a" flags WRITE,CREATE,TRUNCATE mode 0666']],
  [
    { request: 'open', path: '/a', flags: 1, attrs: { permissions: 0o640 }, code: 'ENOENT' },
    ['INFO open "/a" flags READ mode 0640', 'INFO sent status No such file'],
  ],
  [{ request: 'close', path: '/a', total: { read: 1, written: 2 } }, ['INFO close "/a" bytes read 1 written 2']],
  [
    { request: 'close', path: '/a', total: { read: 1, written: 2 }, isForced: true },
    ['INFO forced close "/a" bytes read 1 written 2'],
  ],
  [{ request: 'close', path: '/d' }, ['INFO closedir "/d"']],
  [{ request: 'read', path: '/a', bytes: 0 }, ['DEBUG read "/a"']],
  [{ request: 'mkdir', path: 'd', attrs: { permissions: 0o40755 } }, ['INFO mkdir name "d" mode 0755']],
  [
    { request: 'setstat', path: 'd', attrs: { permissions: 0o644, uid: 1, gid: 2 } },
    ['INFO set "d" mode 0644', 'INFO set "d" owner 1 group 2'],
  ],
  [
    { request: 'rename', path: 'a', newPath: 'b', code: 'EEXIST' },
    ['INFO rename old "a" new "b"', 'INFO sent status Failure'],
  ],
  [
    { request: 'write', path: 'a', code: 'EROFS', refused: 'read-only' },
    ['VERBOSE Refusing write request in read-only mode', 'INFO sent status Permission denied'],
  ],
  [
    { request: 'write', path: 'a', code: 'EACCES', refused: 'denied' },
    ['VERBOSE Refusing denylisted write request', 'INFO sent status Permission denied'],
  ],
])('%j is logged as OpenSSH does', (event, lines) => {
  expect(logLines(event).map(({ level, text }) => `${level} ${text}`)).toEqual(lines)
})

test('a name makes no lines of its own, and says nothing to a terminal', () => {
  const path = 'a\nopen "/etc/passwd"\x1b[2J'
  const [line, ...others] = logLines({ request: 'remove', path })
  expect(others).toEqual([])
  expect([...(line?.text ?? '')].filter((character) => character < ' ')).toEqual([])
})
