/** Agent channels of a client, from a server that may be hostile: two muxes and agents, all in memory. */

import { generatePrivateKey } from '@ssh/crypto'
import { FakeClock, type MemoryChannel, memoryChannelPair } from '@ssh/testkit'
import { openFailureReasons } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { AgentClient } from '../../src/agent/agent-client.js'
import type { Channel } from '../../src/connection/channel.js'
import { Incoming } from '../../src/connection/incoming.js'
import { ChannelOpenError } from '../../src/errors.js'
import { AgentForward } from '../../src/forwarding/agent-forward.js'
import { KeyRing, ScriptedAgent } from '../agent/scripted-agent.js'
import { muxPair } from '../mux-pair.js'

const first = await generatePrivateKey('ssh-ed25519', { comment: 'first' })
const second = await generatePrivateKey('ssh-ed25519', { comment: 'second' })

interface Opened {
  channel?: Channel
  error?: Error
}

/** A client that forwards agents; `open` is what its server does. */
function scene() {
  const refusals: string[] = []
  const incoming = new Incoming({
    reasonCode: openFailureReasons.administrativelyProhibited,
    description: 'not asked for',
  })
  const forward = new AgentForward(incoming, (why) => void refusals.push(why))
  const pair = muxPair({ handlers: { onChannelOpen: (request) => incoming.channelRequested(request) } })
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) {
      pair.flow()
      await Promise.resolve()
    }
  }
  const open = async (): Promise<Opened> => {
    const opened: Opened = {}
    pair.server.mux.openChannel(
      'auth-agent@openssh.com',
      new Uint8Array(0),
      {},
      {
        onOpen: (channel) => {
          opened.channel = channel
        },
        onFailure: (error) => {
          opened.error = error
        },
      },
    )
    await settle()
    return opened
  }
  return { forward, refusals, pair, settle, open }
}

/** Makes connections to one agent. */
function agentOf(ring: KeyRing) {
  const ends: MemoryChannel[] = []
  const connect = async () => {
    const [near, far] = memoryChannelPair()
    new ScriptedAgent(far, ring.answer)
    ends.push(near)
    return near
  }
  return { connect, ends }
}

async function keysBehind({ channel }: Opened, settle: () => Promise<void>): Promise<string[]> {
  if (channel === undefined) throw new Error('The channel was not opened')
  const listing = new AgentClient(channel, { schedule: new FakeClock().schedule }).listKeys()
  await settle()
  return (await listing).map(({ comment }) => comment)
}

const reasonOf = ({ error }: Opened) => error instanceof ChannelOpenError && error.reasonCode

describe('a server', () => {
  test('gets no agent that it was not lent (D12)', async () => {
    const { open } = scene()
    expect(reasonOf(await open())).toBe(openFailureReasons.administrativelyProhibited)
  })

  test('gets a connection of its own for each channel, while a session lends the agent', async () => {
    const { forward, open, settle } = scene()
    const { connect, ends } = agentOf(new KeyRing(first))
    const grant = forward.grant(connect)
    const [one, other] = [await open(), await open()]
    expect(await keysBehind(one, settle)).toEqual(['first'])
    expect(await keysBehind(other, settle)).toEqual(['first'])
    expect(ends).toHaveLength(2)
    grant.revoke()
    expect(reasonOf(await open())).toBe(openFailureReasons.administrativelyProhibited)
    expect(ends.map((end) => end.isClosed)).toEqual([false, false])
    one.channel?.close()
    await settle()
    expect(ends.map((end) => end.isClosed)).toEqual([true, false])
    grant.revoke()
  })

  test('gets the agent that was lent last', async () => {
    const { forward, open, settle } = scene()
    forward.grant(agentOf(new KeyRing(first)).connect)
    const grant = forward.grant(agentOf(new KeyRing(second)).connect)
    expect(await keysBehind(await open(), settle)).toEqual(['second'])
    grant.revoke()
    expect(await keysBehind(await open(), settle)).toEqual(['first'])
  })

  test('learns nothing of why an agent cannot be reached', async () => {
    const { forward, open, refusals } = scene()
    forward.grant(() => Promise.reject(new Error('/home/alice/agent is not there')))
    const refused = await open()
    expect(reasonOf(refused)).toBe(openFailureReasons.connectFailed)
    expect(refused.error?.message).not.toContain('alice')
    expect(refusals).toEqual(['/home/alice/agent is not there'])
  })

  test('does not use up all the connections an agent has', async () => {
    const { forward, open } = scene()
    const { connect, ends } = agentOf(new KeyRing())
    forward.grant(connect)
    const opened: Opened[] = []
    for (let count = 0; count < 65; count++) opened.push(await open())
    expect(ends).toHaveLength(64)
    expect(opened.map(reasonOf).filter((reason) => reason !== false)).toEqual([openFailureReasons.resourceShortage])
    opened[0]?.channel?.close()
    expect(reasonOf(await open())).toBe(openFailureReasons.resourceShortage)
    expect((await open()).channel).toBeDefined()
  })

  test('that goes away takes its connections with it, also one that is being made', async () => {
    const { forward, open, pair, settle } = scene()
    const { connect, ends } = agentOf(new KeyRing())
    forward.grant(connect)
    await open()
    let go = (): void => {}
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    forward.grant(async () => {
      await gate
      return connect()
    })
    await open()
    pair.client.mux.end(new Error('gone'))
    go()
    await settle()
    expect(ends.map((end) => end.isClosed)).toEqual([true, true])
  })
})
