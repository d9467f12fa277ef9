/** What a peer that breaks the rules, or stretches them, can do to a mux. Row numbers are those of the threat model. */

import {
  channelClose,
  channelData,
  channelEof,
  channelExtendedData,
  channelFailure,
  channelOpen,
  channelOpenConfirmation,
  channelOpenFailure,
  channelRequest,
  channelSuccess,
  channelWindowAdjust,
  globalRequest,
  requestFailure,
  requestSuccess,
  toUtf8,
} from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/connection/channel.js'
import type { ChannelOpenRequest } from '../../src/connection/channel-open.js'
import type { RequestReply } from '../../src/connection/replies.js'
import { Collector, MuxEnd, type MuxEndOptions, pattern } from '../mux-pair.js'

const noData = new Uint8Array(0)

/** The peer's number of the first channel it opens. */
const theirs = 7

function openPayload(fields: { senderChannel?: number; maximumPacketSize?: number; initialWindowSize?: number } = {}) {
  return channelOpen.encode({
    channelType: 'session',
    senderChannel: theirs,
    initialWindowSize: 1_000_000,
    maximumPacketSize: 1000,
    typeData: noData,
    ...fields,
  })
}

/** A mux on which the test, as its peer, has opened one channel. */
function openedByPeer(options: MuxEndOptions = {}, fields: Parameters<typeof openPayload>[0] = {}) {
  const channels: Channel[] = []
  const handlers = { onChannelOpen: (request: ChannelOpenRequest) => void channels.push(request.accept()) }
  const end = new MuxEnd({ ...options, handlers })
  end.mux.receive(openPayload(fields))
  const [channel] = channels
  if (channel === undefined) throw new Error('The channel was not accepted')
  end.sent()
  return { end, channel }
}

/** Every message about a channel, for channel `id` of the mux. */
const channelMessages = (id: number): ReadonlyMap<string, Uint8Array> =>
  new Map([
    [
      'channelOpenConfirmation',
      channelOpenConfirmation.encode({
        recipientChannel: id,
        senderChannel: theirs,
        initialWindowSize: 1,
        maximumPacketSize: 1,
        typeData: noData,
      }),
    ],
    [
      'channelOpenFailure',
      channelOpenFailure.encode({ recipientChannel: id, reasonCode: 1, description: '', languageTag: '' }),
    ],
    ['channelWindowAdjust', channelWindowAdjust.encode({ recipientChannel: id, bytesToAdd: 1 })],
    ['channelData', channelData.encode({ recipientChannel: id, data: pattern(1) })],
    ['channelExtendedData', channelExtendedData.encode({ recipientChannel: id, dataTypeCode: 1, data: pattern(1) })],
    ['channelEof', channelEof.encode({ recipientChannel: id })],
    ['channelClose', channelClose.encode({ recipientChannel: id })],
    [
      'channelRequest',
      channelRequest.encode({ recipientChannel: id, requestType: 'x', wantReply: true, requestData: noData }),
    ],
    ['channelSuccess', channelSuccess.encode({ recipientChannel: id })],
    ['channelFailure', channelFailure.encode({ recipientChannel: id })],
  ])

describe('messages for channels in any state [D1]', () => {
  const opening = () => {
    const end = new MuxEnd()
    end.mux.openChannel('session', noData, {}, { onOpen: () => {}, onFailure: () => {} })
    return end
  }
  const accepting = () => {
    const end = new MuxEnd({ handlers: { onChannelOpen: () => {} } })
    end.mux.receive(openPayload())
    return end
  }
  const closing = () => {
    const { end, channel } = openedByPeer()
    channel.attach({ onData: () => expect.unreachable(), onEnd: () => expect.unreachable() })
    channel.handle({ onRequest: () => expect.unreachable() })
    channel.abort()
    return end
  }
  const closed = () => {
    const end = closing()
    end.mux.receive(channelClose.encode({ recipientChannel: 0 }))
    return end
  }
  const ended = () => {
    const { end } = openedByPeer()
    end.mux.receive(channelEof.encode({ recipientChannel: 0 }))
    return end
  }
  const everything = [...channelMessages(0).keys()]
  const answers = ['channelOpenConfirmation', 'channelOpenFailure']
  const others = everything.filter((name) => !answers.includes(name))
  const matrix: [state: string, make: () => MuxEnd, id: number, legal: string[]][] = [
    ['never opened', () => new MuxEnd(), 0, []],
    ['never opened, the largest number', () => openedByPeer().end, 0xffffffff, []],
    ['opening', opening, 0, answers],
    ['accepting', accepting, 0, []],
    ['open', () => openedByPeer().end, 0, others],
    ['ended by the peer', ended, 0, others.filter((name) => !name.endsWith('Data'))],
    ['closing', closing, 0, others],
    ['closed', closed, 0, ['channelWindowAdjust']],
  ]
  for (const [state, make, id, legal] of matrix) {
    test.each(everything)(`${state}: %s`, (name) => {
      const end = make()
      const payload = channelMessages(id).get(name)!
      if (legal.includes(name)) expect(end.mux.receive(payload)).toBe(true)
      else
        expect(() => end.mux.receive(payload)).toThrow(
          expect.objectContaining({ name: 'ProtocolError', disconnectReason: 2 }),
        )
    })
  }

  test('a second end is harmless', () => {
    const { end, channel } = openedByPeer()
    const collector = new Collector(channel)
    for (let times = 0; times < 3; times++) end.mux.receive(channelEof.encode({ recipientChannel: 0 }))
    expect(collector.events).toEqual(['end'])
  })

  test('nothing is answered on a channel that we closed', () => {
    const { end, channel } = openedByPeer()
    const replies: ((success: boolean) => void)[] = []
    channel.handle({ onRequest: (request) => void replies.push(request.reply) })
    end.mux.receive(channelMessages(0).get('channelRequest')!)
    channel.abort()
    for (const reply of replies) reply(true)
    end.mux.receive(channelMessages(0).get('channelRequest')!)
    end.mux.receive(channelMessages(0).get('channelData')!)
    expect(end.sent().map(({ type }) => type)).toEqual(['channelClose'])
  })
})

describe('flow control', () => {
  test('one byte past the window ends the connection, and nothing of it is delivered [D2]', () => {
    const { end, channel } = openedByPeer({ limits: { initialWindowSize: 100 } })
    const collector = new Collector(channel, true)
    end.mux.receive(channelData.encode({ recipientChannel: 0, data: pattern(100) }))
    const past = channelData.encode({ recipientChannel: 0, data: pattern(1) })
    expect(() => end.mux.receive(past)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_WINDOW_OVERRUN' }))
    expect(collector.length).toBe(100)
  })

  test('standard error counts against the same window [D2]', () => {
    const { end, channel } = openedByPeer({ limits: { initialWindowSize: 100 } })
    channel.extendedData(1)
    end.mux.receive(channelData.encode({ recipientChannel: 0, data: pattern(60) }))
    const past = channelExtendedData.encode({ recipientChannel: 0, dataTypeCode: 1, data: pattern(41) })
    expect(() => end.mux.receive(past)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_WINDOW_OVERRUN' }))
  })

  test('one byte past the largest packet ends the connection [D2]', () => {
    const { end } = openedByPeer({ limits: { maximumPacketSize: 100 } })
    end.mux.receive(channelData.encode({ recipientChannel: 0, data: pattern(100) }))
    const past = channelData.encode({ recipientChannel: 0, data: pattern(101) })
    expect(() => end.mux.receive(past)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_PACKET_TOO_LARGE' }))
  })

  test('a window over 2^32 - 1 ends the connection [D3]', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1),
        fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1),
        (initialWindowSize, bytesToAdd) => {
          const { end } = openedByPeer({}, { initialWindowSize })
          const adjust = channelWindowAdjust.encode({ recipientChannel: 0, bytesToAdd })
          if (initialWindowSize + bytesToAdd < 2 ** 32) expect(end.mux.receive(adjust)).toBe(true)
          else
            expect(() => end.mux.receive(adjust)).toThrow(
              expect.objectContaining({ code: 'ERR_SSH_CHANNEL_WINDOW_OVERFLOW' }),
            )
        },
      ),
    )
  })

  test('a largest packet of 0 is refused, in an open and in a confirmation [D4]', () => {
    const end = new MuxEnd({ handlers: { onChannelOpen: () => expect.unreachable() } })
    end.mux.receive(openPayload({ maximumPacketSize: 0 }))
    expect(end.sent()).toMatchObject([{ type: 'channelOpenFailure', recipientChannel: theirs }])

    end.mux.openChannel('session', noData, {}, { onOpen: () => expect.unreachable(), onFailure: () => {} })
    const confirmation = channelOpenConfirmation.encode({
      recipientChannel: 0,
      senderChannel: 0,
      initialWindowSize: 1,
      maximumPacketSize: 0,
      typeData: noData,
    })
    expect(() => end.mux.receive(confirmation)).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_CHANNEL_PACKET_SIZE_ZERO' }),
    )
  })

  test('a largest packet of 1 is slow but moves, and one of 2^32 - 1 is cut to ours [D4]', () => {
    const small = openedByPeer({}, { maximumPacketSize: 1 })
    small.channel.write(pattern(5))
    expect(small.end.sent()).toHaveLength(5)
    const large = openedByPeer({}, { maximumPacketSize: 0xffffffff })
    large.channel.write(pattern(600_000))
    expect(large.end.sent().map((message) => message.type === 'channelData' && message.data.length)).toEqual([
      261_120, 261_120, 77_760,
    ])
  })

  test('extended data of any type on any channel gives its credit back [D9]', () => {
    for (const dataTypeCode of [0, 1, 2, 0xffffffff]) {
      const { end, channel } = openedByPeer({ limits: { initialWindowSize: 1000 } })
      const collector = new Collector(channel)
      for (let round = 0; round < 100; round++) {
        end.mux.receive(channelExtendedData.encode({ recipientChannel: 0, dataTypeCode, data: pattern(500) }))
      }
      end.mux.receive(channelData.encode({ recipientChannel: 0, data: pattern(500) }))
      expect(collector.length).toBe(500)
      const granted = end
        .sent()
        .reduce((sum, message) => sum + (message.type === 'channelWindowAdjust' ? message.bytesToAdd : 0), 0)
      expect(granted).toBe(50_500)
    }
  })
})

describe('floods', () => {
  test('opens that are refused leave nothing behind [D6]', () => {
    const end = new MuxEnd({ handlers: { onChannelOpen: (request) => request.reject(1, 'no') } })
    for (let round = 0; round < 20_000; round++) {
      end.mux.receive(openPayload({ senderChannel: round }))
      end.sent()
      end.log.length = 0
      expect(end.mux.channelCount).toBe(0)
    }
  })

  test('opens that nobody answers stop at the limit [D6]', () => {
    const requests: ChannelOpenRequest[] = []
    const end = new MuxEnd({
      limits: { channels: 10 },
      handlers: { onChannelOpen: (request) => void requests.push(request) },
    })
    for (let round = 0; round < 100; round++) end.mux.receive(openPayload({ senderChannel: round }))
    expect(requests).toHaveLength(10)
    const refusals = end.sent()
    expect(refusals).toHaveLength(90)
    expect(refusals.every((message) => message.type === 'channelOpenFailure' && message.reasonCode === 4)).toBe(true)
  })

  test('a window filled byte by byte is held in little more than its size [R3]', () => {
    const { end, channel } = openedByPeer()
    const byteCount = 100_000
    for (let sent = 0; sent < byteCount; sent++) {
      end.mux.receive(channelData.encode({ recipientChannel: 0, data: Uint8Array.of(sent) }))
    }
    const { chunks, bytes } = new Collector(channel, true)
    const memory = new Set(chunks.map((chunk) => chunk.buffer))
    expect([...memory].reduce((sum, buffer) => sum + buffer.byteLength, 0)).toBeLessThan(2 * byteCount)
    expect(chunks.length).toBeLessThan(byteCount / 1000)
    expect(
      Buffer.compare(
        bytes,
        Uint8Array.from({ length: byteCount }, (_, index) => index),
      ),
    ).toBe(0)
    channel.release(byteCount)
  })

  test('a channel opened and closed over and over takes one number and one window', () => {
    const channels: Channel[] = []
    const end = new MuxEnd({ handlers: { onChannelOpen: (request) => void channels.push(request.accept()) } })
    for (let round = 0; round < 5000; round++) {
      end.mux.receive(openPayload())
      end.mux.receive(channelClose.encode({ recipientChannel: 0 }))
      end.sent()
      end.log.length = 0
    }
    expect(end.mux.channelCount).toBe(0)
    end.mux.receive(openPayload())
    expect(end.sent()).toMatchObject([{ senderChannel: 0, initialWindowSize: 2 * 1024 * 1024 }])
  })

  test('requests that wait for an answer are bounded, globally and on a channel [D7]', () => {
    const limits = { unansweredRequests: 100 }
    const global = new MuxEnd({ limits, handlers: { onGlobalRequest: () => {} } })
    const request = globalRequest.encode({ requestName: 'x', wantReply: true, requestData: noData })
    for (let round = 0; round < 100; round++) global.mux.receive(request)
    expect(() => global.mux.receive(request)).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_CHANNEL_TOO_MANY_REQUESTS' }),
    )

    const { end, channel } = openedByPeer({ limits })
    channel.handle({ onRequest: () => {} })
    const onChannel = channelMessages(0).get('channelRequest')!
    for (let round = 0; round < 100; round++) end.mux.receive(onChannel)
    expect(() => end.mux.receive(onChannel)).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_CHANNEL_TOO_MANY_REQUESTS' }),
    )
  })

  test('replies that nobody waits for are ignored, and the next request gets its own [D8]', () => {
    const { end, channel } = openedByPeer()
    const unsolicited = [
      requestSuccess.encode({ responseData: toUtf8('junk') }),
      requestFailure.encode({}),
      channelSuccess.encode({ recipientChannel: 0 }),
      channelFailure.encode({ recipientChannel: 0 }),
    ]
    for (let round = 0; round < 10_000; round++) for (const payload of unsolicited) end.mux.receive(payload)
    const replies: RequestReply[] = []
    end.mux.globalRequest('x', noData, (reply) => void replies.push(reply))
    channel.request('y', noData, {}, (reply) => void replies.push(reply))
    expect(replies).toEqual([])
    end.mux.receive(requestSuccess.encode({ responseData: toUtf8('mine') }))
    end.mux.receive(channelFailure.encode({ recipientChannel: 0 }))
    expect(replies).toEqual([{ outcome: 'success', data: Buffer.from('mine') }, { outcome: 'failure' }])
  })
})

test('bytes that are no message throw a typed error, whatever they are', () => {
  const numbers = fc.constantFrom(80, 81, 82, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 127)
  fc.assert(
    fc.property(numbers, fc.uint8Array({ maxLength: 60 }), (number, rest) => {
      const { end } = openedByPeer()
      try {
        end.mux.receive(new Uint8Array([number, ...rest]))
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_SSH_/), disconnectReason: 2 })
      }
    }),
    { numRuns: 1000 },
  )
})
