import { debug, disconnect, disconnectReasons, ignore } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { ConnectionLost } from '../../src/errors.js'
import { Collector, pattern } from '../mux-pair.js'
import { peerPair } from '../peer-pair.js'

describe('closing', () => {
  test('sends what was written, then says goodbye; both ends call it normal', async () => {
    const pair = (await peerPair({ wireCapacity: 20_000 })).start()
    const { local, remote } = await pair.openChannel()
    const collector = new Collector(remote)
    local.write(pattern(400_000))
    pair.client.peer.close()
    pair.pump()
    expect(collector.length).toBe(400_000)
    expect(pair.client.eventsOf('end')).toEqual([{ type: 'end', error: undefined }])
    expect(pair.server.eventsOf('end')).toEqual([{ type: 'end', error: undefined }])
  })

  test('waits for a rekey that is under way', async () => {
    const pair = (await peerPair()).start()
    const { local, remote } = await pair.openChannel()
    const collector = new Collector(remote)
    pair.client.peer.rekey()
    local.write(pattern(1000))
    pair.client.peer.close()
    expect(pair.client.peer.isClosing).toBe(true)
    pair.pump()
    expect(collector.length).toBe(1000)
    expect(pair.server.error).toBeUndefined()
  })

  test('drops what the other end gave no window for', async () => {
    const pair = (await peerPair()).start()
    const { local } = await pair.openChannel()
    for (let round = 0; round < 100; round++) {
      local.write(pattern(100_000))
      pair.pump()
    }
    pair.client.peer.close()
    pair.pump()
    expect(pair.client.peer.hasEnded).toBe(true)
    expect(pair.client.error).toBeUndefined()
  })

  test('comes to an end although somebody never stops writing', async () => {
    const pair = (await peerPair()).start()
    const { local, remote } = await pair.openChannel()
    remote.attach({ onData: (chunk) => remote.release(chunk.length) })
    const write = () => {
      while (local.write(pattern(50_000)));
    }
    local.attach({ onDrain: write })
    write()
    pair.client.peer.close()
    pair.pump()
    expect(pair.client.eventsOf('end')).toEqual([{ type: 'end', error: undefined }])
  })

  test('gives up on a peer that takes nothing for half a minute', async () => {
    const pair = (await peerPair({ wireCapacity: 1 })).start()
    const { local } = await pair.openChannel()
    local.write(pattern(400_000))
    pair.send(pair.client)
    pair.client.peer.close()
    // The wire is full: nobody asks for output.
    pair.advance(29_000)
    expect(pair.client.peer.hasEnded).toBe(false)
    pair.advance(1000)
    expect(pair.client.peer.hasEnded).toBe(true)
    expect(pair.client.error).toBeUndefined()
  })

  test('before the login is done says goodbye at once', async () => {
    const pair = (await peerPair({ server: { onDecision: () => {} } })).start()
    pair.client.peer.close()
    expect(pair.client.peer.hasEnded).toBe(true)
    pair.pump()
    expect(pair.server.eventsOf('end')).toHaveLength(0)
    // The server waits for its own verdict and reads on afterwards.
    pair.server.peer.resume()
    pair.pump()
    expect(pair.server.error?.code).toBe('ERR_SSH_TRANSPORT_DISCONNECTED')
  })

  test('makes every later end of the byte stream a good end', async () => {
    const pair = (await peerPair()).start()
    pair.client.peer.close()
    pair.client.peer.connectionEnded(new Error('read ECONNRESET'))
    expect(pair.client.eventsOf('end')).toEqual([{ type: 'end', error: undefined }])
    pair.client.peer.connectionEnded(new Error('again'))
    pair.client.peer.connectionEnded()
    expect(pair.client.eventsOf('end')).toHaveLength(1)
  })
})

describe('an end that nobody asked for', () => {
  test('without a goodbye is a lost connection', async () => {
    const pair = (await peerPair()).start()
    pair.client.peer.connectionEnded()
    expect(pair.client.error).toBeInstanceOf(ConnectionLost)
    expect(pair.client.error?.message).toBe('The peer closed the connection after authentication, without a reason')
  })

  test("by a broken socket keeps the system's error as its cause", async () => {
    const pair = (await peerPair()).start()
    const cause = new Error('read ECONNRESET')
    pair.client.peer.connectionEnded(cause)
    expect(pair.client.error).toMatchObject({ code: 'ERR_SSH_CONNECTION_LOST', cause })
  })

  test('with an orderly goodbye is normal for the connection, and tells whatever is pending', async () => {
    const pair = (await peerPair({ server: { handlers: { onChannelOpen: () => {} } } })).start()
    const opening = pair.client.openChannel()
    pair.pump()
    pair.server.peer.close()
    pair.pump()
    await expect(opening).rejects.toThrow('The peer ended the connection (byApplication)')
    expect(pair.client.eventsOf('end')).toEqual([{ type: 'end', error: undefined }])
  })

  test('with any other reason is an error', async () => {
    const pair = (await peerPair()).start()
    const { tooManyConnections } = disconnectReasons
    pair.server.peer.send(disconnect.encode({ reasonCode: tooManyConnections, description: 'full', languageTag: '' }))
    pair.pump()
    expect(pair.client.error).toMatchObject({ code: 'ERR_SSH_TRANSPORT_DISCONNECTED', reasonCode: tooManyConnections })
  })
})

test('everything pending settles exactly once, with the error that ended it', async () => {
  const pair = (
    await peerPair({ server: { handlers: { onGlobalRequest: () => {}, onChannelOpen: () => {} } } })
  ).start()
  const settled: string[] = []
  const note = (what: string) => (error: unknown) => void settled.push(`${what}: ${(error as { code: string }).code}`)
  pair.client.openChannel().catch(note('open'))
  pair.client.peer.mux.globalRequest('x@y', new Uint8Array(0), (reply) => {
    if (reply.outcome === 'closed') note('global')(reply.error)
  })
  pair.pump()
  const failure = new ConnectionLost('ERR_SSH_CONNECTION_LOST', 'gone')
  pair.client.peer.fail(failure)
  pair.client.peer.fail(new ConnectionLost('ERR_SSH_CONNECTION_TIMEOUT', 'again'))
  pair.client.peer.close()
  await new Promise(setImmediate)
  expect(settled.sort()).toEqual(['global: ERR_SSH_CONNECTION_LOST', 'open: ERR_SSH_CONNECTION_LOST'])
  expect(pair.client.error).toBe(failure)
})

test('an error without a reason for the peer ends as the application wants it', async () => {
  const pair = (await peerPair()).start()
  const { AbortError } = await import('@ssh/wire')
  pair.client.peer.fail(new AbortError('enough'))
  pair.pump()
  expect(pair.client.error?.code).toBe('ABORT_ERR')
  expect(pair.server.eventsOf('end')).toEqual([{ type: 'end', error: undefined }])
})

test('a debug message sent while keys change waits for its turn', async () => {
  const pair = (await peerPair()).start()
  pair.client.peer.rekey()
  pair.client.peer.send(debug.encode({ alwaysDisplay: false, message: 'hello', languageTag: '' }))
  pair.client.peer.send(ignore.encode({ data: new Uint8Array(8) }))
  pair.pump()
  expect(pair.server.eventsOf('debug')).toEqual([{ type: 'debug', message: 'hello' }])
})
