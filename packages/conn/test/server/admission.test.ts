import { describe, expect, test } from 'vitest'
import { Admission, type AdmissionLimits, type Admitted } from '../../src/server/admission.js'

const unlimited: AdmissionLimits = {
  maxStartups: 1000,
  perSourceMaxStartups: undefined,
  maxConnections: undefined,
  maxConnectionsPerAddress: undefined,
}

function admitted(admission: Admission, address: string | undefined): Admitted {
  const answer = admission.admit(address)
  if (typeof answer === 'string') throw new Error(`refused by ${answer}`)
  return answer
}

describe('a number of startups', () => {
  test('is a limit until users are in or gone', () => {
    const admission = new Admission({ ...unlimited, maxStartups: 2 })
    const first = admitted(admission, 'a')
    const second = admitted(admission, 'b')
    expect(admission.admit('c')).toBe('maxStartups')
    first.startedUp()
    first.startedUp()
    first.ended()
    const third = admitted(admission, 'c')
    expect(admission.admit('d')).toBe('maxStartups')
    second.ended()
    third.ended()
    third.ended()
    admitted(admission, 'd')
    admitted(admission, 'e')
    expect(admission.admit('f')).toBe('maxStartups')
  })
})

describe('start, rate and full', () => {
  /** Percentage of chances at which a connection is refused when so many are logging in. */
  function refusedShare(startups: number): number {
    let chance = 0
    const admission = new Admission({ ...unlimited, maxStartups: [10, 30, 100] }, () => chance)
    chance = 0.9999
    while (startups-- > 0) admitted(admission, undefined)
    let refused = 0
    for (let percent = 0; percent < 100; percent++) {
      chance = percent / 100
      const answer = admission.admit(undefined)
      if (typeof answer === 'string') refused++
      else answer.ended()
    }
    return refused
  }

  // What drop_connection of OpenSSH's sshd computes for 10:30:100.
  test.each([
    [0, 0],
    [9, 0],
    [10, 30],
    [55, 65],
    [99, 100],
  ])('refuse at %d startups %d of 100', (startups, share) => {
    expect(refusedShare(startups)).toBe(share)
  })

  test('refuse all at full', () => {
    const admission = new Admission({ ...unlimited, maxStartups: [1, 1, 2] }, () => 0.9999)
    admitted(admission, 'a')
    admitted(admission, 'a')
    expect(admission.admit('a')).toBe('maxStartups')
  })
})

describe('limits of an address', () => {
  test('of startups', () => {
    const admission = new Admission({ ...unlimited, perSourceMaxStartups: 1 })
    const first = admitted(admission, '192.0.2.1')
    expect(admission.admit('::ffff:192.0.2.1')).toBe('perSourceMaxStartups')
    admitted(admission, '192.0.2.2')
    first.startedUp()
    admitted(admission, '192.0.2.1')
  })

  test('of connections, which count after the login too', () => {
    const admission = new Admission({ ...unlimited, maxConnectionsPerAddress: 1, maxConnections: 2 })
    const first = admitted(admission, '::1')
    first.startedUp()
    expect(admission.admit('::1')).toBe('maxConnectionsPerAddress')
    admitted(admission, '::2')
    expect(admission.admit('::3')).toBe('maxConnections')
    first.ended()
    admitted(admission, '::1')
  })

  test('do not hold for those of whom nobody knows where they come from', () => {
    const admission = new Admission({ ...unlimited, perSourceMaxStartups: 1, maxConnectionsPerAddress: 1 })
    for (let count = 0; count < 5; count++) admitted(admission, undefined)
  })
})

test('a source is as large a network as perSourceNetBlockSize says', () => {
  const limits = { ...unlimited, perSourceMaxStartups: 1 }
  const networks = new Admission({ ...limits, perSourceNetBlockSize: [24, 64] })
  const first = admitted(networks, '2001:db8::1')
  expect(networks.admit('2001:db8::ffff:2')).toBe('perSourceMaxStartups')
  admitted(networks, '2001:db8:0:1::1')
  admitted(networks, '192.0.2.1')
  expect(networks.admit('::ffff:192.0.2.200')).toBe('perSourceMaxStartups')
  admitted(networks, '192.0.3.1')
  first.ended()
  admitted(networks, '2001:db8::3')
  const addresses = new Admission(limits)
  admitted(addresses, '2001:db8::1')
  admitted(addresses, '2001:db8::2')
  admitted(addresses, 'no address')
  expect(addresses.admit('2001:db8:0::1')).toBe('perSourceMaxStartups')
})
