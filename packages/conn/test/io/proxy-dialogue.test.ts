import { describe, expect, test } from 'vitest'
import { maximumAnswerLength, proxyDialogue } from '../../src/io/proxy-dialogue.js'
import { parseProxyUrl } from '../../src/io/proxy-url.js'

interface Outcome {
  /** All that was said, in hex or as text. */
  readonly said: Buffer
  /** Bytes behind the last answer. */
  readonly rest: Buffer
}

/** Carries on a dialogue with a proxy whose answers are these bytes, which arrive `portion` at a time. */
function carryOn(url: string, host: string, answers: Buffer, portion = answers.length, address?: string): Outcome {
  const dialogue = proxyDialogue(parseProxyUrl(url), { host, port: 22 }, address)
  const said: Uint8Array[] = []
  let received: Buffer = Buffer.alloc(0)
  let offset = 0
  for (let step = dialogue.next(); ; ) {
    if (step.done === true)
      return { said: Buffer.concat(said), rest: Buffer.concat([received, answers.subarray(offset)]) }
    said.push(step.value.send)
    let length = step.value.answerLength(received)
    while (length === undefined) {
      if (offset >= answers.length) throw new Error('It wants more')
      received = Buffer.concat([received, answers.subarray(offset, (offset += portion))])
      length = step.value.answerLength(received)
    }
    const answer = received.subarray(0, length)
    received = received.subarray(length)
    step = dialogue.next(answer)
  }
}

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex')
const refusal = (action: () => unknown) => {
  try {
    action()
  } catch (error) {
    return error
  }
  throw new Error('Nothing was refused')
}

describe('what is said', () => {
  test.each<[string, string, string, string | undefined, string, string]>([
    [
      'SOCKS5 with a name',
      'socks5h://p',
      'host.example',
      undefined,
      '0500 0500 0001 00000000 0000',
      `050100 050100030c${Buffer.from('host.example').toString('hex')}0016`,
    ],
    [
      'SOCKS5 with an IPv4 address',
      'socks5://p',
      'host.example',
      '192.0.2.7',
      '0500 0500 0001 00000000 0000',
      '050100 05010001c00002070016',
    ],
    [
      'SOCKS5 with an IPv6 address',
      'socks5://p',
      '2001:db8::7',
      undefined,
      '0500 0500 0001 00000000 0000',
      '050100 05010004 20010db8000000000000000000000007 0016',
    ],
    [
      'SOCKS5 with an IPv4 address in IPv6',
      'socks5://p',
      '::ffff:192.0.2.7',
      undefined,
      '0500 0500 0001 00000000 0000',
      '050100 05010004 00000000000000000000ffffc0000207 0016',
    ],
    [
      'SOCKS5 with a login that is wanted',
      'socks5h://u:p%40%C3%A9@p',
      'h',
      undefined,
      '0502 0100 0500 0003 02 6161 0000',
      `05020002 010175 04${Buffer.from('p@é').toString('hex')} 05010003 0168 0016`,
    ],
    [
      'SOCKS5 with a login that is not wanted',
      'socks5h://u:p@p',
      'h',
      undefined,
      '0500 0500 0004 00000000000000000000000000000000 0000',
      '05020002 05010003 0168 0016',
    ],
    ['SOCKS4', 'socks4://me@p', 'host.example', '192.0.2.7', '005a 000000000000', '0401 0016 c0000207 6d6500'],
    ['SOCKS4a', 'socks4a://p', 'h', undefined, '045a 000000000000', '0401 0016 00000001 00 6800'],
  ])('%s', (_what, url, host, address, answers, said) => {
    const behind = Buffer.from('SSH-2.0-x\r\n')
    const bytes = Buffer.concat([hex(answers), behind])
    for (const portion of [1, 3, bytes.length]) {
      const outcome = carryOn(url, host, bytes, portion, address)
      expect(outcome.said.toString('hex')).toBe(hex(said).toString('hex'))
      expect(outcome.rest.toString()).toBe('SSH-2.0-x\r\n')
    }
  })

  test.each([
    ['http://p', 'host.example', 'CONNECT host.example:22 HTTP/1.1\r\nHost: host.example:22\r\n\r\n'],
    ['http://p', '2001:db8::7', 'CONNECT [2001:db8::7]:22 HTTP/1.1\r\nHost: [2001:db8::7]:22\r\n\r\n'],
    [
      'http://p',
      'bücher.example',
      'CONNECT xn--bcher-kva.example:22 HTTP/1.1\r\nHost: xn--bcher-kva.example:22\r\n\r\n',
    ],
    [
      'http://user:p%3Aw@p',
      'h',
      `CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\nProxy-Authorization: Basic ${btoa('user:p:w')}\r\n\r\n`,
    ],
  ])('HTTP: %s to %s', (url, host, said) => {
    for (const head of ['HTTP/1.1 200 OK\r\nVia: x\r\n\r\n', 'HTTP/1.0 200\n\n', 'HTTP/1.1 204 \r\n\r\n']) {
      for (const portion of [1, 5, 100]) {
        const outcome = carryOn(url, host, Buffer.from(`${head}SSH-2.0-x\r\n`), portion)
        expect(outcome.said.toString()).toBe(said)
        expect(outcome.rest.toString()).toBe('SSH-2.0-x\r\n')
      }
    }
  })
})

describe('a refusal says why', () => {
  test.each<[string, Buffer, string, object]>([
    [
      'http://secret:hush@p:3128',
      Buffer.from('HTTP/1.1 407 Log in\r\n\r\n'),
      '407 Log in; it wants user',
      { status: 407 },
    ],
    ['http://p', Buffer.from('HTTP/1.1 403 \x1b[31mNo\r\n\r\n'), '403 \\x1b[31mNo', { status: 403 }],
    ['http://p', Buffer.from('HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n'), '302 Found', { status: 302 }],
    ['http://p', Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), '100 Continue', { status: 100 }],
    ['socks5h://p', hex('05ff'), 'no way to log in to it; it wants user and password', {}],
    ['socks5h://secret:hush@p', hex('0502 0101'), 'user or password are wrong', {}],
    ['socks5h://p', hex('0500 0505'), 'nothing listens there', { reply: 5 }],
    ['socks5h://p', hex('0500 05fe 00'), 'reason 254', { reply: 254 }],
    ['socks4a://p', hex('005b000000000000'), 'rejected or failed', { reply: 91 }],
  ])('%s %#', (url, answers, said, details) => {
    const error = refusal(() => carryOn(url, 'host.example', answers))
    expect(error).toMatchObject({
      name: 'ConnectError',
      code: 'ERR_SSH_CONNECT_PROXY_REFUSED',
      message: expect.stringContaining(said),
      details,
    })
    expect(JSON.stringify([String(error), (error as { details: object }).details])).not.toMatch(/secret|hush/)
  })

  test.each([
    ['http://p', Buffer.from('SSH-2.0-OpenSSH\r\n')],
    ['http://p', Buffer.from('HTTP/1.1 ok\r\n\r\n')],
    ['http://p', Buffer.from('HTTP/2 200\r\n\r\n')],
    ['socks5h://p', Buffer.from('HTTP/1.1 400')],
    ['socks5h://p', hex('0501')],
    ['socks5h://p', hex('0502')],
    ['socks5h://p', hex('0500 0400')],
    ['socks5h://p', hex('0500 050000 02')],
    ['socks5h://p', hex('0500 050000 0300')],
    ['socks4a://p', hex('055a000000000000')],
  ])('what is no such proxy: %s %#', (url, answers) => {
    expect(refusal(() => carryOn(url, 'h', answers))).toMatchObject({ code: 'ERR_SSH_CONNECT_PROXY_PROTOCOL' })
  })

  test('no more is wanted than an answer may be long', () => {
    expect(maximumAnswerLength).toBe(16384)
    expect(() => carryOn('http://p', 'h', Buffer.from(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(9)}`))).toThrow('more')
  })

  test('what a protocol cannot say is refused before anything is sent', () => {
    const name = `${'a'.repeat(64)}.`.repeat(4)
    for (const url of ['socks5h://p', 'socks4a://p']) {
      expect(refusal(() => carryOn(url, name, Buffer.alloc(0)))).toMatchObject({
        code: 'ERR_SSH_CONNECT_PROXY_REFUSED',
      })
    }
    expect(refusal(() => carryOn('socks4a://p', '::1', Buffer.alloc(0)))).toMatchObject({
      message: expect.stringContaining('IPv6'),
    })
  })
})

describe('the address of a proxy', () => {
  test.each([
    ['http://proxy.example', { protocol: 'http', host: 'proxy.example', port: 80, username: undefined }],
    ['http://[::1]:3128/', { host: '::1', port: 3128 }],
    [
      'socks5://a%20b:c%2fd@10.0.0.1',
      { protocol: 'socks5', host: '10.0.0.1', port: 1080, username: 'a b', password: 'c/d' },
    ],
    ['socks4a://me@h:9', { protocol: 'socks4a', username: 'me', password: undefined, port: 9 }],
    ['socks5h://[2001:db8::1]', { host: '2001:db8::1' }],
  ])('%s', (text, parts) => {
    expect(parseProxyUrl(text)).toMatchObject(parts)
  })

  test.each([
    'https://secret:hush@h',
    'proxy.example:3128',
    'http://secret:hush@h/path',
    'http://h?secret',
    'socks4://secret:hush@h',
    'http://secret%3Aword:x@h',
    'socks5://:hush@h',
    'socks5://secret:%zz@h',
    'socks5://h:0',
    'socks5://a b/',
    `socks5://secret:${'hush'.repeat(64)}@h`,
    'socks5://secret@',
  ])('is refused without being repeated: %s', (text) => {
    const error = refusal(() => parseProxyUrl(text))
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).not.toMatch(/secret|hush/)
  })
})
