/** Client and server joined: every way to get in, or not. */

import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  authenticate,
  ClientSide,
  type Decide,
  decideFrom,
  pump,
  ServerSide,
  signatureAlgorithms,
} from './auth-pair.js'

let key: PrivateKey
let otherKey: PrivateKey
let rsaKey: PrivateKey

beforeAll(async () => {
  key = await generatePrivateKey('ssh-ed25519')
  otherKey = await generatePrivateKey('ecdsa-sha2-nistp256')
  rsaKey = await generatePrivateKey('ssh-rsa', { bits: 2048 })
})

/** Lets in whoever holds one of the keys. */
const allowKeys = (...allowed: PrivateKey[]): Decide => {
  const verdict = (offered: { equals(other: PrivateKey['publicKey']): boolean }) =>
    allowed.some((each) => offered.equals(each.publicKey)) ? 'accept' : 'reject'
  return decideFrom({
    'publickey-query': (decision) => decision.answer(verdict(decision.publicKey)),
    publickey: (decision) => decision.answer(verdict(decision.publicKey)),
    password: (decision) => decision.answer(decision.password === 'right' ? 'accept' : 'reject'),
  })
}

describe('publickey', () => {
  it('asks first, then signs, and the server knows the key', () => {
    const { client, server } = authenticate({ keys: [key] }, allowKeys(key))
    expect(client.requests).toEqual(['none', 'publickey', 'publickey'])
    expect(server.asked).toEqual(['publickey-query', 'publickey'])
    expect(client.result).toMatchObject({ userName: 'alice', isTrivial: false })
    expect(client.result?.attempts).toEqual([
      { method: 'publickey', result: 'accepted', algorithm: 'ssh-ed25519', keyFingerprint: key.getFingerprint() },
    ])
    expect(server.user?.userName).toBe('alice')
    expect(server.user?.factors.map((factor) => factor.publicKey?.getFingerprint())).toEqual([key.getFingerprint()])
  })

  it('signs at once when told that the key is obvious', () => {
    const { client, server } = authenticate({ keys: [key] }, allowKeys(key), { client: { optimisticPublickey: true } })
    expect(client.requests).toEqual(['publickey'])
    expect(server.asked).toEqual(['publickey'])
    expect(client.result).toBeDefined()
  })

  it('goes on with other methods when the obvious key is refused', () => {
    const script = { keys: [key], password: () => 'right' }
    const { client } = authenticate(script, allowKeys(), { client: { optimisticPublickey: true } })
    expect(client.requests).toEqual(['publickey', 'keyboard-interactive', 'password'])
    expect(client.story).toEqual(['publickey rejected', 'keyboard-interactive rejected', 'password accepted'])
  })

  it('asks what there is when there is no obvious key after all', () => {
    const { client } = authenticate({ password: () => 'right' }, allowKeys(), { client: { optimisticPublickey: true } })
    expect(client.requests[0]).toBe('none')
    expect(client.result).toBeDefined()
  })

  it('tries key after key, and the same key only once', () => {
    const { client } = authenticate({ keys: [otherKey, otherKey, key] }, allowKeys(key))
    expect(client.story).toEqual(['publickey rejected', 'publickey accepted'])
  })

  it('goes on with the next key when one cannot sign', () => {
    const server = new ServerSide({}, allowKeys(key, otherKey))
    const keys = [key, otherKey]
    let next = 0
    const client = new ClientSide({}, (question) => {
      if (question.method === 'publickey') question.answer(keys[next++]!)
      else if (question.method === 'signature' && question.signer === key) question.skip('the agent is locked')
      else if (question.method === 'signature') question.answer(otherKey.sign(question.data, question.algorithmName))
    })
    client.auth.start()
    pump(client, server)
    expect(client.result?.attempts).toMatchObject([
      { result: 'skipped', reason: 'the agent is locked', keyFingerprint: key.getFingerprint() },
      { result: 'accepted', keyFingerprint: otherKey.getFingerprint() },
    ])
  })

  it('signs with the first RSA algorithm that the server verifies', () => {
    for (const list of [
      ['rsa-sha2-256', 'ssh-rsa'],
      ['rsa-sha2-512', 'rsa-sha2-256'],
    ]) {
      const { client } = authenticate({ keys: [rsaKey] }, allowKeys(rsaKey), {
        client: { serverSignatureAlgorithms: list },
      })
      expect(client.result?.attempts).toMatchObject([{ algorithm: list[0] }])
    }
  })

  it('takes a list of server algorithms that arrives late', () => {
    const client = new ClientSide({}, (question) => question.method === 'publickey' && question.answer(rsaKey))
    client.auth.start()
    client.auth.setServerSignatureAlgorithms(['rsa-sha2-256'])
    const server = new ServerSide({}, allowKeys(rsaKey))
    pump(client, server)
    expect(server.decisions.at(-1)?.type).toBe('publickey-query')
    expect(client.questions.at(-1)).toMatchObject({ method: 'signature', algorithmName: 'rsa-sha2-256' })
  })

  it('tries each newer RSA algorithm with a server that names none, and SHA-1 only on demand', () => {
    const server = { signatureAlgorithms: ['ssh-rsa'] }
    const modern = authenticate({ keys: [rsaKey] }, allowKeys(rsaKey), {
      server,
      client: { preferredAuth: ['publickey'] },
    })
    expect(modern.client.auth.attempts.map((attempt) => attempt.algorithm)).toEqual(['rsa-sha2-512', 'rsa-sha2-256'])
    expect(modern.client.error).toBeDefined()
    const legacy = authenticate({ keys: [rsaKey] }, allowKeys(rsaKey), {
      server,
      client: { signatureAlgorithms: ['rsa-sha2-512', 'ssh-rsa'] },
    })
    expect(legacy.client.auth.attempts.map((attempt) => attempt.algorithm)).toEqual(['rsa-sha2-512', 'ssh-rsa'])
    expect(legacy.client.result).toBeDefined()
  })

  it('skips an RSA key of which the server verifies no algorithm', () => {
    const { client } = authenticate({ keys: [rsaKey, key] }, allowKeys(key), {
      client: { serverSignatureAlgorithms: ['ssh-ed25519'] },
    })
    expect(client.result?.attempts).toMatchObject([
      { result: 'skipped', keyFingerprint: rsaKey.getFingerprint(), reason: expect.stringContaining('rsa-sha2-512') },
      { result: 'accepted' },
    ])
  })

  it('identifies a user by the key that signed, never by one that was asked about', () => {
    const server = new ServerSide({}, allowKeys(key, otherKey))
    const asking = new ClientSide({}, (question) => question.method === 'publickey' && question.answer(key))
    const signing = new ClientSide({ optimisticPublickey: true }, (question) => {
      if (question.method === 'publickey') question.answer(otherKey)
      else if (question.method === 'signature') question.answer(otherKey.sign(question.data))
    })
    asking.auth.start()
    pump(asking, server)
    expect(server.asked).toEqual(['publickey-query'])
    signing.auth.start()
    for (const payload of signing.sent) server.auth.receive(payload)
    expect(server.user?.factors.map((factor) => factor.publicKey?.getFingerprint())).toEqual([
      otherKey.getFingerprint(),
    ])
  })
})

describe('password', () => {
  it('asks up to three times', () => {
    const words = ['wrong', 'bad', 'right']
    const { client, server } = authenticate({ password: (attempt) => words[attempt - 1] }, allowKeys(), {
      client: { preferredAuth: ['password'] },
    })
    expect(client.story).toEqual(['password rejected', 'password rejected', 'password accepted'])
    expect(server.user?.factors).toEqual([{ method: 'password' }])
  })

  it('sends the same password once', () => {
    const { client } = authenticate({ password: () => 'wrong' }, allowKeys(), {
      client: { preferredAuth: ['password'] },
    })
    expect(client.story).toEqual(['password rejected'])
    expect(client.error?.details.serverMethods).toEqual(['publickey', 'keyboard-interactive', 'password'])
  })

  const expired = decideFrom({
    password: (decision) => decision.answer({ changeRequired: { prompt: 'Expired\u001b[2J' } }),
    'password-change': ({ oldPassword, newPassword, answer }) => {
      if (newPassword === 'weak') answer({ changeRequired: { prompt: 'Too weak', languageTag: 'en' } })
      else answer(oldPassword === 'old' && newPassword === 'new' ? 'accept' : 'reject')
    },
  })

  it('changes a password that has expired', () => {
    const { client, server } = authenticate({ password: () => 'old', newPassword: 'new' }, expired, {
      client: { preferredAuth: ['password'] },
      server: { allowPasswordChange: true },
    })
    expect(client.questions.at(-1)).toMatchObject({
      method: 'password-change',
      prompt: 'Expired\\x1b[2J',
      oldPassword: 'old',
    })
    expect(server.asked).toEqual(['password', 'password-change'])
    expect(client.result).toBeDefined()
  })

  it('asks again when the server does not like the new password', () => {
    const client = new ClientSide({ preferredAuth: ['password'] }, (question) => {
      if (question.method === 'password') question.answer('old')
      if (question.method !== 'password-change') return
      question.answer({ oldPassword: 'old', newPassword: question.prompt === 'Too weak' ? 'new' : 'weak' })
    })
    const server = new ServerSide({ allowPasswordChange: true }, expired)
    client.auth.start()
    pump(client, server)
    expect(server.asked).toEqual(['password', 'password-change', 'password-change'])
    expect(client.result).toBeDefined()
  })

  it('refuses a change unasked where passwords cannot be changed', () => {
    const { client, server } = authenticate({ password: () => 'old', newPassword: 'new' }, expired, {
      client: { preferredAuth: ['password'] },
    })
    expect(server.asked).toEqual(['password'])
    expect(client.error).toBeDefined()
  })

  it('tells that a password must be changed when nobody does', () => {
    const { client } = authenticate({ password: () => 'old' }, expired, { client: { preferredAuth: ['password'] } })
    expect(client.error?.message).toContain('password (the server wants the password changed)')
  })
})

describe('keyboard-interactive', () => {
  const preferredAuth = ['keyboard-interactive'] as const

  it('goes through rounds, one of them without prompts', () => {
    const rounds: (readonly string[])[] = []
    const { client, server } = authenticate(
      { prompts: (prompts) => prompts.map((prompt) => `${prompt}!`) },
      decideFrom({
        'keyboard-interactive': (decision) =>
          decision.answer({
            challenge: {
              name: 'N',
              instructions: 'I',
              prompts: [
                { prompt: 'a', echo: true },
                { prompt: 'b', echo: false },
              ],
            },
          }),
        'keyboard-interactive-response': (decision) => {
          rounds.push(decision.responses)
          if (rounds.length === 1) decision.answer({ challenge: { instructions: 'Almost\nthere', prompts: [] } })
          else decision.answer({ accept: 'by token' })
        },
      }),
      { client: { preferredAuth } },
    )
    expect(rounds).toEqual([['a!', 'b!'], []])
    expect(client.questions).toMatchObject([
      {
        name: 'N',
        instructions: 'I',
        prompts: [
          { prompt: 'a', echo: true },
          { prompt: 'b', echo: false },
        ],
      },
    ])
    expect(client.banners).toEqual(['Almost\nthere'])
    expect(server.user?.factors).toEqual([{ method: 'keyboard-interactive', grant: 'by token' }])
  })

  const pam = (prompt: string, echo = false) =>
    decideFrom({
      'keyboard-interactive': (decision) => decision.answer({ challenge: { prompts: [{ prompt, echo }] } }),
      'keyboard-interactive-response': (decision) =>
        decision.answer(decision.responses[0] === 'right' ? 'accept' : 'reject'),
    })

  it.each(['Password: ', "alice@host's password:", 'Enter PASSCODE'])('answers %j with the password', (prompt) => {
    const { client } = authenticate({ password: () => 'right' }, pam(prompt), {
      client: { preferredAuth, answerPromptsWithPassword: true },
    })
    expect(client.questions.map((question) => question.method)).toEqual(['password'])
    expect(client.result?.isTrivial).toBe(false)
  })

  it('answers with the password once', () => {
    const { client, server } = authenticate({ password: () => 'wrong' }, pam('Password:'), {
      client: { preferredAuth, answerPromptsWithPassword: true },
    })
    expect(client.story).toEqual(['keyboard-interactive rejected'])
    expect(server.asked).toHaveLength(2)
  })

  it.each([
    ['Password: ', true],
    ['Code: ', false],
  ])('gives the password to no prompt like %j with echo %j', (prompt, echo) => {
    const { client } = authenticate({ password: () => 'right' }, pam(prompt, echo), {
      client: { preferredAuth, answerPromptsWithPassword: true },
    })
    expect(client.questions.map((question) => question.method)).toEqual(['keyboard-interactive'])
    expect(client.error?.message).toContain('nobody answered the prompts')
  })

  it('lets a person try three times', () => {
    const { client } = authenticate({ prompts: () => ['wrong'] }, pam('Code:'), { client: { preferredAuth } })
    expect(client.story).toEqual(new Array(3).fill('keyboard-interactive rejected'))
  })

  it('gives up with the wrong number of answers', () => {
    const { client } = authenticate({ prompts: () => ['a', 'b'] }, pam('Code:'), { client: { preferredAuth } })
    expect(client.error?.message).toContain('1 prompts need as many answers, but there were 2')
  })
})

describe('several factors', () => {
  const both = decideFrom({
    'publickey-query': (decision) => decision.answer('accept'),
    publickey: (decision) => decision.answer({ accept: `restricted ${decision.algorithmName}` }),
    password: (decision) => decision.answer(decision.password === 'right' ? 'accept' : 'reject'),
  })

  it('needs one list of methods in its order, and keeps what each factor granted', () => {
    const { client, server } = authenticate({ keys: [key], password: () => 'right' }, both, {
      server: { requiredMethods: [['publickey', 'password']] },
    })
    expect(client.story).toEqual(['publickey partial success', 'password accepted'])
    expect(server.user?.factors).toMatchObject([
      { method: 'publickey', grant: 'restricted ssh-ed25519' },
      { method: 'password' },
    ])
  })

  it('does not take the second factor first', () => {
    const { client, server } = authenticate({ password: () => 'right' }, both, {
      server: { requiredMethods: [['publickey', 'password']] },
      client: { preferredAuth: ['password'] },
    })
    expect(server.asked).toEqual([])
    expect(client.error?.details.serverMethods).toEqual(['publickey'])
  })

  it('needs two different keys where two are required', () => {
    const one = authenticate({ keys: [key] }, both, { server: { requiredMethods: [['publickey', 'publickey']] } })
    expect(one.client.story).toEqual(['publickey partial success'])
    expect(one.client.error).toBeDefined()
    const two = authenticate({ keys: [key, otherKey] }, both, {
      server: { requiredMethods: [['publickey', 'publickey']] },
    })
    expect(two.server.user?.factors.map((factor) => factor.publicKey?.algorithm)).toEqual([
      'ssh-ed25519',
      'ecdsa-sha2-nistp256',
    ])
  })

  it('tries again after a factor what was refused before it', () => {
    let isKnown = false
    const { client } = authenticate(
      { keys: [key], password: () => 'right' },
      decideFrom({
        password: (decision) => decision.answer(isKnown ? 'accept' : 'reject'),
        'publickey-query': (decision) => decision.answer('accept'),
        publickey: (decision) => {
          isKnown = true
          decision.answer({ partial: ['password'], grant: 'first' })
        },
      }),
      { client: { preferredAuth: ['password', 'publickey'] } },
    )
    expect(client.story).toEqual(['password rejected', 'publickey partial success', 'password accepted'])
  })

  it('takes the lists that the owner names for a user', () => {
    const { client } = authenticate({ keys: [key], password: () => 'right' }, (decision) =>
      decision.type === 'begin' ? decision.answer({ requiredMethods: [['password']] }) : both(decision),
    )
    expect(client.story).toEqual(['password accepted'])
  })
})

describe('no factor at all', () => {
  const open = decideFrom({ begin: (decision) => decision.answer('accept') })

  it('lets in whom the owner lets in without a credential', () => {
    const { client, server } = authenticate({}, open)
    expect(client.result).toEqual({
      userName: 'alice',
      attempts: [{ method: 'none', result: 'accepted' }],
      isTrivial: true,
    })
    expect(server.user).toEqual({ userName: 'alice', factors: [] })
  })

  it('does not let a server in that asks for nothing, where that is disabled', () => {
    const { client } = authenticate({}, open, { client: { disableTrivialAuth: true } })
    expect(client.result).toBeUndefined()
    expect(client.error?.message).toContain('disableTrivialAuth')
  })

  it('counts prompts without questions as asking for nothing', () => {
    const empty = decideFrom({
      'keyboard-interactive': (decision) => decision.answer({ challenge: { prompts: [] } }),
      'keyboard-interactive-response': (decision) => decision.answer('accept'),
    })
    expect(authenticate({}, empty).client.result?.isTrivial).toBe(true)
    expect(authenticate({}, empty, { client: { disableTrivialAuth: true } }).client.error).toBeDefined()
  })
})

describe('banners', () => {
  it('reach the user before success, and not after', () => {
    const client = new ClientSide({}, () => {})
    const server = new ServerSide({}, decideFrom({ begin: (decision) => decision.answer('accept') }))
    server.auth.sendBanner('Welcome,\nstranger\u001b[31m\t!\r\n')
    client.auth.start()
    pump(client, server)
    expect(client.banners).toEqual(['Welcome,\nstranger\\x1b[31m\t!\n'])
    const before = server.sent.length
    server.auth.sendBanner('late')
    expect(server.sent).toHaveLength(before)
  })
})

it('the signature algorithms of these tests are those of their keys', () => {
  for (const each of [key, otherKey, rsaKey]) {
    expect(each.signatureAlgorithms.some((name) => signatureAlgorithms.includes(name))).toBe(true)
  }
})
