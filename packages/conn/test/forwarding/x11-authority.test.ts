import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  encodeX11Authority,
  findX11Cookie,
  parseX11Authority,
  replaceX11Entries,
  withoutX11Entries,
  type X11AuthorityEntry,
  x11Families,
} from '../../src/forwarding/x11-authority.js'
import { cookieOfRequest, inventCookie, isSameCookie } from '../../src/forwarding/x11-cookie.js'

const local = (name: string) => ({ family: x11Families.local, address: Buffer.from(name) })
const entry = (change: Partial<X11AuthorityEntry> = {}): X11AuthorityEntry => ({
  ...local('here'),
  display: '0',
  protocol: 'MIT-MAGIC-COOKIE-1',
  data: Buffer.from('0123456789abcdef'),
  ...change,
})

/** What xauth 1.1.2 wrote for `add here/unix:10 . 000102…0f`. */
const written = Buffer.from(
  '0100000468657265000231300012' +
    Buffer.from('MIT-MAGIC-COOKIE-1').toString('hex') +
    '0010000102030405060708090a0b0c0d0e0f',
  'hex',
)

describe('Xauthority files', () => {
  test('are read and written as xauth has them', () => {
    const [found] = parseX11Authority(written, 'f')
    expect(found).toEqual({ ...entry(), display: '10', data: written.subarray(-16) })
    expect(encodeX11Authority(parseX11Authority(written, 'f'))).toEqual(written)
  })

  test('come back as they were written', () => {
    const entries = fc.array(
      fc.record({
        family: fc.integer({ min: 0, max: 0xffff }),
        address: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
        display: fc.nat({ max: 99 }).map(String),
        protocol: fc.constantFrom('MIT-MAGIC-COOKIE-1', 'XDM-AUTHORIZATION-1', ''),
        data: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      }),
    )
    fc.assert(
      fc.property(entries, (all) => {
        expect(parseX11Authority(encodeX11Authority(all), 'f')).toEqual(all)
      }),
    )
  })

  test('that end within an entry are refused by name', () => {
    for (let length = 1; length < written.length; length++) {
      expect(() => parseX11Authority(written.subarray(0, length), '/home/x/.Xauthority')).toThrow(
        expect.objectContaining({
          code: 'ERR_SSH_X11_MALFORMED_AUTHORITY',
          message: expect.stringContaining('/home/x/.Xauthority'),
        }),
      )
    }
  })

  test('have a bounded number of entries', () => {
    expect(() => parseX11Authority(Buffer.alloc(10 * 16_385), 'f')).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_X11_MALFORMED_AUTHORITY' }),
    )
  })

  test('the first entry that fits host, display and protocol is taken', () => {
    const find = (entries: readonly X11AuthorityEntry[]) => findX11Cookie(entries, [local('here')], 0)?.toString()
    expect(find([])).toBeUndefined()
    expect(find([entry()])).toBe('0123456789abcdef')
    expect(find([entry({ display: '' })])).toBe('0123456789abcdef')
    expect(find([entry({ family: x11Families.wild, address: Buffer.alloc(0) })])).toBe('0123456789abcdef')
    expect(find([entry({ display: '1' })])).toBeUndefined()
    expect(find([entry(local('there'))])).toBeUndefined()
    expect(find([entry({ family: x11Families.internet })])).toBeUndefined()
    expect(find([entry({ protocol: 'XDM-AUTHORIZATION-1' })])).toBeUndefined()
    expect(find([entry({ data: Buffer.alloc(0) })])).toBeUndefined()
    expect(find([entry({ data: Buffer.alloc(65) })])).toBeUndefined()
    expect(find([entry({ display: '1' }), entry({ data: Buffer.from('a') }), entry()])).toBe('a')
  })

  test('an entry takes the place of that of the same display, and only it is taken back', () => {
    const old = entry({ data: Buffer.from('old') })
    const other = entry({ display: '1' })
    const mine = entry({ data: Buffer.from('mine') })
    expect(replaceX11Entries([old, other], [mine])).toEqual([other, mine])
    expect(withoutX11Entries([other, mine], [mine])).toEqual([other])
    // Somebody else has put a new one there meanwhile.
    expect(withoutX11Entries([other, old], [mine])).toEqual([other, old])
  })
})

describe('cookies', () => {
  test('are the same only when they are', () => {
    const cookie = inventCookie()
    expect(cookie.length).toBe(16)
    expect(isSameCookie(cookie, Buffer.from(cookie))).toBe(true)
    expect(isSameCookie(cookie, inventCookie())).toBe(false)
    expect(isSameCookie(cookie, cookie.subarray(1))).toBe(false)
    expect(isSameCookie(cookie, Buffer.alloc(0))).toBe(false)
  })

  test.for([
    ['another protocol', 'XDM-AUTHORIZATION-1', 'aa'],
    ['a protocol with a newline', 'MIT-MAGIC-COOKIE-1\n', 'aa'],
    ['a newline', 'MIT-MAGIC-COOKIE-1', 'aa\nadd :0 . bb'],
    ['a newline at the end', 'MIT-MAGIC-COOKIE-1', 'aa\n'],
    ['no digits', 'MIT-MAGIC-COOKIE-1', ''],
    ['half a byte', 'MIT-MAGIC-COOKIE-1', 'aaa'],
    ['no hexadecimal digit', 'MIT-MAGIC-COOKIE-1', 'zz'],
    ['too many digits', 'MIT-MAGIC-COOKIE-1', 'a'.repeat(130)],
  ] as const)('a request with %s has none (D13)', ([, authenticationProtocol, authenticationCookie]) => {
    expect(cookieOfRequest({ authenticationProtocol, authenticationCookie })).toBeUndefined()
  })

  test('a request with hexadecimal digits has one', () => {
    const request = { authenticationProtocol: 'MIT-MAGIC-COOKIE-1', authenticationCookie: '00fFa1' }
    expect(cookieOfRequest(request)).toEqual(Buffer.of(0, 0xff, 0xa1))
  })
})
