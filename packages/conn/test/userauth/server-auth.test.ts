/** The server against clients that are hasty, stubborn or hostile. */

import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { keyboardInteractiveMessages, userauthFailure, userauthMethods, userauthRequest, Writer } from '@ssh/wire'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { AuthDecision } from '../../src/userauth/auth-decision.js'
import { ServerAuth } from '../../src/userauth/server-auth.js'
import { signedData } from '../../src/userauth/signed-data.js'
import { decideFrom, ServerSide, sessionIdentifier } from './auth-pair.js'

const [, infoResponse] = keyboardInteractiveMessages.definitions
const nothing = new Uint8Array(0)

let key: PrivateKey
let otherKey: PrivateKey

beforeAll(async () => {
  key = await generatePrivateKey()
  otherKey = await generatePrivateKey()
})

function request(
  methodName: string,
  methodData: Uint8Array = nothing,
  userName = 'alice',
  serviceName = 'ssh-connection',
) {
  return userauthRequest.encode({ userName, serviceName, methodName, methodData })
}

const password = (value: string, userName?: string) =>
  request('password', userauthMethods.password.encode({ isChange: false, password: value }), userName)

const interactive = (userName?: string) =>
  request(
    'keyboard-interactive',
    userauthMethods.keyboardInteractive.encode({ languageTag: '', submethods: '' }),
    userName,
  )

const query = (signer: PrivateKey, userName?: string) =>
  request(
    'publickey',
    userauthMethods.publickeyQuery.encode({
      hasSignature: false,
      algorithmName: 'ssh-ed25519',
      publicKey: signer.publicKey.blob,
    }),
    userName,
  )

/** A signed request in which every part can be another than the one that was signed. */
function signed(
  signer: PrivateKey,
  changes: { userName?: string; session?: Uint8Array; publicKey?: Uint8Array; signature?: Uint8Array } = {},
): Uint8Array {
  const algorithmName = 'ssh-ed25519'
  const publicKey = changes.publicKey ?? signer.publicKey.blob
  const data = signedData({
    sessionIdentifier: changes.session ?? sessionIdentifier,
    userName: 'alice',
    algorithmName,
    publicKey: signer.publicKey.blob,
  })
  const signature = changes.signature ?? signer.sign(data)
  return request(
    'publickey',
    userauthMethods.publickeySigned.encode({ hasSignature: true, algorithmName, publicKey, signature }),
    changes.userName,
  )
}

/** Accepts every credential. */
const acceptAll = decideFrom({
  'publickey-query': (decision) => decision.answer('accept'),
  publickey: (decision) => decision.answer('accept'),
  password: (decision) => decision.answer('accept'),
  'password-change': (decision) => decision.answer('accept'),
  'keyboard-interactive': (decision) => decision.answer({ challenge: { prompts: [{ prompt: '?', echo: false }] } }),
  'keyboard-interactive-response': (decision) => decision.answer('accept'),
})

const rejectAll = decideFrom({})

/** What was sent, each message as its number, failures with their list. */
const replies = (server: ServerSide) =>
  server.sent.map((payload) => {
    if (payload[0] !== userauthFailure.number) return String(payload[0])
    const { methodsThatCanContinue, partialSuccess } = userauthFailure.decode(payload)
    return `${partialSuccess ? 'partial' : 'failure'} ${methodsThatCanContinue.join(',')}`
  })

const anyMethod = 'failure publickey,keyboard-interactive,password'

describe('proof of a key', () => {
  it('is a signature over this session, this user and this key', () => {
    for (const changes of [
      { session: Buffer.alloc(32, 1) },
      { userName: 'root' },
      { publicKey: otherKey.publicKey.blob },
      { signature: nothing },
      { signature: Buffer.alloc(83, 7) },
    ]) {
      const server = new ServerSide({}, acceptAll)
      server.auth.receive(signed(key, changes))
      expect(server.asked).toEqual([])
      expect(replies(server)).toEqual([anyMethod])
    }
  })

  it('is not given by asking about a key', () => {
    const server = new ServerSide({}, acceptAll)
    server.auth.receive(query(key))
    expect(replies(server)).toEqual(['60'])
    expect(server.user).toBeUndefined()
    server.auth.receive(signed(otherKey))
    expect(server.user?.factors[0]?.publicKey?.equals(otherKey.publicKey)).toBe(true)
  })

  it('is not looked at for an algorithm that is not accepted, however damaged the key', () => {
    const data = (algorithmName: string, publicKey: Uint8Array) =>
      request('publickey', userauthMethods.publickeyQuery.encode({ hasSignature: false, algorithmName, publicKey }))
    const rsaName = new Writer().writeUtf8('ssh-rsa').writeUint32(0xffffffff).finish()
    for (const payload of [
      data('ssh-dss', nothing),
      data('ssh-rsa', rsaName),
      data('ssh-ed25519-cert-v01@openssh.com', Buffer.alloc(100_000)),
      data('ssh-ed25519', nothing),
      data('ssh-ed25519', rsaName),
      data('rsa-sha2-512', key.publicKey.blob),
      data('ssh-ed25519', Buffer.from('\\\\server\\share\\id_rsa')),
    ]) {
      const server = new ServerSide({}, acceptAll)
      server.auth.receive(payload)
      expect(replies(server)).toEqual([anyMethod])
      expect(server.asked).toEqual([])
    }
  })
})

describe('another user or service', () => {
  it('begins from nothing when another user name comes up', () => {
    const server = new ServerSide({ requiredMethods: [['publickey', 'password']] }, acceptAll)
    server.auth.receive(signed(key))
    server.auth.receive(password('x', 'root'))
    server.auth.receive(password('x', 'alice'))
    expect(replies(server)).toEqual(['partial password', 'failure publickey', 'failure publickey'])
    expect(server.decisions.map((decision) => `${decision.type} ${decision.userName}`)).toEqual([
      'begin alice',
      'publickey alice',
      'begin root',
      'begin alice',
    ])
  })

  it('drops prompts that were meant for another user', () => {
    const server = new ServerSide({}, acceptAll)
    server.auth.receive(interactive('alice'))
    server.auth.receive(request('none', nothing, 'root'))
    server.auth.receive(infoResponse.encode({ responses: ['x'] }))
    expect(server.user).toBeUndefined()
    expect(server.asked).toEqual(['keyboard-interactive'])
  })

  it('refuses another service, and tells why', () => {
    const server = new ServerSide({}, acceptAll)
    expect(() => server.auth.receive(request('none', nothing, 'alice', 'ssh-userauth'))).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_AUTH_UNKNOWN_SERVICE', disconnectReason: 7 }),
    )
  })
})

describe('keyboard-interactive', () => {
  it('refuses a response that nobody asked for', () => {
    const server = new ServerSide({}, acceptAll)
    server.auth.receive(infoResponse.encode({ responses: ['x'] }))
    server.auth.receive(interactive())
    server.auth.receive(infoResponse.encode({ responses: ['x'] }))
    expect(replies(server)).toEqual([anyMethod, '60', '52'])
  })

  it.each([[[]], [['a', 'b']], [['a'.repeat(1025)]]])('refuses the responses %#, unasked', (responses) => {
    const server = new ServerSide({}, acceptAll)
    server.auth.receive(interactive())
    server.auth.receive(infoResponse.encode({ responses }))
    expect(replies(server)).toEqual(['60', anyMethod])
    expect(server.asked).toEqual(['keyboard-interactive'])
  })

  it('refuses ten thousand submethods, unasked', () => {
    const server = new ServerSide({}, acceptAll)
    const submethods = 'pam,'.repeat(10_000)
    server.auth.receive(
      request('keyboard-interactive', userauthMethods.keyboardInteractive.encode({ languageTag: '', submethods })),
    )
    expect(server.asked).toEqual([])
  })

  it('counts prompts that are left unanswered', () => {
    const server = new ServerSide({}, acceptAll)
    for (let index = 0; index < 10 && server.error === undefined; index++) server.auth.receive(interactive())
    expect(server.asked).toHaveLength(6)
    expect(server.error).toMatchObject({ code: 'ERR_SSH_AUTH_FAILED', disconnectReason: 14 })
  })
})

describe('limits', () => {
  let users = 0

  it.each([
    ['none', () => request('none')],
    ['an unknown method', () => request('gssapi-with-mic', Buffer.alloc(20, 0xff))],
    ['passwords', () => password('wrong')],
    ['keys', () => query(key)],
    ['users', () => password('wrong', `user${users++}`)],
    ['responses', () => infoResponse.encode({ responses: [] })],
  ])('end the connection after six refusals: %s', (_, make) => {
    const server = new ServerSide({}, rejectAll)
    let sent = 0
    while (server.error === undefined && sent < 1000) {
      server.auth.receive(make())
      sent++
    }
    expect(sent).toBeLessThanOrEqual(7)
    expect(server.sent.length).toBe(sent - 1)
    expect(server.error).toMatchObject({ code: 'ERR_SSH_AUTH_FAILED' })
  })

  it.each([
    ['accepted queries', () => query(key)],
    ['password changes', () => password('old')],
  ])('end the connection after 128 requests that are not refused: %s', (_, make) => {
    const server = new ServerSide(
      {},
      decideFrom({
        'publickey-query': (decision) => decision.answer('accept'),
        password: (decision) => decision.answer({ changeRequired: { prompt: '' } }),
      }),
    )
    for (let index = 0; index < 10_000 && server.error === undefined; index++) server.auth.receive(make())
    expect(server.sent).toHaveLength(128)
    expect(server.error?.message).toContain('too many requests')
  })

  it('counts over all user names', () => {
    const server = new ServerSide({ maximumFailures: 3 }, rejectAll)
    for (const userName of ['a', 'b', 'c']) server.auth.receive(password('x', userName))
    expect(server.error).toBeDefined()
  })

  it.each([
    ['a password', () => password('a'.repeat(1 << 20))],
    ['a password just too long', () => password('é'.repeat(513))],
    ['a user name', () => password('x', 'a'.repeat(1 << 20))],
  ])('keep %s that is too long from the application', (_, make) => {
    const server = new ServerSide({}, acceptAll)
    server.auth.receive(make())
    expect(server.asked).toEqual([])
    expect(replies(server)).toEqual([anyMethod])
  })

  it('let a password of 1024 bytes through', () => {
    const server = new ServerSide({}, acceptAll)
    server.auth.receive(password('é'.repeat(512)))
    expect(server.user).toBeDefined()
  })
})

describe('a pending decision', () => {
  function slow(options: ConstructorParameters<typeof ServerSide>[0] = {}) {
    const pending: AuthDecision<string>[] = []
    return { server: new ServerSide(options, (decision) => void pending.push(decision)), pending }
  }

  it('is one at a time, and nothing is read meanwhile', () => {
    const { server, pending } = slow()
    server.auth.receive(password('x'))
    expect(server.auth.isBusy).toBe(true)
    expect(() => server.auth.receive(password('y'))).toThrow(expect.objectContaining({ code: 'ERR_SSH_AUTH_BUSY' }))
    expect(pending).toHaveLength(1)
  })

  it('lets reading go on once, when the whole request is through', () => {
    const { server, pending } = slow()
    server.auth.receive(password('x'))
    const [begin] = pending
    if (begin?.type === 'begin') begin.answer('authenticate')
    expect([server.auth.isBusy, server.ready]).toEqual([true, 0])
    const decision = pending[1]
    if (decision?.type === 'password') decision.answer('accept')
    expect([server.auth.isBusy, server.ready]).toEqual([false, 1])
    expect(server.user).toBeDefined()
  })

  it('needs no word that reading may go on when it was made at once', () => {
    const server = new ServerSide({}, rejectAll)
    server.auth.receive(password('x'))
    expect([server.auth.isBusy, server.ready]).toEqual([false, 0])
  })

  it('is made once, and not after the end', () => {
    const { server, pending } = slow()
    server.auth.receive(request('none'))
    const [begin] = pending
    if (begin?.type !== 'begin') throw new Error('expected begin')
    begin.answer('authenticate')
    begin.answer('accept')
    expect(server.user).toBeUndefined()
    server.auth.receive(password('x'))
    const decision = pending[1]
    server.auth.close()
    if (decision?.type === 'password') decision.answer('accept')
    expect(server.user).toBeUndefined()
    expect(replies(server)).toEqual([anyMethod])
  })

  it('stays to be made when the verdict cannot be carried out', () => {
    const { server, pending } = slow()
    server.auth.receive(interactive())
    const [begin] = pending
    if (begin?.type === 'begin') begin.answer('authenticate')
    const decision = pending[1]
    if (decision?.type !== 'keyboard-interactive') throw new Error('expected a challenge to be asked for')
    const prompts = [{ prompt: undefined as unknown as string, echo: false }]
    expect(() => decision.answer({ challenge: { prompts } })).toThrow(TypeError)
    expect([server.auth.isBusy, server.ready]).toEqual([true, 0])
    decision.answer('reject')
    expect([server.auth.isBusy, server.ready]).toEqual([false, 1])
    expect(replies(server)).toEqual([anyMethod])
  })

  it('survives that the packet it came in is overwritten', () => {
    const { server, pending } = slow()
    const payload = signed(key)
    server.auth.receive(payload)
    payload.fill(0)
    const [begin] = pending
    if (begin?.type === 'begin') begin.answer('authenticate')
    const decision = pending[1]
    if (decision?.type === 'publickey') decision.answer('accept')
    expect(server.user?.factors[0]?.publicKey?.equals(key.publicKey)).toBe(true)
  })
})

describe('what a client learns of a user', () => {
  const methods: [string, () => Uint8Array][] = [
    ['none', () => request('none', nothing)],
    ['password', () => password('x')],
    [
      'change',
      () =>
        request(
          'password',
          userauthMethods.passwordChange.encode({ isChange: true, oldPassword: 'a', newPassword: 'b' }),
        ),
    ],
    ['query', () => query(key)],
    ['signed', () => signed(key)],
    ['prompts', () => interactive()],
    ['unknown', () => request('hostbased', Buffer.alloc(10))],
  ]

  it.each(methods)('is nothing: %s, whole or cut anywhere', (_, make) => {
    const payload = make()
    // The user name is in the first bytes, so what follows is the same for both.
    const start = 5 + 'alice'.length
    for (let end = start; end <= payload.length; end++) {
      const [known, unknown] = ['alice', 'mallo'].map((userName) => {
        const server = new ServerSide(
          {},
          decideFrom({
            password: (decision) =>
              decision.answer(decision.userName === 'alice' && decision.password === 'y' ? 'accept' : 'reject'),
          }),
        )
        const cut = Buffer.from(payload.subarray(0, end))
        cut.write(userName, 5)
        try {
          server.auth.receive(cut)
          return replies(server)
        } catch (error) {
          return (error as Error).message
        }
      })
      expect(known).toEqual(unknown)
    }
  })
})

describe('damaged and unexpected messages', () => {
  it.each([51, 52, 53, 54, 60, 62, 66, 79])('refuses message %i', (number) => {
    const server = new ServerSide({}, acceptAll)
    expect(() => server.auth.receive(Uint8Array.of(number))).toThrow(expect.objectContaining({ disconnectReason: 2 }))
  })

  it('ignores whatever comes after success', () => {
    const server = new ServerSide({}, acceptAll)
    server.auth.receive(password('x'))
    const sent = server.sent.length
    for (const number of [50, 51, 60, 61, 79]) server.auth.receive(Uint8Array.of(number, 1, 2, 3))
    expect(server.sent).toHaveLength(sent)
  })

  it('lets nobody in and throws nothing untyped, whatever bytes come', () => {
    const names = fc.constantFrom('none', 'publickey', 'password', 'keyboard-interactive', 'hostbased')
    const body = fc.tuple(names, fc.uint8Array({ maxLength: 60 })).map(([name, data]) => request(name, data))
    const raw = fc
      .tuple(fc.integer({ min: 50, max: 79 }), fc.uint8Array({ maxLength: 60 }))
      .map(([number, data]) => Uint8Array.of(number, ...data))
    fc.assert(
      fc.property(fc.array(fc.oneof(body, raw), { maxLength: 10 }), (payloads) => {
        const server = new ServerSide({}, rejectAll)
        try {
          for (const payload of payloads) server.auth.receive(payload)
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_SSH_/), disconnectReason: 2 })
        }
        expect(server.user).toBeUndefined()
      }),
    )
  })
})

describe('required methods', () => {
  it.each([[[[]]], [[['password'], []]]])('%j would let in everybody, and are refused', (lists) => {
    const make = () =>
      new ServerAuth(
        { sessionIdentifier, signatureAlgorithms: [], requiredMethods: lists as never },
        { send() {}, onDecision() {}, onSuccess() {}, onFailure() {}, onReady() {} },
      )
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_SSH_OPTIONS_INVALID' }))
  })

  it('let nobody in when the owner answers with a list that is empty', () => {
    const server = new ServerSide(
      {},
      (decision) => decision.type === 'begin' && decision.answer({ requiredMethods: [[]] }),
    )
    expect(() => server.auth.receive(request('none'))).toThrow(
      expect.objectContaining({ code: 'ERR_SSH_OPTIONS_INVALID' }),
    )
    expect(server.user).toBeUndefined()
  })

  it('let nobody in when there are none', () => {
    const server = new ServerSide({ requiredMethods: [] }, acceptAll)
    for (const payload of [request('none'), signed(key), password('x')]) server.auth.receive(payload)
    expect(server.asked).toEqual([])
    expect(replies(server)).toEqual(['failure ', 'failure ', 'failure '])
  })

  it('list the next method of each list, once', () => {
    const requiredMethods = [['publickey', 'password'], ['publickey', 'keyboard-interactive'], ['password']] as const
    const server = new ServerSide({ requiredMethods }, acceptAll)
    server.auth.receive(request('none'))
    server.auth.receive(signed(key))
    server.auth.receive(interactive())
    server.auth.receive(infoResponse.encode({ responses: ['x'] }))
    expect(replies(server)).toEqual(['failure publickey,password', 'partial password,keyboard-interactive', '60', '52'])
  })
})
