/** Terrapin (CVE-2023-48795) and what belongs to it: OpenSSH PROTOCOL §1.10. */

import { seededRandom } from '@ssh/testkit'
import { debug, ignore, kexIndicators, kexInit, unimplemented } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { Role } from '../../src/transport/role.js'
import { plainPacket, RawPeer, type RawPeerOptions } from '../raw-peer.js'
import { TransportEnd, testKey, transportPair } from '../transport-pair.js'

const roles = ['client', 'server'] as const
const stray = [
  ['IGNORE', ignore.encode({ data: new Uint8Array(4) })],
  ['UNIMPLEMENTED', unimplemented.encode({ packetSequenceNumber: 0 })],
  ['DEBUG', debug.encode({ alwaysDisplay: false, message: 'hello', languageTag: '' })],
] as const

async function meet(role: Role, options: Omit<RawPeerOptions, 'role'> = {}) {
  const hostKey = await testKey('ssh-ed25519')
  const end = new TransportEnd(role, {}, { clock: () => 0, random: seededRandom(1), hostKeys: [hostKey] })
  end.transport.start()
  return {
    end,
    raw: new RawPeer(end.transport, { role: role === 'client' ? 'server' : 'client', hostKey, ...options }),
  }
}

const cases = roles.flatMap((role) => stray.map(([name, payload]) => ({ role, name, payload })))

describe('strict key exchange', () => {
  test.each(cases)('ends a $role that receives $name before KEXINIT', async ({ role, payload }) => {
    const { end, raw } = await meet(role)
    raw.sendIdentification().send(payload).sendKexInit().pump()
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
    expect(end.transport.isOpen).toBe(false)
  })

  test.each(cases)('ends a $role that receives $name between KEXINIT and NEWKEYS', async ({ role, payload }) => {
    const { end, raw } = await meet(role, { hold: ['method', 'newKeys'] })
    raw.sendIdentification().sendKexInit().pump().send(payload)
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
  })

  test.each(cases)('ends a $role that receives $name right before NEWKEYS', async ({ role, payload }) => {
    const { end, raw } = await meet(role, { hold: ['newKeys'] })
    raw.sendIdentification().sendKexInit().pump().send(payload).release().pump()
    expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
    expect(end.keyExchanges).toBe(0)
  })

  test.each(cases)('is not asked of a peer without it: a $role takes $name anywhere', async ({ role, payload }) => {
    const { end, raw } = await meet(role, { isStrict: false, hold: ['newKeys'] })
    raw.sendIdentification().send(payload).sendKexInit().pump().send(payload).release().pump()
    expect(end.errorCodes).toEqual([])
    expect(end.keyExchanges).toBe(1)
    expect(end.transport.isStrict).toBe(false)
    // Nothing that came in clear was told to anybody.
    expect(end.eventsOf('debug')).toEqual([])
    expect(end.eventsOf('unimplemented')).toEqual([])
  })

  test('makes a message that was put in and another that was taken out fail', async () => {
    // The attack itself: one packet more before KEXINIT, so that the first encrypted one can be dropped.
    const pair = await transportPair()
    pair.client.transport.start()
    pair.server.transport.start()
    const [identification, ...rest] = pair.server.take()
    pair.deliver(pair.client, [identification ?? new Uint8Array(0)])
    pair.deliver(pair.client, [plainPacket(stray[0][1]), ...rest])
    pair.pump()
    expect(pair.client.errorCodes).toEqual(['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
    expect(pair.client.transport.isOpen).toBe(false)
  })

  test.each(roles)(
    'starts sequence numbers again after each NEWKEYS, and asks nothing more of rekeys (%s)',
    async (role) => {
      const { end, raw } = await meet(role)
      raw.handshake()
      for (let round = 0; round < 3; round++) {
        expect(raw.isStrict).toBe(true)
        raw.send(stray[0][1])
        raw.sendKexInit().send(stray[0][1]).pump()
        expect(end.errorCodes).toEqual([])
        expect(end.keyExchanges).toBe(round + 2)
        expect(raw.encoder.sequenceNumber).toBe(0)
      }
    },
  )

  test.each(roles)('is not turned on by a marker in a later KEXINIT (%s)', async (role) => {
    const { end, raw } = await meet(role, { isStrict: false })
    raw.handshake()
    const marker = role === 'client' ? kexIndicators.strictServer : kexIndicators.strictClient
    raw.sendKexInit({ kexAlgorithms: ['curve25519-sha256', marker] }).pump()
    expect(end.errorCodes).toEqual([])
    expect(end.keyExchanges).toBe(2)
    expect(end.transport.isStrict).toBe(false)
    expect(raw.encoder.sequenceNumber).toBeGreaterThan(3)
  })

  test('has its marker in the first KEXINIT only', async () => {
    const { end, raw } = await meet('client')
    raw.handshake()
    end.transport.setAuthenticated()
    end.transport.rekey()
    raw.pump()
    const [first, second] = raw.received
      .filter((payload) => payload[0] === 20)
      .map((payload) => kexInit.decode(payload))
    expect(first?.kexAlgorithms).toEqual(
      expect.arrayContaining([kexIndicators.strictClient, kexIndicators.extInfoClient]),
    )
    expect(second?.kexAlgorithms.some((name) => name.includes('strict') || name.includes('ext-info'))).toBe(false)
  })

  test.each(roles)('lets no sequence number wrap before the first NEWKEYS (%s)', async (role) => {
    const { end, raw } = await meet(role)
    end.transport.setCounters(2 ** 32 - 1)
    raw.sendIdentification().sendKexInit().pump()
    expect(end.errorCodes).toHaveLength(1)
    expect(end.transport.isOpen).toBe(false)
  })
})
