import { describe, expect, test } from 'vitest'
import { IdentificationReader, identificationBytes } from '../../src/transport/identification.js'
import type { Role } from '../../src/transport/role.js'

/** Feeds text in chunks of `size`; gives the identification and the rest, or the error's code. */
function read(role: Role, text: string, size = text.length || 1) {
  const reader = new IdentificationReader(role)
  const bytes = Buffer.from(text, 'latin1')
  try {
    for (let offset = 0; offset < bytes.length; offset += size) {
      const found = reader.push(bytes.subarray(offset, offset + size))
      if (found === undefined) continue
      const rest = Buffer.concat([found.rest, bytes.subarray(offset + size)]).toString('latin1')
      return { text: found.identification.text, rest }
    }
    return 'incomplete'
  } catch (error) {
    return (error as { code: string }).code
  }
}

const notSsh = 'ERR_SSH_TRANSPORT_NOT_SSH'
const malformed = 'ERR_SSH_TRANSPORT_IDENTIFICATION_MALFORMED'
const unsupported = 'ERR_SSH_TRANSPORT_VERSION_UNSUPPORTED'

describe('our own identification', () => {
  test('is SSH-2.0 and the software version', () => {
    expect(String(identificationBytes('Sdk_1.0 some comment'))).toBe('SSH-2.0-Sdk_1.0 some comment')
  })

  test.each(['', 'with-hyphen', 'line\nend', 'ünicode', ' leading', 'x'.repeat(250)])('is never %j', (software) => {
    expect(() => identificationBytes(software)).toThrow(expect.objectContaining({ code: 'ERR_SSH_OPTIONS_INVALID' }))
  })
})

describe.each(['client', 'server'] as const)("a %s reading the peer's identification", (role) => {
  test('finds it in any chunks and leaves what follows', () => {
    for (const size of [1, 2, 7, 100]) {
      const found = read(role, 'SSH-2.0-OpenSSH_9.9 Debian-1\r\nrest', size)
      expect(found).toEqual({ text: 'SSH-2.0-OpenSSH_9.9 Debian-1', rest: 'rest' })
    }
  })

  test('takes a line of 255 bytes and no longer', () => {
    const longest = `SSH-2.0-${'x'.repeat(245)}`
    expect(read(role, `${longest}\r\n`)).toEqual({ text: longest, rest: '' })
    expect(read(role, `${longest}x\r\n`)).toBe(malformed)
    expect(read(role, `SSH-2.0-${'x'.repeat(300)}`, 1)).toBe(malformed)
  })

  test.each(['SSH-1.5-old', 'SSH-1.0-old', 'SSH-3.0-new', 'SSH-20-x'])('refuses %s as another version', (line) => {
    expect(read(role, `${line}\r\n`)).toBe(unsupported)
  })

  test('refuses a NUL byte', () => {
    expect(read(role, 'SSH-2.0-x\0\r\n')).toBe(malformed)
  })

  test('shows no control characters of it', () => {
    const found = read(role, 'SSH-2.0-x\x1b[31m\r\n')
    expect(found).toEqual({ text: 'SSH-2.0-x\\x1b[31m', rest: '' })
  })
})

describe('a client', () => {
  test('takes SSH-1.99 and a bare line feed', () => {
    expect(read('client', 'SSH-1.99-Cisco\r\n')).toEqual({ text: 'SSH-1.99-Cisco', rest: '' })
    expect(read('client', 'SSH-2.0-old\nrest')).toEqual({ text: 'SSH-2.0-old', rest: 'rest' })
  })

  test('skips up to 1024 lines of 8 KiB before it', () => {
    const line = `${'x'.repeat(8190)}\r\n`
    expect(read('client', `${line.repeat(1024)}SSH-2.0-x\r\n`, 60_000)).toEqual({ text: 'SSH-2.0-x', rest: '' })
    expect(read('client', `${'hello\r\n'.repeat(1025)}SSH-2.0-x\r\n`)).toBe(notSsh)
    expect(read('client', `x${line}SSH-2.0-x\r\n`)).toBe(malformed)
  })

  test('tells a web server at once', () => {
    expect(read('client', 'HTTP/1.1 400 Bad Request\r\n')).toBe(notSsh)
  })
})

describe('a server', () => {
  test.each([
    ['a line before it', 'hello\r\nSSH-2.0-x\r\n', notSsh],
    ['another case', 'ssh-2.0-x\r\n', notSsh],
    ['HTTP', 'GET / HTTP/1.1\r\n', notSsh],
    ['TLS', '\x16\x03\x01\x02\x00', notSsh],
    ['a bare line feed', 'SSH-2.0-x\n', malformed],
    ['SSH-1.99', 'SSH-1.99-x\r\n', unsupported],
  ])('refuses %s', (_, text, code) => {
    for (const size of [1, 100]) expect(read('server', text, size)).toBe(code)
  })

  test('does not wait for the end of a line that cannot be SSH', () => {
    expect(read('server', 'G')).toBe(notSsh)
  })

  test('says what it found, safe to print', () => {
    const reader = new IdentificationReader('server')
    const bytes = Buffer.from('GET /\x1b[0m HTTP/1.1\r\nHost: x\r\n')
    expect(() => reader.push(bytes)).toThrow(/found "GET \/\\x1b\[0m HTTP\/1.1.*HTTP: check host and port/)
  })
})
