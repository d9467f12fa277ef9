import {
  channelOpen,
  channelRequest,
  channelRequests,
  channelTypes,
  disconnect,
  encodeTerminalModes,
  extInfo,
  newKeys,
  toHex,
  userauthMethods,
  userauthRequest,
} from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { explainBytes } from '../../scripts/explain/explain-bytes.js'
import { readHex } from '../../scripts/explain/read-hex.js'

const explain = (bytes: Uint8Array, options = {}): string => explainBytes(bytes, options).join('\n')

describe('reading hex', () => {
  test.each([
    ['5e0001'],
    ['5e 00 01'],
    ['5E:00:01'],
    ['0x5e, 0x00, 0x01'],
    ['5e\n00\n01\n'],
    ['0000: 5e 00 01'],
    ['00000000  5e 00 01  |^..|'],
  ])('%j', (text) => {
    expect(toHex(readHex(text))).toBe('5e0001')
  })

  test('says what is not hexadecimal', () => {
    expect(() => readHex('5e zz')).toThrow('found "zz"')
    expect(() => readHex('5e0')).toThrow('whole bytes')
  })
})

describe('explaining', () => {
  test('names the message, its number, its source and every field', () => {
    const lines = explain(readHex('5e 00000003 00000002 6869'))
    expect(lines).toContain('channelData (94)  RFC 4254 §5.2')
    expect(lines).toMatch(/recipientChannel +3 +· uint32/)
    expect(lines).toMatch(/data +6869 \(2 bytes\)/)
  })

  test('opens an unencrypted packet, and the one after it', () => {
    const payload = newKeys.encode({})
    const packet = Buffer.from(`0000000c0a${toHex(payload)}${'00'.repeat(10)}`, 'hex')
    const lines = explain(Buffer.concat([packet, packet]))
    expect(lines.match(/newKeys \(21\)/g)).toHaveLength(2)
    expect(lines).toContain('1 bytes of payload, 10 of padding')
  })

  test('shows every reading of a number that is reused', () => {
    const lines = explain(readHex('1e 00000001 05'))
    expect(lines).toContain('in a Diffie-Hellman key exchange')
    expect(lines).toContain('in an ECDH, X25519 or hybrid key exchange')
    expect(lines).toMatch(/in a Diffie-Hellman group exchange\n +not this one/)
    expect(explain(readHex('3c')).match(/\(60\)/g)).toHaveLength(3)
  })

  test('reads what a request, a channel type, a method and an extension carry', () => {
    const forward = channelTypes.encode('direct-tcpip', {
      hostToConnect: 'db',
      portToConnect: 5432,
      originatorAddress: '::1',
      originatorPort: 1,
    })
    const open = { senderChannel: 0, initialWindowSize: 1, maximumPacketSize: 1 }
    expect(explain(channelOpen.encode({ channelType: 'direct-tcpip', ...open, typeData: forward }))).toMatch(
      /portToConnect +5432/,
    )

    const terminalModes = encodeTerminalModes([['ECHO', 0]])
    const pty = channelRequests.encode('pty-req', {
      term: 'xterm',
      columns: 80,
      rows: 24,
      widthPixels: 0,
      heightPixels: 0,
      terminalModes,
    })
    const request = { recipientChannel: 0, requestType: 'pty-req', wantReply: true, requestData: pty }
    expect(explain(channelRequest.encode(request))).toMatch(/columns +80[\s\S]*ECHO 0/)

    const methodData = userauthMethods.password.encode({ isChange: false, password: 'secret' })
    const login = { userName: 'me', serviceName: 'ssh-connection', methodName: 'password', methodData }
    expect(explain(userauthRequest.encode(login))).toMatch(/password +"secret"/)

    const value = Buffer.from('ssh-ed25519')
    expect(explain(extInfo.encode({ extensions: [{ name: 'server-sig-algs', value }] }))).toContain('algorithms')
    expect(explain(disconnect.encode({ reasonCode: 11, description: 'bye', languageTag: '' }))).toContain(
      'byApplication',
    )
  })

  test('reads the agent protocol when told to, framed or not', () => {
    expect(explain(readHex('00000001 0b'), { isAgent: true })).toContain('requestIdentities (11)')
    expect(explain(readHex('0b'), { isAgent: true })).toContain('requestIdentities (11)')
  })

  test('stays calm about nonsense, and prints nothing that a terminal would obey', () => {
    expect(explain(new Uint8Array(0))).toBe('No bytes')
    expect(explain(readHex('c8 00'))).toContain("Message number 200 is nobody's")
    expect(explain(readHex('5e 00'))).toContain('not this one')
    expect(explain(Buffer.from('SSH-2.0-x\u001b[2J\r\n'))).toBe('identification string: SSH-2.0-x\\x1b[2J')
    const rude = channelOpen.encode({
      channelType: '__proto__',
      senderChannel: 0,
      initialWindowSize: 0,
      maximumPacketSize: 0,
      typeData: Uint8Array.of(27),
    })
    expect(explain(rude)).toContain('"__proto__"')
  })
})
