import { seededRandom } from '@ssh/testkit'
import { channelData, ping, unimplemented } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { RekeyPolicy } from '../../src/transport/rekey-policy.js'
import type { Role } from '../../src/transport/role.js'
import { RawPeer } from '../raw-peer.js'
import {
  defaultAlgorithms,
  type EndOptions,
  TransportEnd,
  type TransportPair,
  testKey,
  transportPair,
} from '../transport-pair.js'

const roles = ['client', 'server'] as const
const data = (index: number, length = 100) =>
  channelData.encode({ recipientChannel: index, data: Buffer.alloc(length, index) })

async function openPair(client: EndOptions = {}, server: EndOptions = {}): Promise<TransportPair> {
  return (await transportPair({ client, server })).start().authenticate()
}

/** An authenticated transport and a peer that has brought it there. */
async function openWithRawPeer(role: Role, options: EndOptions = {}) {
  const hostKey = await testKey('ssh-ed25519')
  const clock = { now: 1000 }
  const end = new TransportEnd(role, options, {
    clock: () => clock.now,
    random: seededRandom(1),
    hostKeys: [hostKey],
  })
  end.transport.start()
  const raw = new RawPeer(end.transport, { role: role === 'client' ? 'server' : 'client', hostKey }).handshake()
  end.transport.setAuthenticated()
  return { end, raw, clock }
}

describe.each(roles)('a rekey begun by the %s', (role) => {
  test.each([
    ['bytes', { bytes: 4096 }],
    ['packets', { packets: 16 }],
    ['every packet', { bytes: 16 }],
  ])('after a number of %s keeps the data of both sides whole and in order', async (_, rekey) => {
    const pair = await openPair(...(role === 'client' ? [{ rekey }] : [{}, { rekey }]))
    const sent = { client: 0, server: 0 }
    while (sent.client < 200 || sent.server < 200) {
      for (const end of [pair.client, pair.server]) {
        if (sent[end.role] < 200 && end.transport.isOpen) end.transport.seal([data(sent[end.role]++)])
      }
      pair.carry(pair.client)
      pair.carry(pair.server)
    }
    pair.pump()
    const expected = Array.from({ length: 200 }, (_, index) => Uint8Array.from(data(index)))
    expect(pair.server.payloads).toEqual(expected)
    expect(pair.client.payloads.slice(1)).toEqual(expected)
    expect(pair.client.errorCodes).toEqual([])
    expect(pair.server.errorCodes).toEqual([])
    expect(pair.client.keyExchanges).toBeGreaterThan(5)
    const [first, ...later] = pair.client.eventsOf('keysChanged')
    for (const { change } of later) {
      expect(change.isFirst).toBe(false)
      expect(change.sessionIdentifier).toEqual(first?.change.sessionIdentifier)
    }
  })

  test('happens although that side only reads', async () => {
    const pair = await openPair(
      ...(role === 'client' ? [{ rekey: { bytes: 4096 } }] : [{}, { rekey: { bytes: 4096 } }]),
    )
    const writer = role === 'client' ? pair.server : pair.client
    for (let index = 0; index < 100; index++) {
      writer.transport.seal([data(index)])
      pair.pump()
    }
    expect(pair.client.keyExchanges).toBeGreaterThan(2)
  })

  test('happens when the keys are an hour old, on a silent connection too', async () => {
    const pair = await openPair(
      ...(role === 'client' ? [{}, { rekey: { intervalMs: Infinity } }] : [{ rekey: { intervalMs: Infinity } }, {}]),
    )
    const end = role === 'client' ? pair.client : pair.server
    expect(pair.other(end).transport.nextDeadline).toBeUndefined()
    expect(end.transport.nextDeadline).toBe(pair.clock.now() + 3_600_000)
    pair.clock.advance(3_599_999)
    end.transport.tick(pair.clock.now())
    expect(pair.pump().client.keyExchanges).toBe(1)
    pair.clock.advance(1)
    end.transport.tick(pair.clock.now())
    expect(pair.pump().client.keyExchanges).toBe(2)
    expect(end.transport.nextDeadline).toBe(pair.clock.now() + 3_600_000)
  })

  test('lets nothing but the exchange leave between KEXINIT and NEWKEYS', async () => {
    const { end, raw } = await openWithRawPeer(role)
    const before = raw.received.length
    end.transport.seal([data(1)])
    end.transport.rekey()
    expect(end.transport.isOpen).toBe(false)
    expect(() => end.transport.seal([data(2)])).toThrow('Nothing may be sent now')
    expect(() => end.transport.sendTransport(ping.encode({ data: Buffer.alloc(1) }))).toThrow('Nothing may be sent now')
    // What the peer had under way is delivered, what it asks for free is not answered now.
    raw.send(data(3), ping.encode({ data: Buffer.alloc(1) }))
    expect(end.payloads.at(-1)).toEqual(Uint8Array.from(data(3)))
    raw.pump().sendKexInit().pump()
    const kexNumbers = role === 'client' ? [20, 30, 21] : [20, 31, 21]
    expect(raw.receivedNumbers.slice(before)).toEqual([94, ...kexNumbers])
    expect(end.transport.isOpen).toBe(true)
    end.transport.seal([data(4)])
    raw.pump()
    expect(raw.receivedNumbers.at(-1)).toBe(94)
    expect(end.errorCodes).toEqual([])
  })

  test('survives the other side beginning at the same moment', async () => {
    const pair = await openPair()
    for (let round = 0; round < 5; round++) {
      pair.client.transport.rekey()
      pair.server.transport.rekey()
      pair.pump()
      expect(pair.client.keyExchanges).toBe(round + 2)
      expect(pair.server.keyExchanges).toBe(round + 2)
      expect(pair.client.errorCodes).toEqual([])
    }
  })
})

describe.each(roles)('a %s', (role) => {
  test('refuses data after the peer has begun a rekey', async () => {
    const { end, raw } = await openWithRawPeer(role)
    raw.hold = ['method']
    raw.sendKexInit().pump().send(data(1))
    expect(end.payloads).toEqual([])
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
  })

  test('refuses a second KEXINIT within an exchange, and NEWKEYS before its time', async () => {
    for (const payload of [Buffer.of(21), 'kexInit'] as const) {
      const { end, raw } = await openWithRawPeer(role)
      raw.hold = ['method', 'newKeys']
      raw.sendKexInit().pump()
      if (payload === 'kexInit') raw.sendKexInit()
      else raw.send(payload)
      expect(end.errorCodes).toHaveLength(1)
      expect(end.error?.code).toMatch(/UNEXPECTED_MESSAGE$/)
    }
  })

  test('refuses NEWKEYS with something in it', async () => {
    const { end, raw } = await openWithRawPeer(role)
    raw.hold = ['newKeys']
    raw.sendKexInit().pump().send(Buffer.of(21, 0))
    expect(end.errorCodes).toEqual(['ERR_SSH_WIRE_TRAILING_BYTES'])
  })

  test('gives up a peer that does not finish a rekey in time', async () => {
    const { end, raw, clock } = await openWithRawPeer(role)
    end.transport.rekey()
    raw.pump()
    expect(end.transport.nextDeadline).toBe(clock.now + 60_000)
    end.transport.tick(clock.now + 59_999)
    expect(end.errorCodes).toEqual([])
    end.transport.tick(clock.now + 60_000)
    expect(end.errorCodes).toEqual(['ERR_SSH_KEX_TIMEOUT'])
    expect(end.transport.nextDeadline).toBeUndefined()
  })

  test('bears rekeys at the wish of the peer up to a rate', async () => {
    const { end, raw, clock } = await openWithRawPeer(role, { limits: { peerRekeysPerMinute: 3 } })
    for (let minute = 0; minute < 3; minute++) {
      for (let round = 0; round < 3; round++) raw.sendKexInit().pump()
      clock.now += 60_000
    }
    expect(end.errorCodes).toEqual([])
    expect(end.keyExchanges).toBe(10)
    for (let round = 0; round < 3; round++) raw.sendKexInit().pump()
    raw.sendKexInit()
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_REKEY_FLOOD'])
  })

  test('rekeys long before sequence numbers run out, and ends rather than wrap when the peer does not', async () => {
    const { end, raw } = await openWithRawPeer(role)
    const setCounters = (count: number) => {
      end.transport.setCounters(count)
      raw.encoder.setCounters(count)
      raw.decoder.setCounters(count)
    }
    const before = raw.received.length
    setCounters(2 ** 31 - 8)
    for (let index = 0; index < 20; index++) raw.send(data(index))
    raw.pump()
    expect(raw.receivedNumbers.slice(before)).toEqual([20])
    expect(end.errorCodes).toEqual([])
    setCounters(2 ** 32 - 8)
    // The peer counts on as if nothing were wrong.
    for (let index = 0; index < 8; index++) raw.send(data(index))
    expect(end.payloads).toHaveLength(28)
    raw.encoder.setCounters(0)
    raw.send(data(9))
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_SEQUENCE_EXHAUSTED'])
    expect(end.payloads).toHaveLength(28)
  })

  test('names the right packet as unimplemented, also after a rekey and near the end of the numbers', async () => {
    const { end, raw } = await openWithRawPeer(role)
    const answer = () => unimplemented.decode(raw.pump().received.at(-1) ?? Buffer.of()).packetSequenceNumber
    const expectAnswer = () => {
      const { sequenceNumber } = raw.encoder
      raw.send(Buffer.of(200))
      expect(answer()).toBe(sequenceNumber)
    }
    expectAnswer()
    raw.send(data(1), data(2))
    expectAnswer()
    raw.sendKexInit().pump()
    expectAnswer()
    end.transport.setCounters(2 ** 31 - 100)
    raw.encoder.setCounters(2 ** 31 - 100)
    raw.decoder.setCounters(2 ** 31 - 100)
    expectAnswer()
    expect(end.errorCodes).toEqual([])
  })
})

describe('the session identifier', () => {
  test('stays when the hash of the key exchange changes its length', async () => {
    const kex = ['ecdh-sha2-nistp521']
    const algorithms = { ...defaultAlgorithms, kex }
    const pair = await openPair({ algorithms }, { algorithms })
    const first = pair.client.transport.sessionIdentifier
    expect(first).toHaveLength(64)
    for (const name of ['curve25519-sha256', 'ecdh-sha2-nistp384', 'ecdh-sha2-nistp521']) {
      kex[0] = name
      pair.client.transport.rekey()
      pair.pump()
      expect(pair.client.transport.algorithms?.kex).toBe(name)
      expect(pair.client.transport.sessionIdentifier).toBe(first)
      expect(pair.server.transport.sessionIdentifier).toEqual(first)
      pair.client.transport.seal([data(1)])
      expect(pair.pump().server.payloads.at(-1)).toEqual(Uint8Array.from(data(1)))
    }
  })
})

describe('the policy', () => {
  const unused = { bytes: 0, packets: 0 }

  test('counts each direction by itself', () => {
    const policy = new RekeyPolicy({ bytes: 100, packets: 10, intervalMs: 1000 })
    policy.keysChanged(5, Infinity, Infinity)
    expect(policy.isUsedUp({ bytes: 99, packets: 9 }, { bytes: 99, packets: 9 })).toBe(false)
    expect(policy.isUsedUp({ bytes: 100, packets: 1 }, unused)).toBe(true)
    expect(policy.isUsedUp(unused, { bytes: 100, packets: 1 })).toBe(true)
    expect(policy.isUsedUp({ bytes: 1, packets: 10 }, unused)).toBe(true)
    expect(policy.isUsedUp(unused, { bytes: 1, packets: 10 })).toBe(true)
    expect(policy.deadline).toBe(1005)
  })

  test("keeps a cipher's own limit, whatever was asked for", () => {
    const policy = new RekeyPolicy({ bytes: Infinity, packets: Infinity, intervalMs: Infinity })
    policy.keysChanged(0, 1000, 500)
    expect(policy.isUsedUp({ bytes: 999, packets: 1 }, unused)).toBe(false)
    expect(policy.isUsedUp({ bytes: 1000, packets: 1 }, unused)).toBe(true)
    expect(policy.isUsedUp(unused, { bytes: 500, packets: 1 })).toBe(true)
    expect(policy.deadline).toBeUndefined()
  })
})
