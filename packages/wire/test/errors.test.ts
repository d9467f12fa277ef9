import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AbortError, printable, SshError, WireError } from '../src/index.js'

describe('SshError', () => {
  test('tells its code, layer, details and cause', () => {
    const cause = new Error('underneath')
    const error = new SshError('ERR_SSH_KEX_NO_MATCH', 'No common cipher', { details: { ours: ['a'] }, cause })
    expect(error).toMatchObject({ code: 'ERR_SSH_KEX_NO_MATCH', layer: 'kex', details: { ours: ['a'] }, cause })
    expect(new SshError('ERR_SFTP_NO_SUCH_FILE', '').layer).toBe('no')
    expect(new SshError('SOMETHING_ELSE', '').layer).toBe('ssh')
  })

  test('is named after its class, also when printed', () => {
    class SpecialError extends SshError {}
    expect(new SpecialError('ERR_SSH_X', 'message').name).toBe('SpecialError')
    expect(String(new WireError('ERR_SSH_WIRE_TRUNCATED', 'cut'))).toBe('WireError: cut')
    expect(inspect(new WireError('ERR_SSH_WIRE_TRUNCATED', 'cut'))).toContain('ERR_SSH_WIRE_TRUNCATED')
  })

  test('has no cause unless one was given', () => {
    expect('cause' in new SshError('ERR_SSH_X', '')).toBe(false)
    expect('cause' in new AbortError()).toBe(false)
    expect(new AbortError('why').cause).toBe('why')
  })

  test('keeps the plumbing out of what is printed', () => {
    const error = new WireError('ERR_SSH_WIRE_TRUNCATED', 'cut')
    expect(error.disconnectReason).toBe(2)
    expect(Object.keys(error)).toEqual(['code', 'details'])
    expect(JSON.parse(JSON.stringify(error))).toEqual({ code: 'ERR_SSH_WIRE_TRUNCATED', details: {} })
  })

  test('is recognised when another copy of the package made it', () => {
    expect(SshError.isSshError(new AbortError())).toBe(true)
    const foreign = Object.assign(new Error('from elsewhere'), { [Symbol.for('@ssh/wire.SshError')]: true })
    expect(SshError.isSshError(foreign)).toBe(true)
    for (const other of [new Error('plain'), null, undefined, 'text', 7, {}]) {
      expect(SshError.isSshError(other)).toBe(false)
    }
  })

  test('an abort looks like Node’s own', () => {
    expect(new AbortError()).toMatchObject({ name: 'AbortError', code: 'ABORT_ERR' })
  })
})

describe('printable', () => {
  test.each([
    ['escape sequences', '\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
    ['line ends', 'one\r\ntwo', 'one\\x0d\\x0atwo'],
    ['C1 controls', '\u009b31m', '\\x9b31m'],
    ['direction changes', 'a\u202eb\u2066', 'a\\u202eb\\u2066'],
    ['separators and invisible marks', '\u2028\u2029\u200b\ufeff', '\\u2028\\u2029\\u200b\\ufeff'],
    ['tag characters', '\u{e0041}', '\\u{e0041}'],
    ['half surrogates', 'a\ud83d', 'a\\ud83d'],
  ])('makes %s visible', (_, raw, shown) => {
    expect(printable(raw)).toBe(shown)
  })

  test('leaves ordinary text of any script alone', () => {
    for (const plain of ['plain', 'příliš žluťoučký', '日本語', '🐎', '%s%n']) expect(printable(plain)).toBe(plain)
  })

  test('cuts long text with a mark', () => {
    expect(printable('x'.repeat(300))).toBe(`${'x'.repeat(256)}…`)
    expect(printable('abcdef', 3)).toBe('abc…')
    expect(printable('abc', 3)).toBe('abc')
  })

  test('never lets a control or format character through, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) }),
        (raw) => {
          expect(printable(raw)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u)
        },
      ),
    )
  })
})
