import { describe, expect, test } from 'vitest'
import { noRestrictions, type PermittedEndpoint } from '../../../src/config/key-restrictions.js'
import {
  type AllowForwarding,
  type ForwardPolicy,
  type ForwardRequest,
  type ForwardRestrictions,
  judgeForward,
} from '../../../src/server/forwarding/forward-policy.js'

const nothing: ForwardPolicy = {
  allowTcpForwarding: false,
  allowStreamLocalForwarding: false,
  permitOpen: undefined,
  permitListen: undefined,
}
const elsewhere: readonly PermittedEndpoint[] = [{ host: 'elsewhere', port: 1 }]

const requests = [
  ['tcpip', 'open'],
  ['tcpip', 'listen'],
  ['streamlocal', 'open'],
  ['streamlocal', 'listen'],
] as const
const options: readonly AllowForwarding[] = [false, true, 'local', 'remote']
const keys: readonly (readonly [name: string, restrictions: readonly ForwardRestrictions[]])[] = [
  ['no key', []],
  ['a key that allows all', [noRestrictions]],
  ['a key with no-port-forwarding', [{ ...noRestrictions, allowPortForwarding: false }]],
  ['a key for other destinations', [{ ...noRestrictions, permitOpen: elsewhere }]],
  ['a key for other listeners', [{ ...noRestrictions, permitListen: elsewhere }]],
  ['one that allows all and one that allows none', [noRestrictions, { ...noRestrictions, allowPortForwarding: false }]],
]

const request = (kind: 'tcpip' | 'streamlocal', direction: 'open' | 'listen'): ForwardRequest =>
  kind === 'tcpip' ? { kind, direction, host: 'host', port: 80 } : { kind, direction }

describe('D14: every kind, direction, option, callback and key', () => {
  const rows = requests.flatMap(([kind, direction]) =>
    options.flatMap((option) =>
      [true, false].flatMap((hasCallback) =>
        keys.map(([name, restrictions]) => ({ kind, direction, option, hasCallback, name, restrictions })),
      ),
    ),
  )

  test('there are 192 of them', () => expect(rows).toHaveLength(192))

  test.each(rows)('$kind $direction, option $option, callback $hasCallback, $name', (row) => {
    const { kind, direction, option, hasCallback, name, restrictions } = row
    const forbidding =
      direction === 'open'
        ? ['a key with no-port-forwarding', 'a key for other destinations']
        : ['a key with no-port-forwarding', 'a key for other listeners']
    const isForbidden = [...forbidding, 'one that allows all and one that allows none'].includes(name)
    const isNative = option === true || option === { open: 'local', listen: 'remote' }[direction]
    const expected = isForbidden ? 'refuse' : hasCallback ? 'ask' : isNative ? 'native' : 'refuse'
    const ofKind: ForwardPolicy = { ...nothing, allowTcpForwarding: option }
    const ofOther: ForwardPolicy = { ...nothing, allowStreamLocalForwarding: option }
    const [policy, other] = kind === 'tcpip' ? [ofKind, ofOther] : [ofOther, ofKind]
    expect(judgeForward(request(kind, direction), policy, restrictions, hasCallback)).toBe(expected)
    // The option of one kind opens nothing of the other.
    expect(judgeForward(request(kind, direction), other, restrictions, false)).toBe('refuse')
  })
})

describe('lists of the options', () => {
  const all: ForwardPolicy = { ...nothing, allowTcpForwarding: true, allowStreamLocalForwarding: true }
  const tcp = (direction: 'open' | 'listen', host: string, port: number): ForwardRequest => ({
    kind: 'tcpip',
    direction,
    host,
    port,
  })

  test.each([
    ['open', [{ host: 'host', port: 80 }], 'host', 80, true],
    ['open', [{ host: 'host', port: 80 }], 'host', 81, false],
    ['open', [{ host: 'host', port: 80 }], 'host.', 80, false],
    ['open', [{ host: 'host', port: 0 }], 'host', 81, true],
    ['open', [{ host: '*', port: 80 }], 'other', 80, true],
    ['open', [{ host: '*', port: 80 }], 'other', 81, false],
    // No patterns for destinations, as with sshd.
    ['open', [{ host: 'h*', port: 80 }], 'host', 80, false],
    ['open', [], 'host', 80, false],
    ['open', [...elsewhere, { host: 'host', port: 80 }], 'host', 80, true],
    ['listen', [{ host: 'localhost', port: 0 }], 'localhost', 0, true],
    ['listen', [{ host: 'localhost', port: 8080 }], 'localhost', 0, false],
    ['listen', [{ host: 'localhost', port: 8080 }], 'localhost', 8080, true],
    ['listen', [{ host: 'localhost', port: 8080 }], '', 8080, false],
    ['listen', [{ host: '*', port: 8080 }], '', 8080, true],
    ['listen', [{ host: '192.0.2.*', port: 8080 }], '192.0.2.7', 8080, true],
    ['listen', [{ host: '192.0.2.?', port: 8080 }], '192.0.2.77', 8080, false],
    ['listen', [], 'localhost', 8080, false],
  ] as const)('%s with %j: %s %d is %s', (direction, list, host, port, allowed) => {
    const policy = { ...all, ...(direction === 'open' ? { permitOpen: list } : { permitListen: list }) }
    const other = direction === 'open' ? 'listen' : 'open'
    expect(judgeForward(tcp(direction, host, port), policy, [], false)).toBe(allowed ? 'native' : 'refuse')
    expect(judgeForward(tcp(direction, host, port), policy, [], true)).toBe(allowed ? 'ask' : 'refuse')
    expect(judgeForward(tcp(other, host, port), policy, [], false)).toBe('native')
    expect(judgeForward({ kind: 'streamlocal', direction }, policy, [], false)).toBe('native')
  })

  test('count beside those of each key', () => {
    const permits = (host: string): ForwardRestrictions => ({ ...noRestrictions, permitOpen: [{ host, port: 0 }] })
    const policy = { ...all, permitOpen: [{ host: 'a', port: 80 }] }
    const judge = (restrictions: readonly ForwardRestrictions[]) =>
      judgeForward(tcp('open', 'a', 80), policy, restrictions, false)
    expect(judge([permits('a')])).toBe('native')
    expect(judge([permits('b')])).toBe('refuse')
    expect(judge([permits('a'), permits('b')])).toBe('refuse')
    expect(judge([permits('a'), permits('*')])).toBe('native')
    expect(judgeForward(tcp('open', 'b', 80), policy, [permits('b')], false)).toBe('refuse')
  })
})
