import { ciphers, kexAlgorithms, macs } from '@ssh/crypto'
import { type SeededRandom, seededRandom } from '@ssh/testkit'
import { toHex, toUtf8, userauthRequest } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { groupExchangeAlgorithms } from '../../src/transport/group-exchange.js'
import { RawPeer } from '../raw-peer.js'
import { defaultAlgorithms, TransportEnd, type TransportPair, testKey, transportPair } from '../transport-pair.js'

const hostKeyTypes = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
] as const

const hex = (bytes: Uint8Array | undefined) => toHex(bytes ?? new Uint8Array(0))

function expectAgreement({ client, server }: TransportPair): void {
  expect(client.errorCodes).toEqual([])
  expect(server.errorCodes).toEqual([])
  expect(client.transport.isOpen).toBe(true)
  expect(server.transport.isOpen).toBe(true)
  expect(client.transport.sessionIdentifier).toEqual(server.transport.sessionIdentifier)
  expect(client.transport.algorithms).toEqual(server.transport.algorithms)
}

describe('a handshake', () => {
  const kexNames = [...kexAlgorithms.names, ...groupExchangeAlgorithms.names]

  test.each(kexNames)('over %s succeeds with each kind of host key, and again at a rekey', async (kex) => {
    for (const type of hostKeyTypes) {
      const algorithms = { ...defaultAlgorithms, kex: [kex] }
      const hostKeys = [await testKey(type)]
      const pair = (await transportPair({ client: { algorithms }, server: { algorithms }, hostKeys })).start()
      expectAgreement(pair)
      expect(pair.client.transport.algorithms?.kex).toBe(kex)
      pair.authenticate()
      pair.client.transport.rekey()
      pair.pump()
      expectAgreement(pair)
      expect(pair.client.keyExchanges).toBe(2)
      expect(pair.client.eventsOf('hostKey')).toHaveLength(1)
      // The expensive groups are proven with one key.
      if (kexAlgorithms.get(kex)?.isCostly) break
    }
  })

  test.each(ciphers.rows)('over $name carries payloads of every length around a block', async (cipher) => {
    for (const mac of cipher.isAead ? [undefined] : macs.names) {
      const algorithms = { ...defaultAlgorithms, encryption: [cipher.name], mac: mac === undefined ? [] : [mac] }
      const pair = (await transportPair({ client: { algorithms }, server: { algorithms } })).start().authenticate()
      expectAgreement(pair)
      expect(pair.client.transport.algorithms?.clientToServer).toEqual({
        encryption: cipher.name,
        mac,
        compression: 'none',
      })
      const payloads = Array.from({ length: 70 }, (_, index) => Buffer.alloc(index + 1, 94))
      for (const payload of payloads) pair.client.transport.seal([payload])
      for (const payload of payloads) pair.server.transport.seal([payload.subarray(0, 1), payload.subarray(1)])
      pair.pump()
      expect(pair.server.payloads).toEqual(payloads.map((payload) => Uint8Array.from(payload)))
      expect(pair.client.payloads.slice(1)).toEqual(payloads.map((payload) => Uint8Array.from(payload)))
    }
  })

  test.each([
    ['client', 'server'],
    ['server', 'client'],
  ] as const)('of our %s with an independent %s gives the same session identifier', async (role, other) => {
    const hostKey = await testKey('ssh-ed25519')
    const end = new TransportEnd(role, {}, { clock: () => 0, random: seededRandom(1), hostKeys: [hostKey] })
    end.transport.start()
    const raw = new RawPeer(end.transport, { role: other, hostKey }).handshake()
    expect(end.errorCodes).toEqual([])
    expect(hex(end.transport.sessionIdentifier)).toBe(hex(raw.sessionIdentifier))
    end.transport.setAuthenticated()
    end.transport.rekey()
    raw.pump().sendKexInit().pump()
    expect(end.keyExchanges).toBe(2)
    expect(end.errorCodes).toEqual([])
    expect(hex(end.transport.sessionIdentifier)).toBe(hex(raw.sessionIdentifier))
  })

  test('sends the identification string and KEXINIT at once in both roles', async () => {
    const pair = await transportPair()
    for (const end of [pair.client, pair.server]) {
      end.transport.start()
      const [identification, packet] = end.take()
      expect(String(identification)).toMatch(/^SSH-2\.0-Test\w+_1\r\n$/)
      expect(packet?.[5]).toBe(20)
    }
  })

  test('reuses nothing random: two seeds give two sessions, one seed gives one', async () => {
    const identifier = async (seed: number) =>
      (await transportPair({ seed })).start().client.transport.sessionIdentifier
    expect(await identifier(1)).toEqual(await identifier(1))
    expect(await identifier(1)).not.toEqual(await identifier(2))
  })

  test('tells both sides the keys, then the extensions', async () => {
    const { client, server } = (await transportPair()).start()
    const [keys] = server.eventsOf('keysChanged')
    expect(keys?.change.isFirst).toBe(true)
    expect(hex(keys?.change.hostKeyBlob)).toBe(hex(client.eventsOf('keysChanged')[0]?.change.hostKeyBlob))
    const told = client.eventsOf('extensionInfo')[0]?.extensions
    expect(String(told?.get('server-sig-algs'))).toBe('ssh-ed25519,rsa-sha2-512')
    expect(String(told?.get('ping@openssh.com'))).toBe('0')
    expect([...(server.eventsOf('extensionInfo')[0]?.extensions.keys() ?? [])]).toEqual(['global-requests-ok'])
    expect(client.events.map(({ type }) => type)).toEqual(['hostKey', 'keysChanged', 'open', 'extensionInfo'])
  })

  test('sends no EXT_INFO to a peer that did not ask for it', async () => {
    const hostKey = await testKey('ssh-ed25519')
    const end = new TransportEnd('server', {}, { clock: () => 0, random: seededRandom(1), hostKeys: [hostKey] })
    end.transport.start()
    const raw = new RawPeer(end.transport, { role: 'client', takesExtensionInfo: false }).handshake()
    expect(end.transport.isOpen).toBe(true)
    expect(raw.receivedNumbers).toEqual([20, 31, 21])
  })
})

describe('cutting the bytes', () => {
  async function run(chunkLength?: () => number) {
    const rekey = { bytes: 3000 }
    const options = { client: { rekey }, server: { rekey }, ...(chunkLength && { chunkLength }) }
    const pair = (await transportPair(options)).start().authenticate()
    for (let index = 0; index < 40; index++) {
      for (const end of [pair.client, pair.server]) {
        if (end.transport.isOpen) end.transport.seal([Buffer.alloc(500, 94), Buffer.of(index)])
      }
      pair.pump()
    }
    expectAgreement(pair)
    return pair
  }

  // Rekeys begin where packets end, so both sides of the comparison count the same way.
  test('anywhere gives the same events', async () => {
    const whole = await run()
    const random: SeededRandom = seededRandom('cuts')
    for (const chunkLength of [() => 1, () => 7, () => 1 + random.integer(900), () => 65536]) {
      const cut = await run(chunkLength)
      expect(cut.client.events.map(({ type }) => type)).toEqual(whole.client.events.map(({ type }) => type))
      expect(cut.server.events.map(({ type }) => type)).toEqual(whole.server.events.map(({ type }) => type))
      expect(cut.client.payloads).toEqual(whole.client.payloads)
      expect(cut.server.payloads).toEqual(whole.server.payloads)
      expect(cut.client.transport.sessionIdentifier).toEqual(whole.client.transport.sessionIdentifier)
    }
  })
})

describe('the host key verdict', () => {
  test('holds everything back until it is given, however long that takes', async () => {
    const pair = (await transportPair({ client: { hostKeyVerdict: 'wait' } })).start()
    const { client, server } = pair
    const [shown] = client.eventsOf('hostKey')
    expect(shown?.offer.fingerprint).toMatch(/^SHA256:/)
    expect(shown?.offer.key.algorithm).toBe('ssh-ed25519')
    expect(client.transport.isPaused).toBe(true)
    expect(client.transport.isOpen).toBe(false)
    client.transport.requestService('ssh-userauth')
    pair.clock.advance(10 * 60_000)
    client.transport.tick(pair.clock.now())
    pair.pump()
    // Identification, KEXINIT, the method's message: nothing else has left.
    expect(client.sent).toHaveLength(3)
    expect(() => client.transport.seal([userauthRequest.encode(request)])).toThrow('Nothing may be sent now')
    client.transport.acceptHostKey()
    pair.pump()
    expect(client.transport.isOpen).toBe(true)
    expect(server.transport.isOpen).toBe(true)
    expect(client.eventsOf('service')).toEqual([{ type: 'service', name: 'ssh-userauth' }])
  })

  test('ends the connection with the reason that was given when it is no', async () => {
    const pair = (await transportPair({ client: { hostKeyVerdict: 'wait' } })).start()
    const { HostKeyNotVerifiable } = await import('../../src/errors.js')
    pair.client.transport.rejectHostKey(
      new HostKeyNotVerifiable('ERR_SSH_HOST_KEY_UNKNOWN', 'Unknown host, see /home/secret/known_hosts'),
    )
    pair.pump()
    expect(pair.client.errorCodes).toEqual(['ERR_SSH_HOST_KEY_UNKNOWN'])
    expect(pair.server.errorCodes).toEqual(['ERR_SSH_TRANSPORT_DISCONNECTED'])
    expect(pair.server.error?.details).toMatchObject({ reasonCode: 9, description: 'host key not verifiable' })
  })

  test('is asked for again when a rekey shows another key', async () => {
    const first = await testKey('ssh-ed25519')
    const hostKeys = [first]
    const pair = (await transportPair({ hostKeys, client: { hostKeyVerdict: 'wait' } })).start()
    pair.client.transport.acceptHostKey()
    pair.pump().authenticate()
    hostKeys[0] = await (await import('@ssh/crypto')).generatePrivateKey('ssh-ed25519')
    pair.client.transport.rekey()
    pair.pump()
    expect(pair.client.eventsOf('hostKey')).toHaveLength(2)
    expect(pair.client.transport.isPaused).toBe(true)
    pair.client.transport.acceptHostKey()
    pair.pump()
    expect(pair.client.keyExchanges).toBe(2)
  })
})

const request = {
  userName: 'user',
  serviceName: 'ssh-connection',
  methodName: 'none',
  methodData: toUtf8(''),
}
