import { generatePrivateKey } from '@ssh/crypto'
import { FakeClock, type MemoryChannelOptions, memoryChannelPair } from '@ssh/testkit'
import { agentRequests, toUtf8, Writer } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { AgentClient } from '../../src/agent/agent-client.js'
import { type AgentFilter, type LentAgentRequest, relayAgent } from '../../src/agent/agent-relay.js'
import { type Answer, framed, KeyRing, replies, ScriptedAgent } from './scripted-agent.js'

const first = await generatePrivateKey('ssh-ed25519', { comment: 'first' })
const second = await generatePrivateKey('ssh-ed25519', { comment: 'second' })
const data = toUtf8('what is signed')
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A borrower, a relay and an agent. */
function relayed(
  filter: AgentFilter,
  answer: Answer = new KeyRing(first, second).answer,
  channel: MemoryChannelOptions = {},
) {
  const [borrower, near] = memoryChannelPair(channel)
  const [far, agentEnd] = memoryChannelPair()
  const agent = new ScriptedAgent(agentEnd, answer)
  const over = relayAgent(near, far, filter)
  return { borrower, near, far, agentEnd, agent, over }
}

const clientOver = (channel: ReturnType<typeof relayed>['borrower']) =>
  new AgentClient(channel, { schedule: new FakeClock().schedule })

describe('a filter (G16)', () => {
  test('sees what is asked, and decides what gets to the agent', async () => {
    const seen: LentAgentRequest[] = []
    const { borrower, agent } = relayed((request) => {
      seen.push(request)
      if (request.type === 'signRequest') return request.publicKey?.equals(first.publicKey) === true
      return request.type === 'requestIdentities'
    })
    const client = clientOver(borrower)
    const refused = { code: 'ERR_SSH_AGENT_REFUSED' }
    expect(await client.listKeys()).toHaveLength(2)
    expect(first.publicKey.verify(data, await client.sign(first.publicKey, data))).toBe(true)
    await expect(client.sign(second.publicKey, data)).rejects.toMatchObject(refused)
    await expect(client.addKey(second)).rejects.toMatchObject(refused)
    await expect(client.removeKey(second.publicKey)).rejects.toMatchObject(refused)
    await expect(client.lock('mine now')).rejects.toMatchObject(refused)
    expect(await client.queryExtensions()).toEqual([])
    expect(agent.requests.map(({ type }) => type)).toEqual(['requestIdentities', 'signRequest'])
    expect(seen.map(({ type, number }) => [type, number])).toEqual([
      ['requestIdentities', 11],
      ['signRequest', 13],
      ['signRequest', 13],
      ['addIdentity', 17],
      ['removeIdentity', 18],
      ['lock', 22],
      ['extension', 27],
    ])
    expect(Buffer.from(seen[1]?.data ?? []).toString()).toBe('what is signed')
    expect(seen[4]?.publicKey?.equals(second.publicKey)).toBe(true)
    expect(seen[6]?.extensionType).toBe('query')
  })

  test('sees requests that nobody here knows, and loaders of modules', async () => {
    const seen: LentAgentRequest[] = []
    const { borrower, agent } = relayed((request) => {
      seen.push(request)
      return false
    })
    const got: number[] = []
    borrower.attach({ onData: (chunk) => void got.push(...chunk) })
    const smartcard = agentRequests.definitions[5].encode({ readerId: '/tmp/evil.so', pin: new Uint8Array(0) })
    borrower.write(Buffer.concat([framed(smartcard), framed(Uint8Array.of(99, 1, 2))]))
    await turn()
    expect(seen.map(({ type, number, loadsLibrary }) => [type, number, loadsLibrary])).toEqual([
      ['addSmartcardKey', 20, true],
      [undefined, 99, false],
    ])
    expect(got).toEqual([0, 0, 0, 1, 5, 0, 0, 0, 1, 5])
    expect(agent.requests).toEqual([])
  })

  test('is not asked about what is malformed, which gets nowhere', async () => {
    let decisions = 0
    const { borrower, agent } = relayed(() => {
      decisions++
      return true
    })
    const got: number[] = []
    borrower.attach({ onData: (chunk) => void got.push(...chunk) })
    borrower.write(Buffer.concat([framed(Uint8Array.of(13, 255, 255, 255, 255)), framed(new Uint8Array(0))]))
    await turn()
    expect(got).toEqual([0, 0, 0, 1, 5, 0, 0, 0, 1, 5])
    expect(decisions).toBe(0)
    expect(agent.requests).toEqual([])
  })

  test.for<readonly [string, AgentFilter]>([
    [
      'throws',
      () => {
        throw new Error('oh')
      },
    ],
    ['rejects', () => Promise.reject(new Error('oh'))],
    ['says something else than true', () => 'yes' as never],
  ])('that %s refuses', async ([, filter]) => {
    const { borrower, agent } = relayed(filter)
    await expect(clientOver(borrower).listKeys()).rejects.toMatchObject({ code: 'ERR_SSH_AGENT_REFUSED' })
    expect(agent.requests).toEqual([])
  })

  test('that takes its time keeps requests and replies in order', async () => {
    const waiting: ((answer: boolean) => void)[] = []
    const slow: AgentFilter = () => new Promise((resolve) => void waiting.push(resolve))
    const { borrower } = relayed(slow, undefined, { chunkSize: 3 })
    const got: number[] = []
    borrower.attach({
      onData: (chunk) => {
        got.push(...chunk)
        borrower.release(chunk.length)
      },
    })
    borrower.write(Buffer.concat([framed(Uint8Array.of(19)), framed(Uint8Array.of(11)), framed(Uint8Array.of(19))]))
    for (const answer of [false, true, true]) {
      await turn()
      expect(waiting).toHaveLength(1)
      waiting.shift()?.(answer)
    }
    await turn()
    const list = new KeyRing(first, second).answer({ type: 'requestIdentities' }) ?? data
    expect(Buffer.from(got)).toEqual(Buffer.concat([framed(replies.failure), framed(list), framed(replies.success)]))
  })
})

test('a flood of requests leaves turns to everybody else, and gets its refusals in order (H6)', async () => {
  let decisions = 0
  const { borrower } = relayed(() => {
    decisions++
    return false
  })
  let got = 0
  borrower.attach({
    onData: (chunk) => {
      got += chunk.length
      borrower.release(chunk.length)
    },
  })
  const count = 5000
  const flood = Buffer.concat(Array.from({ length: count }, () => framed(Uint8Array.of(19))))
  borrower.write(flood)
  await turn()
  await turn()
  expect(decisions).toBeGreaterThan(0)
  expect(decisions).toBeLessThan(count / 10)
  while (got < count * 5) await turn()
  expect([decisions, got]).toEqual([count, count * 5])
})

describe('the end', () => {
  test('of the borrower is passed on once its requests are answered', async () => {
    const { borrower, far, over, agent } = relayed(() => true)
    const got: number[] = []
    borrower.attach({ onData: (chunk) => void got.push(...chunk) })
    borrower.write(framed(Uint8Array.of(19)))
    borrower.end()
    await over
    expect(got).toEqual([0, 0, 0, 1, 6])
    expect(agent.requests).toHaveLength(1)
    expect(far.isClosed).toBe(true)
  })

  test.for(['borrower', 'agentEnd'] as const)('of the %s closes both, in the middle of a request too', async (side) => {
    for (const isAsked of [false, true]) {
      const ends = relayed(
        () => true,
        () => undefined,
      )
      if (side === 'agentEnd') ends.borrower.attach({})
      if (isAsked) ends.borrower.write(framed(Uint8Array.of(11)))
      await turn()
      ends[side].abort()
      await ends.over
      expect([ends.near.isClosed, ends.far.isClosed]).toEqual([true, true])
    }
  })

  test('comes with a frame that no agent takes, from either side, and with a reply that nobody asked for', async () => {
    const long = new Writer().writeUint32(0xffffffff).finish()
    for (const speak of [
      (ends: ReturnType<typeof relayed>) => void ends.borrower.write(long),
      (ends: ReturnType<typeof relayed>) => void ends.agentEnd.write(long),
      (ends: ReturnType<typeof relayed>) => void ends.agentEnd.write(framed(replies.success)),
    ]) {
      const ends = relayed(() => true)
      ends.borrower.attach({})
      speak(ends)
      await ends.over
      expect(ends.far.isClosed).toBe(true)
    }
  })

  test('a borrower that does not read is not asked for more, and what waits is bounded by its window', async () => {
    let decisions = 0
    const filter: AgentFilter = () => {
      decisions++
      return true
    }
    const big = replies.identities([new Uint8Array(200_000), ''])
    const { borrower, near, over } = relayed(filter, () => big, { windowSize: 64 * 1024, highWaterMark: 1024 })
    const held: Uint8Array[] = []
    borrower.attach({ onData: (chunk) => void held.push(chunk) })
    for (let count = 0; count < 50_000; count++) borrower.write(framed(Uint8Array.of(11)))
    await turn()
    expect(decisions).toBe(1)
    expect(near.unreleased).toBe(64 * 1024)
    let got = 0
    for (let chunk = held.shift(); chunk !== undefined && decisions < 20; chunk = held.shift()) {
      got += chunk.length
      borrower.release(chunk.length)
      await turn()
    }
    expect(decisions).toBe(20)
    expect(got).toBeGreaterThan(18 * 200_000)
    borrower.abort()
    await over
  })
})
