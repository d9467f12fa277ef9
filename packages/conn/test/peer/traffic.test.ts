import { seededRandom } from '@ssh/testkit'
import {
  concatBytes,
  connectionMessages,
  ignore,
  serviceRequest,
  services,
  unimplemented,
  userauthRequest,
} from '@ssh/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/connection/channel.js'
import { phaseGate } from '../../src/transport/phases.js'
import { pattern } from '../mux-pair.js'
import { acceptCredentials, type PeerEndOptions, type PeerPair, peerPair } from '../peer-pair.js'
import { RawPeer } from '../raw-peer.js'
import { testKey } from '../transport-pair.js'

const key = await testKey('ssh-ed25519')

/** Writes bytes to a channel as fast as it takes them, and collects what arrives on it. */
function converse(channel: Channel, bytes: Uint8Array): { readonly received: () => Uint8Array } {
  const chunks: Uint8Array[] = []
  let offset = 0
  const write = () => {
    while (offset < bytes.length) {
      const chunk = bytes.subarray(offset, offset + 10_000)
      offset += chunk.length
      if (!channel.write(chunk)) return
    }
    channel.end()
  }
  channel.attach({
    onData: (chunk) => {
      chunks.push(chunk)
      channel.release(chunk.length)
    },
    onDrain: write,
  })
  write()
  return { received: () => concatBytes(chunks) }
}

/** Opens channels and sends a pattern through each, both ways at once. */
async function exchange(pair: PeerPair, channelCount: number, length: number): Promise<void> {
  const channels: { local: Channel; remote: Channel }[] = []
  for (let index = 0; index < channelCount; index++) channels.push(await pair.openChannel())
  const talks = channels.map(({ local, remote }, index) => ({
    local: converse(local, pattern(length, index)),
    remote: converse(remote, pattern(length, index + 100)),
  }))
  pair.pump()
  talks.forEach(({ local, remote }, index) => {
    expect(Buffer.compare(remote.received(), pattern(length, index))).toBe(0)
    expect(Buffer.compare(local.received(), pattern(length, index + 100))).toBe(0)
  })
}

const often = { transport: { rekey: { bytes: 16 * 1024 }, limits: { peerRekeysPerMinute: 1e6 } } }
const seldom = { transport: { limits: { peerRekeysPerMinute: 1e6 } } }

describe('data of eight channels, both ways at once, keeps its order across rekeys', () => {
  test.each<[string, PeerEndOptions, PeerEndOptions]>([
    ['that the client begins', often, seldom],
    ['that the server begins', seldom, often],
    ['that both begin at once', often, often],
  ])('%s', async (_, client, server) => {
    const pair = (await peerPair({ client, server })).start()
    await exchange(pair, 8, 400_000)
    expect([pair.client.error, pair.server.error]).toEqual([undefined, undefined])
    expect(pair.client.keyExchanges).toBeGreaterThan(5)
    expect(pair.server.keyExchanges).toBe(pair.client.keyExchanges)
  })

  test('that are due for their age, in the middle of it', async () => {
    const end = { transport: { rekey: { intervalMs: 50 }, limits: { peerRekeysPerMinute: 1e6 } } }
    const pair = (await peerPair({ client: end, server: end, roundMs: 10, wireCapacity: 32 * 1024 })).start()
    await exchange(pair, 8, 400_000)
    expect([pair.client.error, pair.server.error]).toEqual([undefined, undefined])
    expect(pair.client.keyExchanges).toBeGreaterThan(5)
  })

  test('over a wire that holds next to nothing', async () => {
    const pair = (await peerPair({ client: often, server: often, wireCapacity: 1 })).start()
    await exchange(pair, 8, 200_000)
    expect([pair.client.error, pair.server.error]).toEqual([undefined, undefined])
  })
})

test('the same bytes in any chunks give the same events', async () => {
  const run = async (chunkLength?: () => number) => {
    const pair = await peerPair({
      client: {
        ...often,
        auth: { preferredAuth: ['publickey'] },
        onQuestion: (question) => {
          if (question.method === 'publickey') question.answer(key)
          else if (question.method === 'signature') question.answer(key.sign(question.data, question.algorithmName))
          else question.skip()
        },
      },
      server: { onDecision: acceptCredentials },
      ...(chunkLength && { chunkLength }),
    })
    pair.start()
    await exchange(pair, 2, 30_000)
    pair.client.peer.close()
    pair.pump()
    const kinds = (events: typeof pair.client.events) => events.map((event) => JSON.stringify(event))
    return { client: kinds(pair.client.events), server: kinds(pair.server.events) }
  }
  const whole = await run()
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4000 }), fc.integer(), async (longest, seed) => {
      const random = seededRandom(seed)
      expect(await run(() => 1 + random.integer(longest))).toEqual(whole)
    }),
    { numRuns: 8 },
  )
}, 30_000)

describe('messages that nobody defined', () => {
  test.each([200, 83, 89, 101, 127, 8, 150])(
    'number %i is answered with the sequence number of its packet',
    async (number) => {
      const { server } = await peerPair({ hostKeys: [key] })
      const raw = new RawPeer(
        { receive: (bytes) => server.peer.receive(bytes), takeOutput: () => [...server.peer.takeOutput(65_536)] },
        { role: 'client', hostKey: key },
      )
      server.peer.start()
      raw.handshake()
      const request = { userName: 'alice', serviceName: services.connection, methodName: 'none' }
      raw.send(
        serviceRequest.encode({ serviceName: services.userauth }),
        userauthRequest.encode({ ...request, methodData: new Uint8Array(0) }),
      )
      raw.pump()
      expect(server.peer.isAuthenticated).toBe(true)
      // Strict key exchange counts from the new keys on: two packets so far.
      raw
        .send(
          ignore.encode({ data: new Uint8Array(3) }),
          Uint8Array.of(number, 1, 2, 3),
          ignore.encode({ data: new Uint8Array(1) }),
        )
        .pump()
      const answer = raw.received.filter((payload) => payload[0] === unimplemented.number)
      expect(answer.map((payload) => unimplemented.decode(payload).packetSequenceNumber)).toEqual([3])
      expect(server.error).toBeUndefined()
    },
  )

  test('cannot reach the mux: what the gate passes up from 80 on, it knows', () => {
    for (const role of ['client', 'server'] as const) {
      phaseGate[role].open.forEach((verdict, number) => {
        if (verdict === 'passUp' && number >= 80) expect(connectionMessages.has(number)).toBe(true)
      })
    }
  })
})
