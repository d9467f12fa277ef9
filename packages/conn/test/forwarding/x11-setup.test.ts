import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeX11Refusal, encodeX11Setup, type X11Setup, X11SetupReader } from '../../src/forwarding/x11-setup.js'

const setups = fc.record({
  byteOrder: fc.constantFrom('big' as const, 'little' as const),
  majorVersion: fc.integer({ min: 0, max: 0xffff }),
  minorVersion: fc.integer({ min: 0, max: 0xffff }),
  authorizationProtocol: fc.string({
    unit: fc.integer({ min: 32, max: 126 }).map((code) => String.fromCharCode(code)),
  }),
  authorizationData: fc.uint8Array({ maxLength: 1024 }).map((bytes) => Buffer.from(bytes)),
})

describe('the first message of an X client', () => {
  test('is the same however it is cut, and what follows is left as it is', () => {
    fc.assert(
      fc.property(setups, fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (setup, more, size) => {
        const bytes = encodeX11Setup(setup)
        const stream = Buffer.concat([bytes, more])
        const reader = new X11SetupReader()
        let at = 0
        let read: ReturnType<X11SetupReader['receive']>
        while (read === undefined) {
          read = reader.receive(stream.subarray(at, at + size))
          at += size
        }
        expect({ ...read.setup, authorizationData: Buffer.from(read.setup.authorizationData) }).toEqual(setup)
        expect(read.length).toBe(bytes.length)
        expect(Buffer.concat([read.rest, stream.subarray(at)])).toEqual(Buffer.from(more))
      }),
    )
  })

  test('has its fields where the protocol says, in either order of bytes', () => {
    const setup: X11Setup = {
      byteOrder: 'big',
      majorVersion: 11,
      minorVersion: 0,
      authorizationProtocol: 'ABCDE',
      authorizationData: Buffer.of(1, 2, 3),
    }
    const fields = '000b 0000 0005 0003 0000 4142434445 000000 010203 00'.replaceAll(' ', '')
    expect(Buffer.from(encodeX11Setup(setup)).toString('hex')).toBe(`4200${fields}`)
    const little = '0b00 0000 0500 0300 0000 4142434445 000000 010203 00'.replaceAll(' ', '')
    expect(Buffer.from(encodeX11Setup({ ...setup, byteOrder: 'little' })).toString('hex')).toBe(`6c00${little}`)
  })

  test.for([
    ['a first byte that is no order', Buffer.from('GET / HTTP/1.1')],
    ['a name that is too long', Buffer.from([0x42, 0, 0, 11, 0, 0, 1, 1, 0, 16, 0, 0])],
    ['data that is too long', Buffer.from([0x6c, 0, 11, 0, 0, 0, 18, 0, 1, 4, 0, 0])],
  ] as const)('%s is refused before it is held', ([, bytes]) => {
    expect(() => new X11SetupReader().receive(bytes)).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_X11_MALFORMED_SETUP' }),
    )
  })

  test('any bytes are a setup, a wait for more, or a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          new X11SetupReader().receive(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_SSH_X11_MALFORMED_SETUP' })
        }
      }),
    )
  })

  test('a refusal says why in the order of bytes of whoever asked', () => {
    expect(Buffer.from(encodeX11Refusal('big', 'No!')).toString('hex')).toBe('0003000b000000014e6f2100')
    expect(Buffer.from(encodeX11Refusal('little', 'No!')).toString('hex')).toBe('00030b00000001004e6f2100')
    expect(encodeX11Refusal('big', 'x'.repeat(1000)).length).toBe(8 + 256)
  })
})
