import { channelData, channelExtendedData, toUtf8 } from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RequestReply } from '../../src/connection/replies.js'
import { Collector, channelPair, joined, type MuxEnd, openOn, pattern } from '../mux-pair.js'

const noData = new Uint8Array(0)

/** The parts of the next data message, not joined. */
function pull(end: MuxEnd): readonly Uint8Array[] | undefined {
  let taken: readonly Uint8Array[] | undefined
  end.mux.pull((parts) => {
    taken = parts
  })
  return taken
}

describe('data', () => {
  test('arrives whole and in order, however it is written and whatever sizes were agreed', () => {
    const chunks = fc.array(fc.nat(5000), { maxLength: 40 })
    const sizes = fc.record({ packet: fc.integer({ min: 1, max: 3000 }), window: fc.integer({ min: 1, max: 9000 }) })
    fc.assert(
      fc.property(chunks, sizes, fc.boolean(), (lengths, { packet, window }, isEager) => {
        const limits = { maximumPacketSize: packet, initialWindowSize: window, maximumWindowSize: window }
        const pair = channelPair({}, { limits })
        const collector = new Collector(pair.remote)
        const written = lengths.map((length, index) => pattern(length, index))
        for (const chunk of written) {
          pair.local.write(chunk.slice())
          if (isEager) pair.flow()
        }
        pair.local.end()
        pair.flow()
        expect(collector.bytes).toEqual(joined(written))
        expect(collector.events.at(-1)).toBe('end')
        for (const { data } of pair.client.logged('channelData')) expect(data.length).toBeLessThanOrEqual(packet)
      }),
      { numRuns: 60 },
    )
  })

  test('gathers small chunks into one message and splits large ones', () => {
    const pair = channelPair({}, { limits: { maximumPacketSize: 1000 } })
    for (let index = 0; index < 10; index++) pair.local.write(pattern(30, index))
    pair.local.write(pattern(2500))
    pair.flow()
    expect(pair.client.logged('channelData').map(({ data }) => data.length)).toEqual([1000, 1000, 800])
  })

  test('is not copied on its way out', () => {
    const pair = channelPair()
    const chunk = pattern(1000)
    pair.local.write(chunk)
    expect(pull(pair.client)?.[1]?.buffer).toBe(chunk.buffer)
  })

  test('is framed as the message tables have it', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 100 }),
        fc.option(fc.integer({ min: 0, max: 0xffffffff })),
        (data, type) => {
          const pair = channelPair()
          if (type === null) pair.local.write(data)
          else pair.local.extendedData(type).write(data)
          const recipientChannel = pair.local.remoteId
          const expected =
            type === null
              ? channelData.encode({ recipientChannel, data })
              : channelExtendedData.encode({ recipientChannel, dataTypeCode: type, data })
          expect(joined(pull(pair.client) ?? [])).toEqual(joined([expected]))
        },
      ),
    )
  })

  test('of no bytes sends no message [D5]', () => {
    const pair = channelPair()
    expect(pair.local.write(noData)).toBe(true)
    pair.flow()
    expect(pair.client.logged('channelData')).toEqual([])
  })

  test('over 4 GiB goes through one writer without an empty message [D5]', () => {
    const chunk = new Uint8Array(128 * 1024 * 1024)
    const limits = { maximumPacketSize: chunk.length, initialWindowSize: 2 ** 32 - 1, windowBudget: 2 ** 40 }
    const { client, local: channel } = channelPair({ limits }, { limits })
    let sent = 0
    for (let index = 0; index < 40; index++) {
      channel.write(chunk)
      const parts = pull(client)
      if (parts === undefined) break
      const length = parts.slice(1).reduce((sum, part) => sum + part.length, 0)
      expect(length).toBeGreaterThan(0)
      sent += length
    }
    expect(sent).toBe(2 ** 32 - 1)
    expect(pull(client)).toBeUndefined()
  })
})

describe('a consumer that attaches late', () => {
  test('gets what arrived, then the end, then the close', () => {
    const pair = channelPair()
    pair.local.write(toUtf8('early'))
    pair.local.close()
    pair.flow()
    expect(pair.remote.isClosed).toBe(true)
    const collector = new Collector(pair.remote)
    expect(collector.bytes).toEqual(Buffer.from('early'))
    expect(collector.events).toEqual(['data', 'end', 'close'])
    expect(collector.closeError).toBeUndefined()
  })

  test('stops its sender at the window, and nobody else', () => {
    const pair = channelPair({}, { limits: { initialWindowSize: 1000, maximumWindowSize: 1000 } })
    const other = openOn(pair)
    pair.local.write(pattern(5000))
    pair.flow()
    expect(pair.local.bufferedBytes).toBe(4000)
    other.write(pattern(800))
    pair.flow()
    expect(other.bufferedBytes).toBe(0)
    const collector = new Collector(pair.remote)
    pair.flow()
    expect(collector.length).toBe(5000)
    expect(pair.local.bufferedBytes).toBe(0)
  })

  test('is the only one', () => {
    const { local } = channelPair()
    local.attach({})
    expect(() => local.attach({})).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_ATTACHED' }))
    local.handle({})
    expect(() => local.handle({})).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_ATTACHED' }))
  })

  test('cannot give back more than it was handed', () => {
    const pair = channelPair()
    const collector = new Collector(pair.remote, true)
    pair.local.write(pattern(10))
    pair.flow()
    expect(collector.length).toBe(10)
    expect(() => pair.remote.release(11)).toThrow(RangeError)
    expect(() => pair.remote.release(-1)).toThrow(RangeError)
    pair.remote.release(10)
  })
})

describe('back-pressure', () => {
  test('asks the writer to wait when the buffer is full and tells it when half of it is free', () => {
    const limits = { writeBufferSize: 4000, maximumPacketSize: 1000 }
    const pair = channelPair({ limits })
    const collector = new Collector(pair.local)
    expect(pair.local.write(pattern(3999))).toBe(true)
    expect(pair.local.write(pattern(1))).toBe(false)
    pair.client.take()
    expect(collector.events).toEqual([])
    pair.client.take()
    expect(collector.events).toEqual(['drain'])
    pair.client.sent()
    expect(collector.events).toEqual(['drain'])
  })

  test('never lets a writer overtake the message that was just taken', () => {
    const pair = channelPair({ limits: { writeBufferSize: 10 } })
    pair.local.attach({ onDrain: () => pair.local.abort() })
    pair.local.write(pattern(10))
    pair.flow()
    const order = pair.client.log.map((message) => message.type)
    expect(order).toEqual(['channelOpen', 'channelData', 'channelClose'])
  })

  test('is told to each stream of the channel that waits', () => {
    const pair = channelPair({ limits: { writeBufferSize: 10 } })
    const stderr = pair.local.extendedData(1)
    const [main, extended] = [new Collector(pair.local), new Collector(stderr)]
    expect(pair.local.write(pattern(10))).toBe(false)
    expect(stderr.write(pattern(10))).toBe(false)
    pair.flow()
    pair.client.sent()
    expect(main.events).toEqual(['drain'])
    expect(extended.events).toEqual(['drain'])
  })
})

describe('ending', () => {
  test('an end leaves the other direction open', () => {
    const pair = channelPair()
    const [here, there] = [new Collector(pair.local), new Collector(pair.remote)]
    pair.local.write(toUtf8('question'))
    pair.local.end()
    pair.local.end()
    expect(pair.local.write(toUtf8('late'))).toBe(false)
    pair.flow()
    expect(there.events).toEqual(['data', 'end'])
    pair.remote.write(toUtf8('answer'))
    pair.remote.close()
    pair.flow()
    expect(here.bytes).toEqual(Buffer.from('answer'))
    expect(here.events).toEqual(['data', 'end', 'close'])
    expect(there.events).toEqual(['data', 'end', 'close'])
    expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
  })

  test('a close sends what was written, and both sides may close at once', () => {
    const pair = channelPair()
    const [here, there] = [new Collector(pair.local), new Collector(pair.remote)]
    pair.local.write(pattern(100_000))
    pair.local.close()
    pair.remote.close()
    pair.local.close()
    pair.flow()
    expect(there.closeError).toBeUndefined()
    expect(here.events.at(-1)).toBe('close')
    expect(there.events.at(-1)).toBe('close')
    expect(pair.client.logged('channelClose')).toHaveLength(1)
    expect(pair.server.logged('channelClose')).toHaveLength(1)
    expect([pair.client.mux.channelCount, pair.server.mux.channelCount]).toEqual([0, 0])
  })

  test('an abort drops what was written and tells its error at once', () => {
    const pair = channelPair({}, { limits: { initialWindowSize: 10, maximumWindowSize: 10 } })
    const [here, there] = [new Collector(pair.local), new Collector(pair.remote, true)]
    const error = new Error('enough')
    pair.local.write(pattern(100))
    pair.flow()
    pair.local.abort(error)
    expect(here.events).toEqual(['close'])
    expect(here.closeError).toBe(error)
    pair.local.abort(new Error('again'))
    pair.flow()
    expect(here.events).toEqual(['close'])
    expect(there.length).toBe(10)
    expect(there.events).toEqual(['data', 'end', 'close'])
    expect(pair.client.mux.channelCount).toBe(0)
  })

  test('an abort from within a handler stops delivery', () => {
    const pair = channelPair()
    const events: string[] = []
    pair.local.write(pattern(10))
    pair.local.write(pattern(10))
    pair.flow()
    pair.remote.attach({
      onData: (chunk) => {
        events.push('data')
        pair.remote.abort()
        pair.remote.release(chunk.length)
      },
      onEnd: () => void events.push('end'),
      onClose: () => void events.push('close'),
    })
    pair.flow()
    expect(events).toEqual(['data', 'close'])
  })

  test('the number of a channel is used again only after both sides closed', () => {
    const pair = channelPair()
    pair.local.abort()
    expect(pair.client.mux.channelCount).toBe(1)
    let second: number | undefined
    pair.client.mux.openChannel(
      'session',
      noData,
      {},
      {
        onOpen: (channel) => {
          second = channel.localId
        },
        onFailure: () => {},
      },
    )
    pair.flow()
    expect(second).not.toBe(pair.local.localId)
    expect(openOn(pair).localId).toBe(pair.local.localId)
  })

  test('the owner is told once, after which nothing can be sent', () => {
    const pair = channelPair()
    const closes: unknown[] = []
    const replies: RequestReply[] = []
    pair.local.handle({ onClose: (error) => void closes.push(error) })
    pair.remote.close()
    pair.flow()
    expect(closes).toEqual([undefined])
    expect(pair.local.isClosed).toBe(true)
    expect(pair.local.write(pattern(1))).toBe(false)
    pair.local.request('x', noData, {}, (reply) => void replies.push(reply))
    expect(replies).toMatchObject([{ outcome: 'closed', error: { code: 'ERR_SSH_CHANNEL_CLOSED' } }])
    expect(pair.client.sent()).toEqual([])
  })
})

describe('extended data', () => {
  test('is a stream of its own that shares the window and keeps its place among the data', () => {
    const pair = channelPair()
    const stderr = pair.local.extendedData(1)
    expect(pair.local.extendedData(1)).toBe(stderr)
    const [out, err] = [new Collector(pair.local), new Collector(stderr)]
    const remoteError = pair.remote.extendedData(1)
    pair.remote.write(toUtf8('a'))
    remoteError.write(toUtf8('b'))
    remoteError.write(toUtf8('c'))
    pair.remote.write(toUtf8('d'))
    pair.remote.close()
    pair.flow()
    const order = pair.server.log.map((message) => message.type).filter((type) => type.endsWith('Data'))
    expect(order).toEqual(['channelData', 'channelExtendedData', 'channelData'])
    expect(out.bytes).toEqual(Buffer.from('ad'))
    expect(err.bytes).toEqual(Buffer.from('bc'))
    expect(err.events).toEqual(['data', 'end', 'close'])
  })

  test('that is asked for and not read stops the channel; discarding it does not', () => {
    const limits = { initialWindowSize: 1000, maximumWindowSize: 1000 }
    const pair = channelPair({ limits })
    const stderr = pair.local.extendedData(1)
    const out = new Collector(pair.local)
    pair.remote.extendedData(1).write(pattern(3000))
    pair.remote.write(pattern(10))
    pair.flow()
    expect(out.length).toBe(0)
    stderr.attach({})
    pair.flow()
    expect(out.length).toBe(10)
  })

  test('that nobody asked for gives its credit back [D9]', () => {
    for (const type of [0, 1, 2, 0xffffffff]) {
      const limits = { initialWindowSize: 1000, maximumWindowSize: 1000 }
      const pair = channelPair({ limits }, {}, 'direct-tcpip')
      const out = new Collector(pair.local)
      pair.remote.extendedData(type).write(pattern(50_000))
      pair.remote.write(pattern(10))
      pair.flow()
      expect(out.length).toBe(10)
    }
  })

  test('ends alone: closing it gives back what it held, and the channel goes on', () => {
    const limits = { initialWindowSize: 1000, maximumWindowSize: 1000 }
    const pair = channelPair({ limits })
    const stderr = pair.local.extendedData(1)
    const [out, err] = [new Collector(pair.local), new Collector(stderr, true)]
    pair.remote.extendedData(1).write(pattern(5000))
    pair.remote.write(pattern(10))
    pair.flow()
    expect(err.length).toBe(1000)
    stderr.close()
    stderr.release(1000)
    pair.flow()
    expect(err.length).toBe(1000)
    expect(err.events.at(-1)).toBe('close')
    expect(out.length).toBe(10)
    expect(pair.local.isClosed).toBe(false)
    expect(stderr.write(pattern(1))).toBe(false)
  })

  test('asked for after the channel is over tells so', () => {
    const pair = channelPair()
    pair.remote.close()
    pair.flow()
    expect(new Collector(pair.local.extendedData(1)).events).toEqual(['end', 'close'])
  })
})

describe('requests', () => {
  test('are answered in their order, whichever answer comes first', () => {
    const pair = channelPair()
    const answers: ((success: boolean) => void)[] = []
    const replies: string[] = []
    pair.remote.handle({ onRequest: (request) => void answers.push(request.reply) })
    for (const name of ['a', 'b', 'c']) {
      pair.local.request(name, noData, {}, (reply) => void replies.push(`${name} ${reply.outcome}`))
    }
    pair.flow()
    answers[2]?.(true)
    answers[1]?.(false)
    pair.flow()
    expect(replies).toEqual([])
    answers[0]?.(true)
    answers[0]?.(false)
    pair.flow()
    expect(replies).toEqual(['a success', 'b failure', 'c success'])
  })

  test('without an owner are refused, but a keepalive is answered', () => {
    const pair = channelPair()
    const replies: string[] = []
    for (const name of ['shell', 'keepalive@openssh.com']) {
      pair.local.request(name, noData, {}, (reply) => void replies.push(reply.outcome))
    }
    pair.local.request('shell', noData)
    pair.flow()
    expect(replies).toEqual(['failure', 'success'])
    expect(pair.server.logged('channelFailure')).toHaveLength(1)
  })

  test('go at once, or behind the data when asked to', () => {
    const pair = channelPair({}, { limits: { initialWindowSize: 10, maximumWindowSize: 10 } })
    const events: string[] = []
    const replies: string[] = []
    pair.remote.handle({
      onRequest: (request) => {
        events.push(request.requestType)
        request.reply(true)
      },
    })
    pair.local.write(pattern(20))
    pair.local.request('exit-status', noData, { afterData: true }, (reply) => void replies.push(reply.outcome))
    pair.local.request('signal', noData)
    pair.flow()
    expect(events).toEqual(['signal'])
    new Collector(pair.remote)
    pair.flow()
    expect(events).toEqual(['signal', 'exit-status'])
    expect(replies).toEqual(['success'])
  })

  test('settle when the channel closes, sent or not', () => {
    const pair = channelPair({}, { limits: { initialWindowSize: 10, maximumWindowSize: 10 } })
    const replies: string[] = []
    const onReply = (reply: RequestReply): void => void replies.push(reply.outcome)
    pair.remote.handle({ onRequest: () => {} })
    pair.local.write(pattern(20))
    pair.local.request('a', noData, {}, onReply)
    pair.local.request('b', noData, { afterData: true }, onReply)
    pair.local.request('c', noData, { afterData: true }, onReply)
    pair.flow()
    pair.remote.close()
    pair.flow()
    expect(replies).toEqual(['closed', 'closed', 'closed'])
  })
})
