import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeFileName } from '../../src/protocol/file-name.js'
import { encodeEntry, encodeFailure, encodeTimes, maximumLineLength, parseRecord } from '../../src/scp/records.js'

const parse = (text: string) => parseRecord(Buffer.from(text, 'latin1'))

describe('records', () => {
  test('a file, a directory, times and an end are read', () => {
    expect(parse('C0644 12 a file')).toEqual({ type: 'file', permissions: 0o644, size: 12, name: 'a file' })
    expect(parse('D0755 0 dir')).toEqual({ type: 'directory', permissions: 0o755, name: 'dir' })
    expect(parse('T1700000000 0 1600000000 999999')).toEqual({ type: 'times', mtime: 1700000000, atime: 1600000000 })
    expect(parse('E')).toEqual({ type: 'end' })
  })

  test('of a mode only the permission bits are believed', () => {
    expect(parse('C104755 0 x')).toMatchObject({ permissions: 0o4755 })
    expect(parse('D777777 0 x')).toMatchObject({ permissions: 0o7777 })
  })

  test.each([
    '',
    'X',
    'EE',
    'C644',
    'C0644',
    'C0644 1',
    'C0644 -1 x',
    'C0644 +1 x',
    'C0644 0x10 x',
    'C0644 1.5 x',
    'C0888 1 x',
    'C-644 1 x',
    'C0644  1 x',
    'C0644 1e3 x',
    'C0644 123456789012345678901 x',
    'T1 0 1',
    'T-1 0 1 0',
    'T1 0 1 0 ',
    'T1 9999999 1 0',
    'T1234567890123 0 1 0',
    'c0644 1 x',
    ' C0644 1 x',
  ])('%j is no record', (text) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'ERR_SFTP_PROTOCOL' }))
  })

  test('a size that a number cannot hold exactly is refused, and the greatest one is not', () => {
    expect(parse(`C0644 ${2 ** 53 - 1} x`)).toMatchObject({ size: 2 ** 53 - 1 })
    for (const size of ['9007199254740992', '18446744073709551615', '9223372036854775808']) {
      expect(() => parse(`C0644 ${size} x`)).toThrow(expect.objectContaining({ code: 'ERR_SFTP_UNSAFE_INTEGER' }))
    }
  })

  test('what was printed in place of a record is shown harmlessly', () => {
    expect(() => parse('\x1b[31mWelcome')).toThrow(/"\\x1b\[31mWelcome"/)
  })

  test('any bytes are a record or a typed error', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.constantFrom('', 'C', 'D', 'T', 'E', 'C0644 ', '\x01'),
        (bytes, head) => {
          try {
            expect(parseRecord(Buffer.concat([Buffer.from(head), bytes]))).toHaveProperty('type')
          } catch (error) {
            expect(error).toHaveProperty('code', expect.stringMatching(/^ERR_SFTP_(PROTOCOL|UNSAFE_INTEGER)$/))
          }
        },
      ),
    )
  })

  test('every name of bytes without a line break comes back from its record', () => {
    const name = fc
      .uint8Array({ minLength: 1, maxLength: 40 })
      .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0 && byte !== 10)))
      .filter((bytes) => bytes.length > 0)
    fc.assert(
      fc.property(name, fc.integer({ min: 0, max: 0o7777 }), fc.maxSafeNat(), (bytes, permissions, size) => {
        const line = Buffer.concat([Buffer.from(`C0644 ${size} `), bytes])
        const read = parseRecord(line)
        if (read.type !== 'file') throw new Error('no file')
        expect(Buffer.from(encodeFileName(read.name))).toEqual(bytes)
        expect(Buffer.from(encodeEntry({ ...read, permissions: 0o644 }))).toEqual(
          Buffer.concat([line, Buffer.from('\n')]),
        )
        expect(parseRecord(encodeEntry({ ...read, permissions }).subarray(0, -1))).toEqual({ ...read, permissions })
      }),
    )
  })

  test('a name that a line cannot hold is refused before anything is sent', () => {
    const file = { type: 'file', permissions: 0o644, size: 0 } as const
    expect(() => encodeEntry({ ...file, name: 'a\nb' })).toThrow(expect.objectContaining({ code: 'EINVAL' }))
    expect(() => encodeEntry({ ...file, name: 'x'.repeat(maximumLineLength) })).toThrow(
      expect.objectContaining({ code: 'ENAMETOOLONG' }),
    )
  })

  test('times are whole seconds, and none before 1970', () => {
    expect(Buffer.from(encodeTimes({ mtime: 1.9, atime: -5 })).toString()).toBe('T1 0 0 0\n')
  })

  test('a message stays one line', () => {
    expect(Buffer.from(encodeFailure('warning', 'a\nb: No such file or directory')).toString()).toBe(
      '\x01scp: a?b: No such file or directory\n',
    )
  })
})

describe('what a remote scp says', () => {
  test.each([
    ['\x01scp: /x/y: No such file or directory', 'ENOENT', 'scp: /x/y: No such file or directory'],
    ['\x01scp: a: b: Permission denied', 'EACCES', 'scp: a: b: Permission denied'],
    ['\x02pscp: no space: No space left on device', 'ENOSPC', 'pscp: no space: No space left on device'],
    ['\x01No such file or directory: x', 'ERR_SFTP_FAILURE', 'No such file or directory: x'],
    ['\x01scp: x: not a regular file', 'EINVAL', 'scp: x: not a regular file'],
    ['\x02scp: protocol error: bad mode', 'ERR_SFTP_FAILURE', 'scp: protocol error: bad mode'],
    ['\x01\x1b]0;title\x07: Is a directory', 'EISDIR', '\\x1b]0;title\\x07: Is a directory'],
    ['\x01', 'ERR_SFTP_FAILURE', ''],
  ])('%j is %s', (line, code, serverText) => {
    const record = parse(line)
    expect(record).toMatchObject({ type: 'failure', isFatal: line[0] === '\x02', error: { code, serverText } })
  })
})
