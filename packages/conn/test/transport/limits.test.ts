/** What a peer may make us hold, do and wait for. */

import { seededRandom } from '@ssh/testkit'
import { channelData, disconnect, ignore, ping, serviceRequest } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.js'
import type { Role } from '../../src/transport/role.js'
import { RawPeer, type RawPeerOptions } from '../raw-peer.js'
import { defaultAlgorithms, type EndOptions, TransportEnd, testKey, transportPair } from '../transport-pair.js'

const roles = ['client', 'server'] as const
const data = channelData.encode({ recipientChannel: 0, data: Buffer.alloc(100) })

async function meet(role: Role, endOptions: EndOptions = {}, options: Omit<RawPeerOptions, 'role'> = {}) {
  const hostKey = await testKey('ssh-ed25519')
  const end = new TransportEnd(role, endOptions, { clock: () => 0, random: seededRandom(1), hostKeys: [hostKey] })
  end.transport.start()
  return {
    end,
    raw: new RawPeer(end.transport, { role: role === 'client' ? 'server' : 'client', hostKey, ...options }),
  }
}

describe.each(roles)('a %s', (role) => {
  test('takes 1000 packets before authentication, and not one more', async () => {
    const { end, raw } = await meet(role)
    raw.handshake()
    const packet = ignore.encode({ data: Buffer.of() })
    while (raw.encoder.packets < 1000 && end.errorCodes.length === 0) raw.send(packet)
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_PRE_AUTH_LIMIT'])
    // KEXINIT, method and NEWKEYS count as well.
    expect(raw.encoder.packets).toBe(998)
  })

  test('takes 1 MiB before authentication, and as much as comes after it', async () => {
    const packet = ignore.encode({ data: Buffer.alloc(200_000) })
    const { end, raw } = await meet(role)
    raw.handshake()
    for (let index = 0; index < 6; index++) raw.send(packet)
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_PRE_AUTH_LIMIT'])
    const other = await meet(role)
    other.raw.handshake()
    other.end.transport.setAuthenticated()
    for (let index = 0; index < 20; index++) other.raw.send(packet)
    expect(other.end.errorCodes).toEqual([])
  })

  test('B6: computes keys anew for a peer that is not authenticated 32 times, and not once more', async () => {
    const { end, raw } = await meet(role)
    raw.handshake()
    for (let round = 0; round < 32; round++) raw.sendKexInit().pump()
    expect(end.keyExchanges).toBe(33)
    expect(end.errorCodes).toEqual([])
    raw.sendKexInit()
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_REKEY_FLOOD'])
  })

  test('answers PING with the same data, but no longer than the peer reads the answers', async () => {
    const { end, raw } = await meet(role)
    raw.handshake()
    end.transport.setAuthenticated()
    const before = raw.received.length
    raw.send(ping.encode({ data: Buffer.from('hello') })).pump()
    expect(raw.received.slice(before)).toEqual([Buffer.from([193, 0, 0, 0, 5, ...Buffer.from('hello')])])
    for (let index = 0; index < 5000; index++) raw.send(ping.encode({ data: Buffer.alloc(1000) }), Buffer.of(200))
    expect(end.transport.outputLength).toBeLessThan(260 * 1024 + 2000)
    expect(end.errorCodes).toEqual([])
    raw
      .pump()
      .send(ping.encode({ data: Buffer.from('again') }))
      .pump()
    expect(raw.receivedNumbers.at(-1)).toBe(193)
  })

  test('keeps what arrives while paused, delivers it in order afterwards, and keeps no more than its limit', async () => {
    const { end, raw } = await meet(role, { limits: { pausedInputBytes: 10_000 } })
    raw.handshake()
    end.transport.setAuthenticated()
    end.transport.pause()
    for (let index = 0; index < 10; index++) raw.send(data)
    expect(end.payloads).toEqual([])
    end.transport.resume()
    expect(end.payloads).toHaveLength(10)
    end.transport.pause()
    for (let index = 0; index < 100; index++) raw.send(data)
    expect(end.payloads).toHaveLength(10)
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_INPUT_OVERFLOW'])
  })

  test('may be paused from inside a handler: the next payload waits', async () => {
    const seen: number[] = []
    const { end, raw } = await meet(role, {
      handlers: {
        onPayload: (payload) => {
          seen.push(payload[0] ?? 0)
          end.transport.pause()
        },
      },
    })
    raw.handshake()
    end.transport.setAuthenticated()
    const packets = [90, 91, 92].map((number) => raw.encoder.encode([Buffer.of(number)]))
    end.transport.receive(Buffer.concat(packets))
    expect(seen).toEqual([90])
    end.transport.resume()
    expect(seen).toEqual([90, 91])
    end.transport.resume()
    expect(seen).toEqual([90, 91, 92])
  })

  test('ends once, whatever comes afterwards', async () => {
    const { end, raw } = await meet(role)
    raw.handshake()
    raw.send(Buffer.of(0), Buffer.of(0), data)
    end.transport.fail(new ProtocolError('ERR_SSH_TRANSPORT_TEST', 'test'))
    end.transport.end()
    end.transport.tick(1e9)
    end.transport.rekey()
    end.transport.resume()
    end.transport.acceptHostKey()
    end.transport.disconnect(11, '')
    expect(end.errorCodes).toHaveLength(1)
    expect(raw.pump().receivedNumbers.filter((number) => number === 1)).toEqual([1])
    expect(end.transport.isClosed).toBe(true)
    expect(end.transport.isOpen).toBe(false)
    expect(end.transport.nextDeadline).toBeUndefined()
  })

  test("reports the peer's goodbye and sends none itself", async () => {
    const { end, raw } = await meet(role)
    raw
      .handshake()
      .send(disconnect.encode({ reasonCode: 11, description: 'bye\x1b[0m', languageTag: '' }), data)
      .pump()
    expect(end.events.at(-1)).toMatchObject({ type: 'disconnected', error: { reasonCode: 11 } })
    expect(end.error?.message).toBe('The peer ended the connection (byApplication): bye\\x1b[0m')
    expect(raw.receivedNumbers).not.toContain(1)
    expect(end.payloads).toEqual([])
  })

  test('says goodbye by itself without calling anybody', async () => {
    const { end, raw } = await meet(role)
    raw.handshake()
    const before = end.events.length
    end.transport.disconnect(11, 'done')
    raw.pump().send(data)
    expect(disconnect.decode(raw.received.at(-1) ?? Buffer.of())).toMatchObject({ reasonCode: 11, description: 'done' })
    expect(end.events).toHaveLength(before)
  })

  test('ends, and says so, when a handler throws', async () => {
    for (const [thrown, code, reason] of [
      [new ProtocolError('ERR_SSH_TRANSPORT_TEST', 'bad'), 'ERR_SSH_TRANSPORT_TEST', 2],
      [new TypeError('a mistake'), 'ERR_SSH_TRANSPORT_INTERNAL', 11],
    ] as const) {
      const { end, raw } = await meet(role, {
        handlers: {
          onPayload: () => {
            throw thrown
          },
        },
      })
      raw.handshake()
      end.transport.setAuthenticated()
      raw.send(data).pump()
      expect(end.errorCodes).toEqual([code])
      expect(raw.received.at(-1)?.[4]).toBe(reason)
      expect(JSON.stringify(raw.received.at(-1)?.toString())).not.toContain('mistake')
    }
  })

  test('gives up a peer that says nothing, or stops in the middle of the handshake', async () => {
    const silent = await meet(role)
    expect(silent.end.transport.nextDeadline).toBe(60_000)
    silent.end.transport.tick(60_000)
    expect(silent.end.errorCodes).toEqual(['ERR_SSH_KEX_TIMEOUT'])
    expect(silent.end.error?.message).toContain('identification string')
    const stopping = await meet(role, {}, { hold: ['method'] })
    stopping.raw.sendIdentification().sendKexInit().pump()
    stopping.end.transport.tick(60_000)
    expect(stopping.end.errorCodes).toEqual(['ERR_SSH_KEX_TIMEOUT'])
    expect(stopping.raw.pump().receivedNumbers.at(-1)).toBe(1)
  })

  test('tells a peer that does not speak SSH nothing more', async () => {
    const { end } = await meet(role)
    end.transport.takeOutput()
    end.transport.receive(Buffer.from('HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n'))
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_NOT_SSH'])
    expect(end.error?.message).toContain('found "HTTP/1.1 400 Bad Request"')
    expect(end.transport.takeOutput()).toEqual([])
  })

  test('tells how far things were when the bytes end', async () => {
    const untouched = await meet(role)
    untouched.end.transport.end()
    expect(untouched.end.errorCodes).toEqual(['ERR_SSH_CONNECTION_LOST'])
    expect(untouched.end.error?.details).toEqual({ phase: 'identification' })
    if (role === 'client') expect(untouched.end.error?.message).toContain('MaxStartups')

    const started = await meet(role)
    started.raw.sendIdentification()
    started.end.transport.end()
    expect(started.end.error?.message).toContain('before the key exchange')

    const keyed = await meet(role)
    keyed.raw.handshake().send(ignore.encode({ data: Buffer.of() }))
    keyed.end.transport.end()
    expect(keyed.end.error?.details).toEqual({ phase: 'service' })
    expect(keyed.end.transport.outputLength).toBe(0)
  })
})

describe('a client', () => {
  test('shows what it got instead of an identification string', async () => {
    const { end } = await meet('client')
    end.transport.receive(Buffer.from('Exceeded MaxStartups\r\n'))
    end.transport.end()
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_NOT_SSH'])
    expect(end.error?.message).toContain('found "Exceeded MaxStartups"')
  })

  test('refuses a service it did not ask for', async () => {
    const { end, raw } = await meet('client')
    raw.handshake().send(Buffer.from([6, 0, 0, 0, 1, 120]))
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_SERVICE_UNKNOWN'])
  })

  test('takes EXT_INFO again right before SUCCESS, and nothing between them', async () => {
    const twice = [Buffer.of(7, 0, 0, 0, 0), Buffer.of(52)]
    for (const payloads of [twice, [Buffer.of(7, 0, 0, 0, 0), Buffer.of(51, 0, 0, 0, 0, 0)]]) {
      const { end, raw } = await meet('client')
      end.transport.requestService('ssh-userauth')
      raw.handshake()
      raw.send(Buffer.of(7, 0, 0, 0, 0), Buffer.from([6, 0, 0, 0, 12, ...Buffer.from('ssh-userauth')]), ...payloads)
      expect(end.errorCodes).toEqual(payloads === twice ? [] : ['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
      expect(end.eventsOf('extensionInfo')).toHaveLength(2)
    }
  })

  test('does not count the time a host key verdict takes against the server', async () => {
    const pair = (await transportPair({ client: { hostKeyVerdict: 'wait' } })).start()
    expect(pair.client.transport.nextDeadline).toBeUndefined()
    pair.clock.advance(120_000)
    pair.client.transport.tick(pair.clock.now())
    pair.client.transport.acceptHostKey()
    pair.client.transport.tick(pair.clock.now())
    expect(pair.client.errorCodes).toEqual([])
  })
})

describe('a server', () => {
  test('accepts ssh-userauth, again when asked again, and nothing else', async () => {
    const { end, raw } = await meet('server')
    const request = serviceRequest.encode({ serviceName: 'ssh-userauth' })
    raw.handshake().send(request, request).pump()
    expect(raw.receivedNumbers.slice(-2)).toEqual([6, 6])
    expect(end.eventsOf('service')).toEqual([{ type: 'service', name: 'ssh-userauth' }])
    raw.send(serviceRequest.encode({ serviceName: 'ssh-connection' })).pump()
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_SERVICE_UNKNOWN'])
    expect(raw.received.at(-1)?.[4]).toBe(7)
  })

  test('offers only what its keys can prove, best first', async () => {
    const hostKeys = [await testKey('ssh-rsa')]
    const pair = (await transportPair({ hostKeys })).start()
    expect(pair.client.transport.algorithms?.serverHostKey).toBe('rsa-sha2-512')
  })
})

describe('options', () => {
  const refused = expect.objectContaining({ code: 'ERR_SSH_OPTIONS_INVALID' })

  test('that cannot work are refused by name', async () => {
    const withAlgorithms = (changes: object) => ({ client: { algorithms: { ...defaultAlgorithms, ...changes } } })
    await expect(transportPair(withAlgorithms({ kex: ['nonsense'] }))).rejects.toThrow('"nonsense" is not a supported')
    await expect(transportPair(withAlgorithms({ encryption: ['none'] }))).rejects.toThrow(refused)
    await expect(transportPair(withAlgorithms({ kex: [] }))).rejects.toThrow('no algorithm to offer for kex')
    await expect(transportPair({ hostKeys: [] })).rejects.toThrow('no host key fits')
    await expect(transportPair({ client: { identification: 'a b\n' } })).rejects.toThrow(refused)
  })
})
