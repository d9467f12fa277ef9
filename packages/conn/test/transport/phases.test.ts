import { seededRandom } from '@ssh/testkit'
import { serviceAccept, serviceRequest, userauthSuccess } from '@ssh/wire'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Phase, phaseGate, phaseRows, phases, type Verdict } from '../../src/transport/phases.js'
import type { Role } from '../../src/transport/role.js'
import { RawPeer } from '../raw-peer.js'
import { TransportEnd, testKey } from '../transport-pair.js'

const roles = ['client', 'server'] as const

/**
 * The same rules once more, read from the RFCs by number rather than by range. What is not listed is fatal.
 * Written apart from the table on purpose: a slip in one shows against the other.
 */
function expected(role: Role, phase: Phase, number: number): Verdict {
  const isClient = role === 'client'
  const isKeyed = ['newKeys', 'service', 'auth', 'open'].includes(phase)
  const isExchange = ['exchange', 'strictExchange', 'rekey'].includes(phase)
  const isOpen = phase === 'open'
  if (number === 1) return 'handle'
  if (number === 2) return isKeyed || ['kexInit', 'exchange', 'rekey'].includes(phase) ? 'ignore' : 'fatal'
  if (number === 3 || number === 4) {
    if (isKeyed || phase === 'rekey') return 'handle'
    return phase === 'kexInit' || phase === 'exchange' ? 'ignore' : 'fatal'
  }
  if (number === 5) return !isClient && ['newKeys', 'service', 'auth'].includes(phase) ? 'handle' : 'fatal'
  if (number === 6) return isClient && ['newKeys', 'service'].includes(phase) ? 'handle' : 'fatal'
  if (number === 7) return phase === 'newKeys' || (isClient && phase === 'auth') ? 'handle' : 'fatal'
  if (number === 20) return phase === 'kexInit' || isKeyed ? 'handle' : 'fatal'
  if (number === 21) return isExchange ? 'handle' : 'fatal'
  if (number >= 30 && number <= 49) return isExchange ? 'handle' : 'fatal'
  if (number === 50) return isClient ? 'fatal' : isOpen ? 'ignore' : phase === 'auth' ? 'passUp' : 'fatal'
  if (number === 51) return isClient && phase === 'auth' ? 'passUp' : 'fatal'
  if (number === 52) return isClient && (phase === 'auth' || phase === 'authEnding') ? 'passUp' : 'fatal'
  if (number === 53) return !isClient ? 'fatal' : isOpen ? 'ignore' : phase === 'auth' ? 'passUp' : 'fatal'
  if (number === 60) return isClient && phase === 'auth' ? 'passUp' : 'fatal'
  if (number === 61) return !isClient && phase === 'auth' ? 'passUp' : 'fatal'
  if (number >= 62 && number <= 79) return 'fatal'
  if ([80, 81, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100].includes(number)) return isOpen ? 'passUp' : 'fatal'
  if (number === 192 || number === 193) return isOpen ? 'handle' : 'fatal'
  // 0 is no message number; all that is left is unassigned.
  return isOpen && number !== 0 ? 'unimplemented' : 'fatal'
}

describe('the phase table', () => {
  test.each(roles)('says for a %s what the RFCs say, for each phase and each of 256 numbers', (role) => {
    for (const phase of phases) {
      for (let number = 0; number < 256; number++) {
        const found = phaseGate[role][phase][number]
        expect(`${phase} ${number} ${found}`).toBe(`${phase} ${number} ${expected(role, phase, number)}`)
      }
    }
  })

  test.each(roles)('has no two rows for one number that a %s may receive', (role) => {
    const rows = phaseRows.filter(({ receiver }) => receiver === undefined || receiver === role)
    for (let number = 0; number < 256; number++) {
      const matching = rows.filter(({ first, last }) => first <= number && number <= last)
      expect(matching.length, `number ${number}`).toBeLessThanOrEqual(1)
    }
  })
})

describe('a live transport', () => {
  let hostKey: Awaited<ReturnType<typeof testKey>>
  beforeAll(async () => {
    hostKey = await testKey('ssh-ed25519')
  })

  /** A transport of `role` whose inbound half is in `phase`, and the peer that brought it there. */
  function reach(role: Role, phase: Phase): { end: TransportEnd; raw: RawPeer } {
    const end = new TransportEnd(role, {}, { clock: () => 0, random: seededRandom(1), hostKeys: [hostKey] })
    end.transport.start()
    const isStrict = phase !== 'exchange' && phase !== 'kexInit'
    const raw = new RawPeer(end.transport, {
      role: role === 'client' ? 'server' : 'client',
      hostKey,
      isStrict,
      ...((phase === 'exchange' || phase === 'strictExchange') && { hold: ['method'] }),
    })
    raw.sendIdentification()
    if (phase === 'kexInit') return { end, raw }
    raw.sendKexInit().pump()
    if (phase === 'exchange' || phase === 'strictExchange' || phase === 'newKeys') return { end, raw }
    // Uses up the place right after NEWKEYS.
    raw.send(Buffer.of(2, 0, 0, 0, 0))
    if (phase === 'service') return { end, raw }
    if (role === 'client') {
      end.transport.requestService('ssh-userauth')
      raw.send(serviceAccept.encode({ serviceName: 'ssh-userauth' }))
    } else {
      raw.send(serviceRequest.encode({ serviceName: 'ssh-userauth' }))
    }
    if (phase === 'auth') return { end, raw }
    if (phase === 'authEnding') {
      raw.send(Buffer.of(7, 0, 0, 0, 0))
      return { end, raw }
    }
    if (role === 'client') raw.send(userauthSuccess.encode({}))
    end.transport.setAuthenticated()
    if (phase === 'rekey') {
      raw.hold = ['method']
      raw.sendKexInit()
    }
    raw.pump()
    return { end, raw }
  }

  /** Fields that fit, so that only the number decides. */
  function body(number: number): Uint8Array {
    const name = (text: string) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(text.length)
      return Buffer.concat([Buffer.of(number), length, Buffer.from(text)])
    }
    switch (number) {
      case 1:
        return Buffer.from([1, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0])
      case 2:
      case 3:
      case 7:
      case 192:
      case 193:
        return Buffer.of(number, 0, 0, 0, 0)
      case 4:
        return Buffer.from([4, 0, 0, 0, 0, 0, 0, 0, 0, 0])
      case 5:
      case 6:
        return name('ssh-userauth')
      default:
        return Buffer.of(number)
    }
  }

  const numbers = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 19, 20, 21, 22, 29, 30, 31, 32, 34, 49, 50, 51, 52, 53, 54, 60, 61, 62, 79, 80, 81, 82,
    83, 90, 91, 93, 94, 98, 99, 100, 101, 127, 128, 191, 192, 193, 194, 200, 255,
  ]
  const cases = roles.flatMap((role) =>
    // A server is never between EXT_INFO and SUCCESS.
    phases.filter((phase) => role === 'client' || phase !== 'authEnding').map((phase) => ({ role, phase })),
  )

  test.each(cases)('as $role in phase $phase does with each number what the table says', ({ role, phase }) => {
    for (const number of numbers) {
      const verdict = phaseGate[role][phase][number]
      const { end, raw } = reach(role, phase)
      if (number === 6 && verdict === 'handle') end.transport.requestService('ssh-userauth')
      raw.pump()
      const before = { events: end.events.length, payloads: end.payloads.length, received: raw.received.length }
      if (number === 20) raw.sendKexInit()
      else raw.send(body(number))
      raw.pump()
      const label = `${role} ${phase} ${number} ${verdict}`
      const passed = end.payloads.slice(before.payloads)
      const answers = raw.receivedNumbers.slice(before.received)
      switch (verdict) {
        case 'passUp':
          expect(passed, label).toEqual([Uint8Array.from(body(number))])
          expect(end.errorCodes, label).toEqual([])
          break
        case 'ignore':
          expect(end.events, label).toHaveLength(before.events)
          expect(answers, label).toEqual([])
          break
        case 'unimplemented':
          expect(end.events, label).toHaveLength(before.events)
          expect(answers, label).toEqual([3])
          break
        case 'fatal':
          expect(end.errorCodes, label).toHaveLength(1)
          expect(end.errorCodes, label).toEqual(['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
          expect(end.error?.details, label).toMatchObject({ number, phase })
          expect(passed, label).toEqual([])
          expect(answers, label).toEqual([1])
          break
        default:
          // What the transport does itself is the matter of other tests; here: it never reaches the rooms above.
          expect(passed, label).toEqual([])
          expect(end.errorCodes, label).not.toContain('ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE')
      }
    }
  })
})
