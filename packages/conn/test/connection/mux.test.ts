import { channelTypes, openFailureReasons, toUtf8 } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/connection/channel.js'
import type { ChannelOpenRequest } from '../../src/connection/channel-open.js'
import type { GlobalRequest } from '../../src/connection/global-requests.js'
import type { RequestReply } from '../../src/connection/replies.js'
import { Collector, channelPair, MuxEnd, muxPair, openOn, pattern } from '../mux-pair.js'

const noData = new Uint8Array(0)

describe('opening a channel', () => {
  test('carries the type, its data and both sides\u2019 sizes', () => {
    const requests: ChannelOpenRequest[] = []
    const pair = muxPair({}, { handlers: { onChannelOpen: (request) => void requests.push(request) } })
    const target = { hostToConnect: 'db', portToConnect: 5432, originatorAddress: '::1', originatorPort: 1 }
    const typeData = channelTypes.encode('direct-tcpip', target)
    const opened: [Channel, Uint8Array][] = []
    const sizes = { initialWindowSize: 1_000_000, maximumWindowSize: 2_000_000, maximumPacketSize: 10_000 }
    pair.client.mux.openChannel('direct-tcpip', typeData, sizes, {
      onOpen: (channel, data) => void opened.push([channel, data]),
      onFailure: (error) => expect.unreachable(error.message),
    })
    pair.flow()
    expect(pair.client.logged('channelOpen')).toMatchObject([
      { initialWindowSize: 1_000_000, maximumPacketSize: 10_000 },
    ])
    expect(requests).toMatchObject([{ channelType: 'direct-tcpip', isPending: true }])
    expect(channelTypes.decode('direct-tcpip', requests[0]!.typeData)).toEqual(target)
    expect(opened).toEqual([])

    const remote = requests[0]!.accept({}, toUtf8('hello'))
    pair.flow()
    expect(requests[0]!.isPending).toBe(false)
    expect(opened[0]![1]).toEqual(Buffer.from('hello'))
    expect(opened[0]![0].remoteId).toBe(remote.localId)
    remote.write(pattern(25_000))
    pair.flow()
    expect(pair.server.logged('channelData').map(({ data }) => data.length)).toEqual([10_000, 10_000, 5000])
    expect(() => requests[0]!.accept()).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_CLOSED' }))
  })

  test('fails with the reason and the words of the peer, made printable', () => {
    const { administrativelyProhibited } = openFailureReasons
    const handlers = {
      onChannelOpen: (request: ChannelOpenRequest) => {
        request.reject(administrativelyProhibited, 'not\u001b[2J you')
        request.reject(administrativelyProhibited, 'twice')
      },
    }
    const pair = muxPair({}, { handlers })
    const errors: Error[] = []
    pair.client.mux.openChannel(
      'session',
      noData,
      {},
      {
        onOpen: () => expect.unreachable(),
        onFailure: (error) => void errors.push(error),
      },
    )
    pair.flow()
    expect(errors).toMatchObject([{ code: 'ERR_SSH_CHANNEL_OPEN_REFUSED', reasonCode: 1 }])
    expect(errors[0]!.message).toContain('not\\x1b[2J you')
    expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
  })

  test('of any type is refused as unknown where nobody handles opens', () => {
    const pair = muxPair()
    const errors: Error[] = []
    pair.client.mux.openChannel('x11', noData, {}, { onOpen: () => {}, onFailure: (error) => void errors.push(error) })
    pair.flow()
    expect(errors).toMatchObject([{ reasonCode: openFailureReasons.unknownChannelType }])
  })

  test('that is cancelled leaves nothing open, whatever the peer answers', () => {
    const requests: ChannelOpenRequest[] = []
    const pair = muxPair({}, { handlers: { onChannelOpen: (request) => void requests.push(request) } })
    const handlers = { onOpen: () => expect.unreachable(), onFailure: () => expect.unreachable() }
    const openings = [0, 1].map(() => pair.client.mux.openChannel('session', noData, {}, handlers))
    pair.flow()
    for (const opening of openings) opening.cancel()
    const accepted = new Collector(requests[0]!.accept())
    requests[1]!.reject(2, '')
    pair.flow()
    expect(accepted.events).toEqual(['end', 'close'])
    expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
  })

  test('over our own limit throws before anything is sent', () => {
    const pair = channelPair({ limits: { channels: 1 } })
    const log = pair.client.log.length
    expect(() => openOn(pair)).toThrow(expect.objectContaining({ reasonCode: openFailureReasons.resourceShortage }))
    expect(pair.client.log).toHaveLength(log)
  })

  test('over the peer\u2019s limit, in all or of its type, is refused while the connection lives [D6]', () => {
    const limits = { channels: 4, channelsByType: new Map([['session', 2]]) }
    const pair = channelPair({}, { limits })
    const codes: number[] = []
    const open = (type: string): void => {
      pair.client.mux.openChannel(
        type,
        noData,
        {},
        {
          onOpen: () => void codes.push(0),
          onFailure: (error) => void codes.push((error as { reasonCode?: number }).reasonCode ?? -1),
        },
      )
      pair.flow()
    }
    for (const type of ['session', 'session', 'direct-tcpip', 'direct-tcpip', 'direct-tcpip']) open(type)
    expect(codes).toEqual([0, 4, 0, 0, 4])
    pair.local.close()
    pair.flow()
    open('session')
    expect(codes.at(-1)).toBe(0)
  })
})

describe('global requests', () => {
  test('get their own replies, in order, whichever answer comes first', () => {
    const waiting: GlobalRequest[] = []
    const pair = muxPair({}, { handlers: { onGlobalRequest: (request) => void waiting.push(request) } })
    const replies: [string, RequestReply][] = []
    for (const name of ['a', 'b', 'c'])
      pair.client.mux.globalRequest(name, toUtf8(name), (reply) => void replies.push([name, reply]))
    pair.client.mux.globalRequest('quiet', noData)
    pair.flow()
    expect(waiting.map(({ requestName, wantReply }) => [requestName, wantReply])).toEqual([
      ['a', true],
      ['b', true],
      ['c', true],
      ['quiet', false],
    ])
    waiting[3]!.reply(true)
    waiting[2]!.reply(true, toUtf8('port'))
    waiting[1]!.reply(false)
    pair.flow()
    expect(replies).toEqual([])
    waiting[0]!.reply(true)
    pair.flow()
    expect(replies).toEqual([
      ['a', { outcome: 'success', data: Buffer.alloc(0) }],
      ['b', { outcome: 'failure' }],
      ['c', { outcome: 'success', data: Buffer.from('port') }],
    ])
    expect(pair.server.log).toHaveLength(3)
  })

  test('are refused where nobody handles them', () => {
    const pair = muxPair()
    const replies: RequestReply[] = []
    pair.client.mux.globalRequest('tcpip-forward', noData, (reply) => void replies.push(reply))
    pair.flow()
    expect(replies).toEqual([{ outcome: 'failure' }])
  })
})

describe('pulling', () => {
  test('takes channels in turn, so a bulk transfer does not hold up a keystroke', () => {
    const pair = channelPair({ limits: { maximumPacketSize: 1000 } })
    const others = [openOn(pair), openOn(pair)]
    pair.local.write(pattern(100_000))
    const start = pair.client.log.length
    pair.client.take()
    for (const channel of others) channel.write(pattern(1500))
    const taken = Array.from({ length: 8 }, () => pair.client.take()).length
    expect(taken).toBe(8)
    const order = pair.client.log
      .slice(start)
      .map((message) => 'recipientChannel' in message && message.recipientChannel)
    const [bulk, a, b] = [pair.local, ...others].map((channel) => channel.remoteId)
    expect(order).toEqual([bulk, bulk, a, b, bulk, a, b, bulk, bulk])
  })

  test('shares evenly over time, whatever each channel writes at once', () => {
    const pair = channelPair({ limits: { maximumPacketSize: 1000, channels: 20 } }, { limits: { channels: 20 } })
    const channels = [pair.local, ...Array.from({ length: 9 }, () => openOn(pair))]
    for (const [index, channel] of channels.entries()) {
      for (let sent = 0; sent < 50_000; sent += 1000 * (index + 1)) channel.write(pattern(1000 * (index + 1)))
    }
    const start = pair.client.log.length
    for (let round = 0; round < 300; round++) pair.client.take()
    const counts = new Map<number, number>()
    for (const message of pair.client.log.slice(start)) {
      if (message.type === 'channelData') {
        counts.set(message.recipientChannel, (counts.get(message.recipientChannel) ?? 0) + message.data.length)
      }
    }
    expect([...counts.values()]).toEqual(channels.map(() => 30_000))
  })

  test('gives nothing for a channel without window until it gets some', () => {
    const pair = channelPair({}, { limits: { initialWindowSize: 100, maximumWindowSize: 100 } })
    const held = new Collector(pair.remote, true)
    pair.local.write(pattern(150))
    pair.local.end()
    pair.flow()
    expect(held.length).toBe(100)
    expect(pair.client.mux.hasOutput).toBe(false)
    const wakes = pair.client.wakes
    pair.remote.release(100)
    pair.flow()
    expect(pair.client.wakes).toBe(wakes + 1)
    expect(held.length).toBe(150)
    expect(held.events.at(-1)).toBe('end')
  })

  test('wakes once, when the first channel has something', () => {
    const pair = channelPair()
    const other = openOn(pair)
    pair.local.write(pattern(10))
    other.write(pattern(10))
    pair.local.write(pattern(10))
    expect(pair.client.wakes).toBe(1)
    pair.client.sent()
    other.write(pattern(10))
    expect(pair.client.wakes).toBe(2)
  })
})

describe('the end of the connection', () => {
  test('settles everything that is open or pending once, with its error', () => {
    const requests: ChannelOpenRequest[] = []
    const pair = channelPair()
    const { mux } = pair.client
    const told: string[] = []
    const note = (what: string) => (error?: Error) => void told.push(`${what}: ${error?.message}`)
    const onReply = (what: string) => (reply: RequestReply) =>
      note(what)(reply.outcome === 'closed' ? reply.error : undefined)
    pair.local.handle({ onClose: note('owner') })
    pair.local.attach({ onClose: note('stdout') })
    pair.local.extendedData(1).attach({ onClose: note('stderr') })
    pair.local.write(pattern(10))
    pair.local.request('sent', noData, {}, onReply('request'))
    pair.local.request('unsent', noData, { afterData: true }, onReply('queued request'))
    mux.openChannel('session', noData, {}, { onOpen: () => expect.unreachable(), onFailure: note('open') })
    mux.openChannel('session', noData, {}, { onOpen: () => {}, onFailure: () => expect.unreachable() }).cancel()
    mux.globalRequest('x', noData, onReply('global'))

    const error = new Error('gone')
    mux.end(error)
    mux.end(new Error('again'))
    const expected = ['global', 'request', 'queued request', 'stdout', 'stderr', 'owner', 'open']
    expect(told).toEqual(expected.map((what) => `${what}: gone`))

    pair.client.sent()
    const sent = pair.client.log.length
    pair.local.close()
    pair.local.abort()
    pair.local.write(pattern(1))
    mux.globalRequest('late', noData, onReply('late'))
    expect(told.at(-1)).toBe('late: gone')
    expect(() => mux.openChannel('session', noData, {}, { onOpen: () => {}, onFailure: () => {} })).toThrow(error)
    expect(mux.receive(new Uint8Array([96, 0, 0, 0, 0]))).toBe(true)
    expect(pair.client.sent()).toEqual([])
    expect(pair.client.log).toHaveLength(sent)
    expect(mux.channelCount).toBe(0)
    expect(requests).toEqual([])
  })

  test('is told to everyone although somebody throws, and what was thrown is not lost', () => {
    const pair = channelPair()
    const told: string[] = []
    const fail = (what: string) => () => {
      told.push(what)
      throw new Error(what)
    }
    pair.local.handle({ onClose: fail('owner') })
    openOn(pair).handle({ onClose: () => void told.push('another owner') })
    const { mux } = pair.client
    mux.openChannel('session', noData, {}, { onOpen: () => {}, onFailure: fail('open') })
    mux.globalRequest('x', noData, fail('global'))
    expect(() => mux.end(new Error('gone'))).toThrow('global')
    expect(told).toEqual(['global', 'owner', 'another owner', 'open'])
  })

  test('is the end of an open that the application has not answered', () => {
    const requests: ChannelOpenRequest[] = []
    const pair = muxPair({}, { handlers: { onChannelOpen: (request) => void requests.push(request) } })
    pair.client.mux.openChannel('session', noData, {}, { onOpen: () => {}, onFailure: () => {} })
    pair.flow()
    pair.server.mux.end(new Error('gone'))
    expect(requests[0]!.isPending).toBe(false)
    requests[0]!.reject(1, '')
    expect(() => requests[0]!.accept()).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_CLOSED' }))
    expect(pair.server.sent()).toEqual([])
  })

  test('still hands a late consumer what had arrived', () => {
    const pair = channelPair()
    pair.local.write(toUtf8('last words'))
    pair.flow()
    const error = new Error('gone')
    pair.server.mux.end(error)
    const collector = new Collector(pair.remote)
    expect(collector.bytes).toEqual(Buffer.from('last words'))
    expect(collector.events).toEqual(['data', 'close'])
    expect(collector.closeError).toBe(error)
  })
})

test('a message number that RFC 4254 does not define is left to the caller', () => {
  const end = new MuxEnd()
  for (const number of [83, 89, 101, 127]) expect(end.mux.receive(new Uint8Array([number, 0]))).toBe(false)
  expect(end.mux.receive(noData)).toBe(false)
})
