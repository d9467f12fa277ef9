import { globalRequest } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { type PeerEnd, type PeerPair, peerPair } from '../peer-pair.js'

const questions = (end: PeerEnd) => end.eventsOf('globalRequest').length

describe('keepalive', () => {
  const keepalive = { intervalMs: 15_000, countMax: 3 }

  test('asks a silent peer, and is content with any answer', async () => {
    const pair = (await peerPair({ client: { keepalive } })).start()
    pair.advance(14_999).pump()
    expect(questions(pair.server)).toBe(0)
    pair.advance(1).pump()
    expect(pair.server.eventsOf('globalRequest')[0]?.requestName).toBe('keepalive@openssh.com')
    for (let round = 0; round < 10; round++) pair.advance(15_000).pump()
    expect(questions(pair.server)).toBe(11)
    expect(pair.client.error).toBeUndefined()
  })

  test('gives a peer up that leaves the agreed number unanswered, a second after the last (R4)', async () => {
    const pair = (await peerPair({ client: { keepalive } })).start()
    for (let elapsed = 0; elapsed < 45; elapsed++) pair.advance(1000).send(pair.client)
    pair.advance(999)
    expect(pair.client.peer.hasEnded).toBe(false)
    pair.advance(1)
    expect(pair.client.error?.code).toBe('ERR_SSH_CONNECTION_TIMEOUT')
    expect(pair.client.error?.details).toMatchObject({ intervalMs: 15_000, countMax: 3 })
    expect(pair.client.peer.nextDeadline()).toBeUndefined()
  })

  test('is silent before authentication is done', async () => {
    const pair = await peerPair({ client: { keepalive }, server: { onDecision: () => {} } })
    pair.start()
    const sent = pair.client.sent.length
    pair.advance(100_000).pump()
    expect(pair.client.sent).toHaveLength(sent)
    expect(pair.client.error).toBeUndefined()
  })

  test('is silent while keys are exchanged, which has a limit of its own', async () => {
    const pair = (await peerPair({ client: { keepalive } })).start()
    pair.client.peer.rekey()
    pair.send(pair.client)
    const sent = pair.client.sent.length
    for (let elapsed = 0; elapsed < 59; elapsed++) pair.advance(1000).send(pair.client)
    expect(pair.client.sent).toHaveLength(sent)
    pair.advance(1000)
    expect(pair.client.error?.code).toBe('ERR_SSH_KEX_TIMEOUT')
  })

  test('can be changed while it runs', async () => {
    const pair = (await peerPair({ client: { keepalive } })).start()
    pair.client.peer.setKeepalive({ intervalMs: 1000, countMax: 1 })
    pair.advance(1000).pump()
    expect(questions(pair.server)).toBe(1)
    pair.client.peer.setKeepalive({ intervalMs: 0, countMax: 1 })
    pair.advance(1_000_000).pump()
    expect(questions(pair.server)).toBe(1)
  })
})

describe('the login timeout', () => {
  test.each<[string, (pair: PeerPair) => void, string]>([
    ['a client that says nothing', (pair) => pair.server.peer.start(), 'any sign that the peer speaks SSH'],
    ['a client that stops after the key exchange', (pair) => pair.start(), 'authentication'],
  ])("ends the server's patience with %s", async (_, begin, phase) => {
    const limits = { kexTimeoutMs: 1e9 }
    const pair = await peerPair({ server: { loginTimeoutMs: 20_000, transport: { limits }, onDecision: () => {} } })
    begin(pair)
    pair.advance(19_999)
    expect(pair.server.peer.hasEnded).toBe(false)
    pair.advance(1)
    expect(pair.server.error).toMatchObject({ code: 'ERR_SSH_LOGIN_TIMEOUT', details: { timeoutMs: 20_000, phase } })
  })

  test('covers a host key verdict that never comes', async () => {
    const pair = await peerPair({ client: { loginTimeoutMs: 20_000, handlers: { onHostKey: () => {} } } })
    pair.start().advance(20_000)
    expect(pair.client.error?.code).toBe('ERR_SSH_LOGIN_TIMEOUT')
    expect(pair.client.error?.message).toContain('a verdict of this side')
  })

  test('is over with the login, and off at 0', async () => {
    const pair = (await peerPair({ client: { loginTimeoutMs: 20_000 }, server: { loginTimeoutMs: 0 } })).start()
    pair.advance(1_000_000).pump()
    expect([pair.client.error, pair.server.error]).toEqual([undefined, undefined])
  })
})

describe('a peer that asks and does not read', () => {
  const question = globalRequest.encode({ requestName: 'x@y', wantReply: true, requestData: new Uint8Array(0) })

  test('is not read from either, until it takes its answers; all come, in order', async () => {
    const pair = (await peerPair({ wireCapacity: 16 * 1024 })).start()
    let answers = 0
    for (let asked = 0; asked < 20_000; asked++) {
      pair.client.peer.mux.globalRequest('x@y', new Uint8Array(0), (reply) => {
        if (reply.outcome === 'success') answers++
      })
    }
    // The client sends and never reads.
    for (let round = 0; round < 10_000; round++) {
      pair.send(pair.client)
      pair.receive(pair.server)
      pair.send(pair.server)
    }
    expect(pair.server.peer.isPaused).toBe(true)
    const read = questions(pair.server)
    expect(read).toBeLessThan(4000)
    expect(answers).toBe(0)
    pair.pump()
    expect(answers).toBe(20_000)
    expect(pair.server.peer.isPaused).toBe(false)
  })

  test('is read on while keys change, or the exchange could not end; but not without end', async () => {
    const pair = (await peerPair()).start()
    pair.server.peer.rekey()
    pair.send(pair.server)
    // The client does not know yet that keys change, and may ask.
    for (let asked = 0; asked < 2000; asked++) pair.client.peer.send(question)
    pair.send(pair.client)
    pair.receive(pair.server)
    expect(pair.server.peer.isPaused).toBe(false)
    pair.pump()
    expect(pair.server.error).toBeUndefined()

    pair.server.peer.rekey()
    pair.send(pair.server)
    for (let asked = 0; asked < 17_000; asked++) pair.client.peer.send(question)
    while (pair.send(pair.client)) pair.receive(pair.server)
    expect(pair.server.error?.code).toBe('ERR_SSH_TRANSPORT_OUTPUT_FLOOD')
  })

  test('does not stop a side that has much to say itself', async () => {
    const pair = (await peerPair()).start()
    for (let asked = 0; asked < 20_000; asked++) pair.client.peer.mux.globalRequest('x@y', new Uint8Array(0))
    expect(pair.client.peer.isPaused).toBe(false)
    pair.pump()
    expect(questions(pair.server)).toBe(20_000)
  })

  test('makes writers wait: what a channel holds is bounded', async () => {
    const pair = (await peerPair({ wireCapacity: 16 * 1024 })).start()
    const { local } = await pair.openChannel()
    let written = 0
    while (local.write(new Uint8Array(32 * 1024))) {
      written += 32 * 1024
      pair.send(pair.client)
    }
    expect(written).toBeLessThan(2 * 1024 * 1024)
  })
})

describe('idle timeout', () => {
  const server = { idleTimeoutMs: 30_000 }

  test('ends a connection that never has a channel, from its login on', async () => {
    const pair = await peerPair({ server: { ...server, onDecision: () => {} } })
    pair.start()
    pair.advance(60_000).pump()
    expect(pair.server.peer.hasEnded).toBe(false)
    const idle = (await peerPair({ server })).start()
    idle.advance(29_999).pump()
    expect(idle.server.peer.hasEnded).toBe(false)
    idle.advance(1).pump()
    expect(idle.server.error).toMatchObject({ code: 'ERR_SSH_CONNECTION_IDLE', details: { timeoutMs: 30_000 } })
  })

  test('begins anew when the last channel closes, and keepalives do not count', async () => {
    const keepalive = { intervalMs: 1000, countMax: 3 }
    const pair = (await peerPair({ client: { keepalive }, server })).start()
    pair.advance(20_000).pump()
    const opening = [pair.client.openChannel(), pair.client.openChannel()]
    pair.pump()
    const [first, second] = await Promise.all(opening)
    pair.advance(100_000).pump()
    first?.close()
    for (const channel of pair.server.channels) channel.attach({})
    pair.server.channels[0]?.close()
    pair.pump()
    pair.advance(100_000).pump()
    second?.close()
    pair.server.channels[1]?.close()
    pair.pump()
    for (let elapsed = 0; elapsed < 29; elapsed++) pair.advance(1000).pump()
    expect(pair.server.peer.hasEnded).toBe(false)
    pair.advance(1000).pump()
    expect(pair.server.error?.code).toBe('ERR_SSH_CONNECTION_IDLE')
  })
})
