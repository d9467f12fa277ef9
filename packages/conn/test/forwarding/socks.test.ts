import { openFailureReasons } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SocksParser, type SocksStep, socksFailure, socksSuccess } from '../../src/forwarding/socks.js'

const text = (value: string): number[] => [...Buffer.from(value)]
const greeting = [5, 1, 0]
const socks5 = (addressType: number, address: number[], port = 443, command = 1) => [
  ...[5, command, 0, addressType, ...address],
  ...[port >> 8, port & 255],
]
const domain = (name: string) => [Buffer.byteLength(name), ...text(name)]
const socks4 = (address: number[], rest: number[], port = 443, command = 1) => [
  ...[4, command, port >> 8, port & 255],
  ...address,
  ...rest,
]

/** Feeds chunks until something is decided. */
function feed(chunks: readonly Uint8Array[]) {
  const parser = new SocksParser()
  const replies: number[] = []
  let step: SocksStep = { type: 'more', reply: new Uint8Array(0) }
  let given = 0
  for (const chunk of chunks) {
    step = parser.receive(chunk)
    given++
    replies.push(...step.reply)
    if (step.type !== 'more') break
  }
  return { step, replies, rest: step.type === 'request' ? remainder(chunks, given, step.used) : [] }
}

/** What is for the destination: the rest of the chunk that completed the request, and all behind it. */
function remainder(chunks: readonly Uint8Array[], given: number, used: number): number[] {
  return [...(chunks[given - 1] ?? []).slice(used), ...chunks.slice(given).flatMap((chunk) => [...chunk])]
}

const requests: readonly [name: string, bytes: number[], host: string, port: number, replies: number[]][] = [
  ['SOCKS 5 with a name', [...greeting, ...socks5(3, domain('example.org'))], 'example.org', 443, [5, 0]],
  ['SOCKS 5 with several methods', [5, 3, 2, 1, 0, ...socks5(1, [192, 0, 2, 7], 80)], '192.0.2.7', 80, [5, 0]],
  [
    'SOCKS 5 with IPv6',
    [...greeting, ...socks5(4, [0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 1], 65535)],
    '2001:db8::1',
    65535,
    [5, 0],
  ],
  [
    'SOCKS 5 with an IPv4 address in IPv6 form',
    [...greeting, ...socks5(4, [...Array<number>(10).fill(0), 255, 255, 192, 0, 2, 7], 80)],
    '::ffff:192.0.2.7',
    80,
    [5, 0],
  ],
  ['SOCKS 5 with the longest name', [...greeting, ...socks5(3, domain('a'.repeat(255)))], 'a'.repeat(255), 443, [5, 0]],
  ['SOCKS 4', socks4([192, 0, 2, 7], [...text('me'), 0]), '192.0.2.7', 443, []],
  ['SOCKS 4 without a user', socks4([0, 0, 0, 0], [0], 1), '0.0.0.0', 1, []],
  ['SOCKS 4a', socks4([0, 0, 0, 1], [0, ...text('example.org'), 0]), 'example.org', 443, []],
  [
    'SOCKS 4a with the longest texts',
    socks4([0, 0, 0, 255], [...text('u'.repeat(255)), 0, ...text('h'.repeat(255)), 0]),
    'h'.repeat(255),
    443,
    [],
  ],
]

describe('a SOCKS request', () => {
  test.each(requests)('of %s is understood, and what follows it is left alone', (_name, bytes, host, port, replies) => {
    const payload = text('GET / HTTP/1.1')
    const result = feed([Uint8Array.from([...bytes, ...payload])])
    expect(result.step).toMatchObject({ type: 'request', request: { host, port } })
    expect(result.replies).toEqual(replies)
    expect(result.rest).toEqual(payload)
  })

  test.each(requests)('of %s is the same in any portions, and nothing is decided before its end', (_name, bytes) => {
    const payload = text('payload')
    const whole = feed([Uint8Array.from([...bytes, ...payload])])
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length + payload.length), { maxLength: 12 }), (cuts) => {
        const all = Uint8Array.from([...bytes, ...payload])
        const bounds = [0, ...[...cuts].sort((a, b) => a - b), all.length]
        const chunks = bounds.slice(1).map((end, index) => all.slice(bounds[index], end))
        const result = feed(chunks)
        expect(result.replies).toEqual(whole.replies)
        expect(result.rest).toEqual(payload)
        expect(result.step).toMatchObject({ type: 'request' })
      }),
      { numRuns: 50 },
    )
    for (let length = 0; length < bytes.length; length++) {
      expect(feed([Uint8Array.from(bytes.slice(0, length))]).step.type, `${length} bytes`).toBe('more')
    }
  })

  test('whatever comes, there is an answer, and no more is kept than a request has', () => {
    const versions = fc.constantFrom(4, 5, 0, 0x47, 255)
    const some = fc
      .tuple(versions, fc.uint8Array({ maxLength: 600 }), fc.boolean())
      .map(([version, bytes, greets]) => [...(greets ? greeting : []), version, ...bytes])
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 100 }), (bytes, size) => {
        const chunks: Uint8Array[] = []
        for (let at = 0; at < bytes.length; at += size) chunks.push(Uint8Array.from(bytes.slice(at, at + size)))
        const { step } = feed(chunks)
        if (step.type === 'request') {
          expect(step.request.port).toBeGreaterThan(0)
          expect(step.request.host).toMatch(/^[^\p{Cc}\p{Z}]{1,255}$/u)
        }
        if (step.type === 'more') expect(bytes.length).toBeLessThan(8 + 256 + 256 + greeting.length + 255)
      }),
    )
  })

  test.each<[string, number[], number[]]>([
    ['nothing but authentication', [5, 2, 1, 2], [5, 0xff]],
    ['no method at all', [5, 0], [5, 0xff]],
    ['BIND by SOCKS 5', [...greeting, ...socks5(1, [1, 2, 3, 4], 80, 2)], [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['UDP by SOCKS 5', [...greeting, ...socks5(1, [1, 2, 3, 4], 80, 3)], [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['an unknown kind of address', [...greeting, ...socks5(9, [1, 2])], [5, 0, 5, 8, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['an empty name', [...greeting, ...socks5(3, [0])], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['a name with a zero', [...greeting, ...socks5(3, domain('a\0b'))], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['a name that is no text', [...greeting, ...socks5(3, [2, 0xc3, 0x28])], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['port 0', [...greeting, ...socks5(1, [1, 2, 3, 4], 0)], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['a change of version', [...greeting, 4, 1], [5, 0, 5, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
    ['BIND by SOCKS 4', socks4([1, 2, 3, 4], [0], 80, 2), [0, 0x5b, 0, 0, 0, 0, 0, 0]],
    ['an endless user name', socks4([1, 2, 3, 4], text('u'.repeat(256))), [0, 0x5b, 0, 0, 0, 0, 0, 0]],
    ['an endless host name', socks4([0, 0, 0, 1], [0, ...text('h'.repeat(256))]), [0, 0x5b, 0, 0, 0, 0, 0, 0]],
    ['a name with a line break', socks4([0, 0, 0, 1], [0, ...text('a\r\nb'), 0]), [0, 0x5b, 0, 0, 0, 0, 0, 0]],
    ['HTTP', text('GET / HTTP/1.1\r\n'), []],
  ])('for %s is refused in the words of its version', (_name, bytes, replies) => {
    const result = feed([Uint8Array.from(bytes)])
    expect(result.step).toMatchObject({ type: 'refused', error: { code: 'ERR_SSH_SOCKS_REFUSED' } })
    expect(result.replies).toEqual(replies)
  })
})

describe('the reply', () => {
  test('says success, or why not', () => {
    expect([...socksSuccess(4)]).toEqual([0, 0x5a, 0, 0, 0, 0, 0, 0])
    expect([...socksSuccess(5)]).toEqual([5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
    const { administrativelyProhibited, connectFailed, unknownChannelType, resourceShortage } = openFailureReasons
    const codes = [administrativelyProhibited, connectFailed, unknownChannelType, resourceShortage, 4711, undefined]
    expect(codes.map((reason) => socksFailure(5, reason)[1])).toEqual([2, 5, 7, 1, 1, 1])
    expect(codes.map((reason) => socksFailure(4, reason)[1])).toEqual(codes.map(() => 0x5b))
  })
})
