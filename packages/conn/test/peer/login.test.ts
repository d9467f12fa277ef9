import { channelOpen, concatBytes, userauthFailure, userauthRequest, userauthSuccess } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { AuthDecision } from '../../src/userauth/auth-decision.js'
import type { CredentialQuestion } from '../../src/userauth/credential-question.js'
import { type PeerEnd, type PeerEndOptions, peerPair, rejectAll } from '../peer-pair.js'
import { testKey } from '../transport-pair.js'

const key = await testKey('ssh-ed25519')

/** Answers every question as a user would who has one of everything. */
function answer(question: CredentialQuestion): void {
  switch (question.method) {
    case 'publickey':
      return question.isFromStart ? question.answer(key) : question.skip()
    case 'signature':
      return question.answer(key.sign(question.data, question.algorithmName))
    case 'password':
      return question.attempt === 1 ? question.answer('secret') : question.skip()
    case 'password-change':
      return question.answer({ oldPassword: question.oldPassword, newPassword: 'fresh' })
    case 'keyboard-interactive':
      return question.answer(question.prompts.map(({ prompt }) => `to ${prompt}`))
  }
}

/** A server that knows alice's key, password and answers. */
function decide(decision: AuthDecision<string>): void {
  switch (decision.type) {
    case 'begin':
      return decision.answer('authenticate')
    case 'publickey-query':
      return decision.answer(decision.publicKey.equals(key.publicKey) ? 'accept' : 'reject')
    case 'publickey':
      return decision.answer(decision.publicKey.equals(key.publicKey) ? { accept: 'by key' } : 'reject')
    case 'password':
      return decision.answer(decision.password === 'secret' ? 'accept' : 'reject')
    case 'password-change':
      return decision.answer('reject')
    case 'keyboard-interactive':
      return decision.answer({ challenge: { prompts: [{ prompt: 'Code', echo: false }] } })
    case 'keyboard-interactive-response':
      return decision.answer(decision.responses[0] === 'to Code' ? 'accept' : 'reject')
  }
}

const client: PeerEndOptions = { onQuestion: answer }
const server: PeerEndOptions = { onDecision: decide }

const isIn = (end: PeerEnd) => end.peer.isAuthenticated
const tried = (end: PeerEnd) => end.clientAuth?.attempts.map(({ method, result }) => `${method} ${result}`)

/** Numbers of the messages in a stream that is still in the clear. */
function clearNumbers(sent: readonly Uint8Array[]): number[] {
  const bytes = Buffer.from(concatBytes(sent))
  const numbers: number[] = []
  for (let at = bytes.indexOf('\r\n') + 2; at < bytes.length; at += 4 + bytes.readUInt32BE(at)) {
    numbers.push(bytes[at + 5] ?? -1)
  }
  return numbers
}

describe('logging in', () => {
  test('lets in without proof whom the server asks for none', async () => {
    const pair = (await peerPair()).start()
    expect([isIn(pair.client), isIn(pair.server)]).toEqual([true, true])
    expect(tried(pair.client)).toEqual(['none accepted'])
    expect(pair.server.userName).toBe('alice')
  })

  test.each(['publickey', 'password', 'keyboard-interactive'] as const)('works by %s alone', async (method) => {
    const pair = (await peerPair({ client: { ...client, auth: { preferredAuth: [method] } }, server })).start()
    expect([isIn(pair.client), isIn(pair.server)]).toEqual([true, true])
    expect(tried(pair.client)).toEqual([`${method} accepted`])
  })

  test('goes through every factor that the server demands', async () => {
    const requiredMethods = [['publickey', 'password', 'keyboard-interactive']] as const
    const pair = (await peerPair({ client, server: { ...server, serverAuth: { requiredMethods } } })).start()
    expect([isIn(pair.client), isIn(pair.server)]).toEqual([true, true])
    expect(tried(pair.client)).toEqual([
      'publickey partial success',
      'password partial success',
      'keyboard-interactive accepted',
    ])
  })

  test('ends both sides when nothing is accepted, and tells the server no more than that', async () => {
    const pair = (await peerPair({ client, server: { onDecision: rejectAll } })).start()
    expect(pair.client.error?.code).toBe('ERR_SSH_AUTH_FAILED')
    expect(pair.server.error?.code).toBe('ERR_SSH_TRANSPORT_DISCONNECTED')
    expect(pair.server.error?.message).not.toContain('secret')
  })

  test('waits for a verdict that takes its time, decoding nothing meanwhile', async () => {
    const pending: AuthDecision<string>[] = []
    const pair = (await peerPair({ client, server: { onDecision: (d) => void pending.push(d) } })).start()
    pair.client.peer.send(Uint8Array.of(255))
    pair.pump()
    expect(pending.map(({ type }) => type)).toEqual(['begin'])
    expect(pair.server.error).toBeUndefined()
    for (let decision = pending.shift(); decision !== undefined; decision = pending.shift()) {
      decide(decision)
      pair.pump()
    }
    // What was held back is a message that nobody may send before login.
    expect(pair.server.error?.code).toBe('ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE')
  })

  test('notices while it waits that the other end has left, and reads no more than a little', async () => {
    const pair = (await peerPair({ client, server: { onDecision: () => {} } })).start()
    expect(pair.server.peer.isPaused).toBe(false)
    pair.server.peer.receive(new Uint8Array(64 * 1024))
    expect(pair.server.peer.isPaused).toBe(true)
    pair.server.peer.connectionEnded()
    expect(pair.server.error?.code).toBe('ERR_SSH_CONNECTION_LOST')
  })
})

describe('the first request', () => {
  test('follows our keys in the same flight as the service request, and its answer lets us in', async () => {
    const auth = { preferredAuth: ['publickey'], optimisticPublickey: true } as const
    const pair = await peerPair({ client: { ...client, auth }, server })
    pair.client.peer.start()
    pair.server.peer.start()
    // Identification and KEXINIT; the method's message; NEWKEYS, SERVICE_REQUEST and USERAUTH_REQUEST.
    for (let flight = 0; flight < 3; flight++) {
      expect(isIn(pair.client)).toBe(false)
      pair.send(pair.client)
      pair.receive(pair.server)
      pair.send(pair.server)
      pair.receive(pair.client)
    }
    expect(isIn(pair.client)).toBe(true)
  })

  test('never leaves before the host key is accepted, however long that takes', async () => {
    let accept = () => {}
    const pair = await peerPair({
      client: {
        ...client,
        auth: { preferredAuth: ['publickey'], optimisticPublickey: true },
        handlers: { onHostKey: () => (accept = () => pair.client.peer.acceptHostKey()) },
      },
      server,
    })
    pair.start().advance(5000).pump()
    // KEXINIT and the method's one message, and nothing else.
    expect(clearNumbers(pair.client.sent)).toEqual([20, 30])
    expect(pair.client.clientAuth).toBeUndefined()
    accept()
    pair.pump()
    expect(isIn(pair.client)).toBe(true)
  })
})

describe('before login', () => {
  const open = { senderChannel: 0, initialWindowSize: 1, maximumPacketSize: 1, typeData: new Uint8Array(0) }
  const messages = [
    channelOpen.encode({ channelType: 'session', ...open }),
    ...[80, 81, 82, 90, 93, 94, 98, 100].map((number) => Uint8Array.of(number)),
  ]
  test.each([
    ['while the server waits for a credential', 'password'],
    ['in the middle of prompts', 'keyboard-interactive'],
  ] as const)('no message of the connection protocol reaches anybody, %s', async (_, method) => {
    for (const message of messages) {
      // A client that neither logs in nor goes away: it leaves every question open.
      const undecided: PeerEndOptions = { auth: { preferredAuth: [method] }, onQuestion: () => {} }
      const pair = (await peerPair({ client: undecided, server })).start()
      expect(pair.server.peer.hasEnded).toBe(false)
      pair.client.peer.send(message)
      pair.pump()
      expect(pair.server.error?.code).toBe('ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE')
      expect([...pair.server.eventsOf('channelOpen'), ...pair.server.eventsOf('globalRequest')]).toEqual([])
    }
  })
})

test('requests after the successful one are ignored', async () => {
  const pair = (await peerPair()).start()
  const late = userauthRequest.encode({
    userName: 'root',
    serviceName: 'ssh-connection',
    methodName: 'none',
    methodData: new Uint8Array(0),
  })
  pair.client.peer.send(late)
  pair.pump()
  expect(pair.server.error).toBeUndefined()
  expect(pair.server.userName).toBe('alice')
})

test('a client must not be told anything that only a server is told', async () => {
  const pair = (await peerPair()).start()
  pair.client.peer.send(userauthSuccess.encode({}))
  pair.pump()
  expect(pair.server.error?.code).toBe('ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE')
})

test('a failure that nobody waits for ends the connection', async () => {
  const pair = (await peerPair()).start()
  pair.server.peer.send(userauthFailure.encode({ methodsThatCanContinue: ['password'], partialSuccess: false }))
  pair.pump()
  expect(pair.client.error?.code).toBe('ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE')
})

test('the channel request that follows a success at once is legal, however full the output was', async () => {
  const banner = 'x'.repeat(60_000)
  const pair = await peerPair({
    server: {
      onDecision: (decision) => {
        pair.server.serverAuth?.sendBanner(banner)
        pair.server.serverAuth?.sendBanner(banner)
        decision.answer('accept')
      },
    },
    client: { handlers: { onAuthenticated: () => void pair.client.openChannel().catch(() => {}) } },
  })
  pair.start()
  expect(pair.client.eventsOf('banner')).toHaveLength(2)
  expect(pair.server.error).toBeUndefined()
  expect(pair.server.channels).toHaveLength(1)
})

test('banners reach the client before the verdict', async () => {
  const pair = await peerPair({
    server: {
      onDecision: (decision) => {
        if (decision.type === 'begin') pair.server.serverAuth?.sendBanner('Welcome\x1b[2J')
        decide(decision)
      },
    },
    client,
  })
  pair.start()
  expect(pair.client.eventsOf('banner')).toEqual([{ type: 'banner', message: 'Welcome\\x1b[2J' }])
})
