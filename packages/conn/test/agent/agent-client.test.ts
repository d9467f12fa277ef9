import { inspect } from 'node:util'
import { generatePrivateKey, parseSignature } from '@ssh/crypto'
import { AbortError, toUtf8, Writer } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import type { AgentClient, AgentRequestOptions } from '../../src/agent/agent-client.js'
import { AgentError } from '../../src/errors.js'
import { type AgentPair, agentPair, framed, KeyRing, replies, strangeBlob } from './scripted-agent.js'

const ed25519 = await generatePrivateKey('ssh-ed25519', { comment: 'first' })
const ecdsa = await generatePrivateKey('ecdsa-sha2-nistp256', { comment: 'second' })
const rsa = await generatePrivateKey('ssh-rsa', { bits: 2048, comment: 'third' })
const data = toUtf8('what is signed')

const codeOf = async (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof AgentError ? error.code : error),
  )

type Ask = (client: AgentClient, options?: AgentRequestOptions) => Promise<unknown>

const requests: readonly [name: string, ask: Ask][] = [
  ['listKeys', (client, options) => client.listKeys(options)],
  ['sign', (client, options) => client.sign(ed25519.publicKey, data, options)],
  ['addKey', (client, options) => client.addKey(ed25519, options)],
  ['removeKey', (client, options) => client.removeKey(ed25519.publicKey, options)],
  ['removeAll', (client, options) => client.removeAll(options)],
  ['lock', (client, options) => client.lock('secret', options)],
  ['unlock', (client, options) => client.unlock('secret', options)],
  ['queryExtensions', (client, options) => client.queryExtensions(options)],
]

describe('an agent that does as it should', () => {
  test('lists its keys in its order, each ready to sign', async () => {
    const { client } = agentPair(new KeyRing(ed25519, ecdsa, rsa).answer)
    const keys = await client.listKeys()
    expect(keys.map(({ algorithm, comment }) => [algorithm, comment])).toEqual([
      ['ssh-ed25519', 'first'],
      ['ecdsa-sha2-nistp256', 'second'],
      ['ssh-rsa', 'third'],
    ])
    for (const key of keys) expect(key.publicKey.verify(data, await key.sign(data))).toBe(true)
    expect(keys.map((key) => key.getFingerprint())).toEqual([ed25519, ecdsa, rsa].map((key) => key.getFingerprint()))
  })

  test.for([
    ['rsa-sha2-512', 4],
    ['rsa-sha2-256', 2],
    ['ssh-rsa', 0],
  ] as const)('an RSA key signs by %s, asked for with flags %i', async ([algorithm, flags]) => {
    const { client, agent } = agentPair(new KeyRing(rsa).answer)
    const [key] = await client.listKeys()
    const signature = (await key?.sign(data, algorithm)) ?? new Uint8Array(0)
    expect(parseSignature(signature).algorithm).toBe(algorithm)
    expect(rsa.publicKey.verify(data, signature, algorithm)).toBe(true)
    expect(agent.requests.at(-1)).toMatchObject({ type: 'signRequest', flags })
  })

  test('an RSA key signs with SHA-512 unless told otherwise; flags can be given as they are', async () => {
    const { client, agent } = agentPair(new KeyRing(rsa).answer)
    expect(parseSignature(await client.sign(rsa.publicKey, data)).algorithm).toBe('rsa-sha2-512')
    expect(parseSignature(await client.sign(rsa.publicKey.blob, data, { flags: 2 })).algorithm).toBe('rsa-sha2-256')
    expect(agent.requests.map((request) => 'flags' in request && request.flags)).toEqual([4, 2])
  })

  test('takes keys, with their comment or another, and gives them up', async () => {
    const ring = new KeyRing()
    const { client } = agentPair(ring.answer)
    await client.addKey(ed25519)
    await client.addKey(rsa, { comment: 'höher' })
    await client.addKey(ecdsa, { lifetime: '1.5h', confirm: true })
    expect(ring.keys.map(({ comment }) => comment)).toEqual(['first', 'höher', 'second'])
    expect(ring.keys.map(({ constraints }) => Buffer.from(constraints).toString('hex'))).toEqual([
      '',
      '',
      '01' + '00001518' + '02',
    ])
    await client.removeKey(rsa.publicKey)
    expect((await client.listKeys()).map(({ comment }) => comment)).toEqual(['first', 'second'])
    expect(await codeOf(client.removeKey(rsa.publicKey.blob))).toBe('ERR_SSH_AGENT_REFUSED')
    await client.removeAll()
    expect(await client.listKeys()).toEqual([])
  })

  test.for([0, '0s', '8000w', 'soon', -1, 1.5])('a lifetime of %j is none', async (lifetime) => {
    const { client, agent } = agentPair(new KeyRing().answer)
    await expect(client.addKey(ed25519, { lifetime })).rejects.toMatchObject({ name: 'OptionsError' })
    expect(agent.requests).toEqual([])
  })

  test('is locked and unlocked with a passphrase', async () => {
    const { client } = agentPair(new KeyRing(ed25519).answer)
    await client.lock('open sésame')
    expect(await client.listKeys()).toEqual([])
    expect(await codeOf(client.sign(ed25519.publicKey, data))).toBe('ERR_SSH_AGENT_REFUSED')
    expect(await codeOf(client.unlock('open sesame'))).toBe('ERR_SSH_AGENT_REFUSED')
    await client.unlock('open sésame')
    expect(await client.listKeys()).toHaveLength(1)
  })

  test.for([
    [
      'a response',
      Buffer.concat([Uint8Array.of(29), new Writer().writeUtf8('query').writeUtf8('a').writeUtf8('b').finish()]),
      ['a', 'b'],
    ],
    [
      'names behind success, as older ones',
      Buffer.concat([Uint8Array.of(6), new Writer().writeUtf8('a').finish()]),
      ['a'],
    ],
    ['an empty list', Uint8Array.of(6), []],
    ['failure', replies.failure, []],
    ['extension failure', replies.extensionFailure, []],
  ] as const)('tells its extensions by %s', async ([, reply, names]) => {
    const { client } = agentPair(() => reply)
    expect(await client.queryExtensions()).toEqual(names)
  })

  test('answers in the order of the calls, and is asked one thing at a time', async () => {
    const waiting: (() => void)[] = []
    const ring = new KeyRing(ed25519)
    const pair: AgentPair = agentPair((request) => {
      const reply = ring.answer(request)
      waiting.push(() => void (reply && pair.far.write(framed(reply))))
      return undefined
    })
    const order: string[] = []
    const note = (name: string) => () => void order.push(name)
    const all = [
      pair.client.listKeys().then(note('list')),
      pair.client.sign(ed25519.publicKey, data).then(note('sign')),
      pair.client.removeAll().then(note('remove')),
    ]
    for (let count = 1; count <= 3; count++) {
      expect(pair.agent.requests).toHaveLength(count)
      waiting.shift()?.()
      await Promise.resolve()
    }
    await Promise.all(all)
    expect(order).toEqual(['list', 'sign', 'remove'])
  })

  test('may cut its answers into any pieces', async () => {
    const { client } = agentPair(new KeyRing(ed25519, rsa).answer, { channel: { chunkSize: 1 } })
    const [key] = await client.listKeys()
    expect(key?.publicKey.verify(data, (await key?.sign(data)) ?? data)).toBe(true)
  })

  test('may hold keys that nobody here can take apart', async () => {
    const strange = [
      'sk-ssh-ed25519@openssh.com',
      'ssh-rsa-cert-v01@openssh.com',
      'ssh-ed25519-cert-v01@openssh.com',
      'ssh-dss',
      'new@example.com',
    ]
    const blobs = [
      ...strange.map(strangeBlob),
      Uint8Array.of(1, 2, 3),
      new Uint8Array(0),
      ed25519.publicKey.blob.slice(0, -1),
    ]
    const { client } = agentPair((request) =>
      request.type === 'requestIdentities'
        ? replies.identities(...blobs.map((blob, index) => [blob, `comment ${index}`] as const))
        : replies.failure,
    )
    const keys = await client.listKeys()
    expect(keys.map((key) => [key.algorithm, key.signatureAlgorithms])).toEqual([
      ['sk-ssh-ed25519@openssh.com', ['sk-ssh-ed25519@openssh.com']],
      ['ssh-rsa-cert-v01@openssh.com', ['rsa-sha2-512-cert-v01@openssh.com']],
      ['ssh-ed25519-cert-v01@openssh.com', ['ssh-ed25519-cert-v01@openssh.com']],
      ['ssh-dss', []],
      ['new@example.com', []],
      ['', []],
      ['', []],
      ['ssh-ed25519', []],
    ])
    expect(keys.map((key) => Buffer.from(key.publicKey.blob))).toEqual(blobs.map((blob) => Buffer.from(blob)))
    expect(keys[0]?.publicKey.exportPublicKey()).toBe(
      `sk-ssh-ed25519@openssh.com ${Buffer.from(blobs[0] ?? '').toString('base64')} comment 0\n`,
    )
    expect(keys[0]?.publicKey.verify(data, data)).toBe(false)
    expect(() => keys[0]?.publicKey.exportPublicKey('pkcs8-pem')).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_KEY_EXPORT' }),
    )
    expect(await codeOf(keys[3]?.sign(data) ?? Promise.resolve())).toBe('ERR_SSH_AGENT_KEY_UNSUPPORTED')
    expect(await codeOf(keys[0]?.sign(data) ?? Promise.resolve())).toBe('ERR_SSH_AGENT_REFUSED')
  })

  test('may sign with keys that nobody here can take apart', async () => {
    const securityKey = new Writer()
      .writeUtf8('sk-ssh-ed25519@openssh.com')
      .writeString(data)
      .writeByte(1)
      .writeUint32(7)
      .finish()
    const plain = new Writer().writeUtf8('rsa-sha2-512').writeString(data).finish()
    const blobs = new Map([
      ['sk-ssh-ed25519@openssh.com', securityKey],
      ['ssh-rsa-cert-v01@openssh.com', plain],
    ])
    const { client, agent } = agentPair((request) => {
      if (request.type !== 'signRequest')
        return replies.identities(...[...blobs.keys()].map((name) => [strangeBlob(name), ''] as const))
      return replies.signature(request.flags === 4 ? plain : securityKey)
    })
    const [first, second] = await client.listKeys()
    expect(await first?.sign(data)).toEqual(Uint8Array.from(securityKey))
    expect(await second?.sign(data)).toEqual(Uint8Array.from(plain))
    expect(agent.requests.map((request) => 'flags' in request && request.flags)).toEqual([false, 0, 4])
  })

  test('shows no secret when it, or its key, is printed', async () => {
    const { client } = agentPair((request) =>
      request.type === 'requestIdentities'
        ? replies.identities([ed25519.publicKey.blob, 'a\u001b[31m'])
        : replies.success,
    )
    await client.lock('tell nobody')
    const [key] = await client.listKeys()
    expect(inspect(client, { depth: 9, showHidden: true })).not.toContain('tell nobody')
    expect(inspect(key)).toBe(
      `AgentKey ${JSON.stringify({ algorithm: 'ssh-ed25519', fingerprint: ed25519.getFingerprint(), comment: 'a\\x1b[31m' })}`,
    )
  })
})

describe('an agent that does not (G14)', () => {
  const badReplies: readonly [what: string, reply: Uint8Array][] = [
    ['nothing in a frame', new Uint8Array(0)],
    ['an unknown number', Uint8Array.of(200)],
    ['a request', Uint8Array.of(11)],
    ['bytes behind success', Uint8Array.of(6, 0)],
    ['a count of 2^32 - 1', Uint8Array.of(12, 255, 255, 255, 255)],
    [
      'more keys than any agent has (H6)',
      replies.identities(...Array.from({ length: 2049 }, () => [new Uint8Array(0), ''] as const)),
    ],
    ['a count of 2^32 - 1 and a few keys', Buffer.concat([Uint8Array.of(12, 255, 255, 255, 255), new Uint8Array(64)])],
    ['a signature longer than the frame', Uint8Array.of(14, 255, 255, 255, 255)],
    ['a signature that is none', replies.signature(Uint8Array.of(0, 0, 0, 9, 1))],
    ['an empty signature', replies.signature(new Uint8Array(0))],
    ['another extension', Buffer.concat([Uint8Array.of(29), new Writer().writeUtf8('other').finish()])],
    ['bytes behind failure', Uint8Array.of(5, 5)],
  ]

  test.for(requests)('%s takes no answer of another kind', async ([name, ask]) => {
    for (const [what, reply] of badReplies) {
      if (what === 'bytes behind success' && name === 'queryExtensions') continue
      const { client, near, clock } = agentPair(() => reply)
      expect(await codeOf(ask(client)), what).toBe('ERR_SSH_AGENT_INVALID_REPLY')
      expect(await codeOf(client.listKeys()), what).toBe('ERR_SSH_AGENT_INVALID_REPLY')
      expect(await codeOf(client.closed), what).toBe('ERR_SSH_AGENT_INVALID_REPLY')
      expect(near.isClosed).toBe(true)
      expect(clock.pending).toBe(0)
    }
  })

  test.for([
    ['listKeys', replies.success],
    ['listKeys', replies.signature(data)],
    ['sign', replies.success],
    ['sign', replies.identities()],
    ['addKey', replies.identities()],
    ['lock', replies.signature(data)],
  ] as const)('%s takes no answer to something else', async ([name, reply]) => {
    const ask = new Map(requests).get(name)
    const { client } = agentPair(() => reply)
    expect(await codeOf(ask?.(client) ?? Promise.resolve())).toBe('ERR_SSH_AGENT_INVALID_REPLY')
  })

  test.for(requests)('%s says so when it is refused, and the next request is heard', async ([name, ask]) => {
    let isFirst = true
    const { client } = agentPair(() => {
      const reply = isFirst ? replies.failure : replies.identities()
      isFirst = false
      return reply
    })
    expect(await codeOf(ask(client))).toBe(name === 'queryExtensions' ? 'fulfilled' : 'ERR_SSH_AGENT_REFUSED')
    expect(await client.listKeys()).toEqual([])
  })

  test('an answer that ends after any of its bytes is an error, and never waited for', async () => {
    const signature = replies.signature(ed25519.sign(data))
    for (const [ask, reply] of [
      [(client: AgentClient) => client.listKeys(), replies.identities([ed25519.publicKey.blob, 'comment'])],
      [(client: AgentClient) => client.sign(ed25519.publicKey, data), signature],
    ] as const) {
      const whole = framed(reply)
      for (let length = 0; length < whole.length; length++) {
        // The connection ends in the middle of the frame.
        const cut = agentPair(() => undefined)
        const asked = ask(cut.client)
        cut.far.write(whole.slice(0, length))
        cut.far.end()
        expect(await codeOf(asked), `${length} bytes, then the end`).toBe('ERR_SSH_AGENT_CLOSED')
        expect(await codeOf(cut.client.closed)).toBe('ERR_SSH_AGENT_CLOSED')
        expect(cut.clock.pending).toBe(0)
        // The frame is as long as it says, and what is in it is not.
        if (length < 4) continue
        const short = agentPair(() => reply.slice(0, length - 4))
        expect(await codeOf(ask(short.client)), `${length} bytes in a frame`).toBe('ERR_SSH_AGENT_INVALID_REPLY')
      }
    }
  })

  test.for([0xffffffff, 256 * 1024 + 1])('a frame of %i bytes is not even waited for', async (length) => {
    const { client, far } = agentPair(() => undefined)
    const asked = client.listKeys()
    far.write(new Writer().writeUint32(length).finish())
    expect(await codeOf(asked)).toBe('ERR_SSH_AGENT_INVALID_REPLY')
    expect(far.isClosed).toBe(true)
  })

  test('a frame of 256 KiB is read, and nothing longer is sent', async () => {
    const blob = Buffer.concat([strangeBlob('long@example.com'), new Uint8Array(262_144 - 45)])
    const reply = replies.identities([blob, ''])
    expect(reply.length).toBe(256 * 1024)
    const { client, agent } = agentPair(() => reply, { channel: { chunkSize: 5000 } })
    expect(await client.listKeys()).toHaveLength(1)
    expect(await codeOf(client.sign(ed25519.publicKey, new Uint8Array(256 * 1024)))).toBe(
      'ERR_SSH_AGENT_REQUEST_TOO_LONG',
    )
    expect(agent.requests).toHaveLength(1)
    expect(await client.listKeys()).toHaveLength(1)
  })

  test('speaking without having been asked ends it', async () => {
    const { client, far } = agentPair(() => undefined)
    far.write(framed(replies.success))
    expect(await codeOf(client.closed)).toBe('ERR_SSH_AGENT_INVALID_REPLY')
    expect(await codeOf(client.listKeys())).toBe('ERR_SSH_AGENT_INVALID_REPLY')
  })

  test('a second answer in one packet is not taken for the answer to the next request', async () => {
    const { client, far } = agentPair(() => undefined)
    const first = client.listKeys()
    far.write(Buffer.concat([framed(replies.identities()), framed(replies.success)]))
    expect(await first).toEqual([])
    expect(await codeOf(client.removeAll())).toBe('ERR_SSH_AGENT_INVALID_REPLY')
  })

  test.for([
    ['an old one, with SHA-1', 'ssh-rsa'],
    ['one that knows SHA-256 only', 'rsa-sha2-256'],
  ] as const)('a signature by another algorithm is not passed on: %s', async ([, made]) => {
    const { client } = agentPair(() => replies.signature(rsa.sign(data, made)))
    await expect(client.sign(rsa.publicKey, data)).rejects.toMatchObject({
      code: 'ERR_SSH_AGENT_WRONG_ALGORITHM',
      details: { made, expected: 'rsa-sha2-512' },
    })
    await client.sign(rsa.publicKey, data, { algorithm: made })
  })

  test('silence ends the connection and everything that waits, but for signatures there is time', async () => {
    const { client, clock, near } = agentPair(() => undefined)
    const signing = codeOf(client.sign(ed25519.publicKey, data))
    clock.advance(3_600_000)
    const behind = codeOf(client.listKeys())
    clock.advance(3_600_000)
    expect(near.isClosed).toBe(false)
    await client.close()
    expect(await Promise.all([signing, behind])).toEqual(['ERR_SSH_AGENT_CLOSED', 'ERR_SSH_AGENT_CLOSED'])

    const silent = agentPair(() => undefined)
    const all = [silent.client.listKeys(), silent.client.sign(ed25519.publicKey, data), silent.client.lock('x')].map(
      codeOf,
    )
    silent.clock.advance(29_999)
    expect(silent.near.isClosed).toBe(false)
    silent.clock.advance(1)
    expect(await Promise.all(all)).toEqual(all.map(() => 'ERR_SSH_AGENT_TIMEOUT'))
    expect(await codeOf(silent.client.closed)).toBe('ERR_SSH_AGENT_TIMEOUT')
    expect(silent.clock.pending).toBe(0)
  })

  test('an answer in time stops the clock; a limit of 0 never starts it', async () => {
    const { client, clock } = agentPair(() => replies.identities(), { timeoutMs: 5 })
    await client.listKeys()
    expect(clock.pending).toBe(0)
    const patient = agentPair(() => undefined, { timeoutMs: 0 })
    const asked = codeOf(patient.client.listKeys())
    expect(patient.clock.pending).toBe(0)
    patient.far.abort()
    expect(await asked).toBe('ERR_SSH_AGENT_CLOSED')
  })
})

describe('the end', () => {
  test.for(requests)('%s fails once the connection is closed, by either side', async ([, ask]) => {
    const ours = agentPair(() => undefined)
    const pending = codeOf(ask(ours.client))
    await ours.client.close()
    expect(await pending).toBe('ERR_SSH_AGENT_CLOSED')
    expect(await codeOf(ask(ours.client))).toBe('ERR_SSH_AGENT_CLOSED')
    expect(await codeOf(ours.client.closed)).toBe('fulfilled')
    await ours.client.close()

    const theirs = agentPair(() => undefined)
    const waiting = codeOf(ask(theirs.client))
    theirs.far.close()
    expect(await waiting).toBe('ERR_SSH_AGENT_CLOSED')
    expect(await codeOf(ask(theirs.client))).toBe('ERR_SSH_AGENT_CLOSED')
  })

  test('is a normal one when nothing was asked', async () => {
    const { client, far, near } = agentPair(() => undefined)
    far.close()
    expect(await codeOf(client.closed)).toBe('fulfilled')
    expect(near.isClosed).toBe(true)
  })

  test('is told with its reason when the connection broke', async () => {
    const { client, near } = agentPair(() => undefined)
    near.abort(new Error('read ECONNRESET'))
    await expect(client.closed).rejects.toThrow('The agent closed the connection: read ECONNRESET')
  })

  test('comes with the block that uses it', async () => {
    const { client, far } = agentPair(() => replies.identities())
    {
      await using agent = client
      await agent.listKeys()
    }
    expect(far.isClosed).toBe(true)
  })

  test.for(requests)('%s is given up by its signal, before it is sent and after', async ([, ask]) => {
    const { client, agent, near } = agentPair(() => undefined)
    await expect(ask(client, { signal: AbortSignal.abort('why') })).rejects.toMatchObject({
      name: 'AbortError',
      cause: 'why',
    })
    expect(agent.requests).toEqual([])
    const sent = new AbortController()
    const queued = new AbortController()
    const first = ask(client, { signal: sent.signal })
    const second = ask(client, { signal: queued.signal })
    queued.abort()
    sent.abort()
    await expect(first).rejects.toBeInstanceOf(AbortError)
    await expect(second).rejects.toBeInstanceOf(AbortError)
    expect(agent.requests).toHaveLength(1)
    expect(near.isClosed).toBe(false)
  })

  test('an answer that comes too late is for nobody else', async () => {
    const { client, far } = agentPair((request) => (request.type === 'signRequest' ? undefined : replies.identities()))
    const controller = new AbortController()
    const signing = client.sign(ed25519.publicKey, data, { signal: controller.signal })
    controller.abort()
    await expect(signing).rejects.toBeInstanceOf(AbortError)
    const listing = client.listKeys()
    far.write(framed(replies.signature(ed25519.sign(data))))
    expect(await listing).toEqual([])
  })
})
