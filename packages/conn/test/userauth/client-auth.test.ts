/** The client against servers that are slow, silent or hostile. */

import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import {
  keyboardInteractiveMessages,
  passwordMessages,
  publickeyMessages,
  userauthBanner,
  userauthFailure,
  userauthMethods,
  userauthRequest,
  userauthSuccess,
} from '@ssh/wire'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CredentialQuestion } from '../../src/userauth/credential-question.js'
import { answerFrom, ClientSide } from './auth-pair.js'

const [pkOk] = publickeyMessages.definitions
const [changeRequest] = passwordMessages.definitions
const [infoRequest, infoResponse] = keyboardInteractiveMessages.definitions

const failure = (...methods: string[]) =>
  userauthFailure.encode({ methodsThatCanContinue: methods, partialSuccess: false })
const partial = (...methods: string[]) =>
  userauthFailure.encode({ methodsThatCanContinue: methods, partialSuccess: true })
const success = userauthSuccess.encode({})
const challenge = (...prompts: string[]) =>
  infoRequest.encode({
    name: '',
    instruction: '',
    languageTag: '',
    prompts: prompts.map((prompt) => ({ prompt, echo: false })),
  })

let key: PrivateKey
let otherKey: PrivateKey

beforeAll(async () => {
  key = await generatePrivateKey()
  otherKey = await generatePrivateKey()
})

/** A client that has asked `none` and leaves its questions open. */
function started(
  options: ConstructorParameters<typeof ClientSide>[0] = {},
  answer: (question: CredentialQuestion) => void = () => {},
) {
  const client = new ClientSide(options, answer)
  client.auth.start()
  return client
}

const refuses = (client: ClientSide, payload: Uint8Array) =>
  expect(() => client.auth.receive(payload), Buffer.from(payload).toString('hex', 0, 16)).toThrow(
    expect.objectContaining({ disconnectReason: 2 }),
  )

describe('legal messages', () => {
  const pkOkFor = (algorithmName = 'ssh-ed25519', publicKey: Uint8Array = key.publicKey.blob) =>
    pkOk.encode({ algorithmName, publicKey })

  /** Clients in each state, and what each of them understands besides a banner. */
  const states: Record<string, { client: () => ClientSide; legal: string[] }> = {
    'before the start': { client: () => new ClientSide({}, () => {}), legal: [] },
    'none was sent': { client: () => started(), legal: ['failure', 'success'] },
    'a question is open': {
      client: () => {
        const client = started()
        client.auth.receive(failure('publickey'))
        return client
      },
      legal: [],
    },
    'a key was offered': {
      client: () => {
        const client = started({}, (question) => question.method === 'publickey' && question.answer(key))
        client.auth.receive(failure('publickey'))
        return client
      },
      legal: ['failure', 'success', 'pkOk'],
    },
    'a signature was sent': {
      client: () => started({ optimisticPublickey: true }, answerFrom({ keys: [key] })),
      legal: ['failure', 'success'],
    },
    'a password was sent': {
      client: () => {
        const client = started({ preferredAuth: ['password'] }, answerFrom({ password: () => 'x' }))
        client.auth.receive(failure('password'))
        return client
      },
      // Two strings under number 60: an accepted key is a change request here, and looks like one.
      legal: ['failure', 'success', 'changeRequest', 'pkOk'],
    },
    'prompts are expected': {
      client: () => {
        const client = started({ preferredAuth: ['keyboard-interactive'] })
        client.auth.receive(failure('keyboard-interactive'))
        return client
      },
      legal: ['failure', 'success', 'challenge'],
    },
  }

  const messages: Record<string, () => Uint8Array> = {
    request: () =>
      userauthRequest.encode({ userName: 'a', serviceName: 's', methodName: 'none', methodData: new Uint8Array(0) }),
    failure: () => failure('publickey'),
    success: () => success,
    pkOk: () => pkOkFor(),
    changeRequest: () => changeRequest.encode({ prompt: 'new?', languageTag: '' }),
    challenge: () => challenge('?'),
    response: () => infoResponse.encode({ responses: [] }),
    'an unknown number': () => Uint8Array.of(79),
    'a number nobody has': () => Uint8Array.of(55),
    nothing: () => new Uint8Array(0),
  }

  for (const [state, { client, legal }] of Object.entries(states)) {
    for (const [name, make] of Object.entries(messages)) {
      const isLegal = legal.includes(name)
      it(`${isLegal ? 'understands' : 'refuses'} ${name} when ${state}`, () => {
        const side = client()
        if (isLegal) side.auth.receive(make())
        else refuses(side, make())
      })
    }
    it(`shows a banner when ${state}`, () => {
      const side = client()
      side.auth.receive(userauthBanner.encode({ message: 'hello', languageTag: '' }))
      expect(side.banners).toEqual(['hello'])
    })
  }

  it('refuses everything after success, a second success among it', () => {
    for (const make of Object.values(messages)) {
      const side = started()
      side.auth.receive(success)
      refuses(side, make())
    }
  })

  it('ignores everything after failure and after close', () => {
    const failed = started()
    failed.auth.receive(failure('hostbased'))
    const closed = started()
    closed.auth.close()
    for (const side of [failed, closed]) {
      const sent = side.sent.length
      for (const make of Object.values(messages)) side.auth.receive(make())
      expect(side.sent).toHaveLength(sent)
      expect(side.result).toBeUndefined()
    }
  })

  it('refuses an accepted key that is not the one offered, and another algorithm', () => {
    for (const payload of [pkOkFor('ssh-ed25519', otherKey.publicKey.blob), pkOkFor('ssh-rsa')]) {
      const side = states['a key was offered']!.client()
      expect(() => side.auth.receive(payload)).toThrow(expect.objectContaining({ code: 'ERR_SSH_AUTH_KEY_MISMATCH' }))
    }
  })

  it('refuses damaged messages in every state, and never throws anything untyped', () => {
    const damaged = fc.tuple(fc.integer({ min: 50, max: 79 }), fc.uint8Array({ maxLength: 40 }))
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(states)), damaged, ({ client }, [number, body]) => {
        try {
          client().auth.receive(Uint8Array.of(number, ...body))
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_SSH_/), disconnectReason: 2 })
        }
      }),
    )
  })
})

describe('bounds', () => {
  it('drops banners when there are too many, or too much text', () => {
    const side = started()
    for (let index = 0; index < 10_000; index++) {
      side.auth.receive(userauthBanner.encode({ message: index % 2 ? 'x' : 'y'.repeat(32 * 1024), languageTag: '' }))
    }
    expect(side.banners.length).toBeLessThanOrEqual(128)
    expect(side.banners.join('').length).toBeLessThanOrEqual(128 * 1024)
  })

  it('ends with a server that grants one partial success after another', () => {
    const side = started({}, answerFrom({ password: () => 'x', keys: [key] }))
    side.auth.receive(failure('password'))
    for (let index = 0; index < 1000 && side.error === undefined; index++) side.auth.receive(partial('password'))
    expect(side.error?.message).toContain('128 requests')
  })

  it('ends with a server that asks for ever', () => {
    const side = started({}, answerFrom({ prompts: (prompts) => prompts.map(() => 'x') }))
    side.auth.receive(failure('keyboard-interactive'))
    expect(() => {
      for (let index = 0; index < 1000; index++) side.auth.receive(challenge('again'))
    }).toThrow(expect.objectContaining({ code: 'ERR_SSH_AUTH_TOO_MANY_PROMPTS' }))
    expect(side.questions.length).toBeLessThanOrEqual(64)
  })

  it('refuses a thousand prompts at once', () => {
    const side = started()
    side.auth.receive(failure('keyboard-interactive'))
    refuses(side, challenge(...new Array<string>(1000).fill('?')))
  })

  it('ends with an owner that offers the same key for ever', () => {
    const side = started({}, (question) => question.method === 'publickey' && question.answer(key))
    side.auth.receive(failure('publickey'))
    side.auth.receive(failure('publickey'))
    expect(side.error).toBeDefined()
    expect(side.questions.length).toBeLessThan(1000)
  })

  it('shows prompts without escapes', () => {
    const side = started()
    side.auth.receive(failure('keyboard-interactive'))
    side.auth.receive(
      infoRequest.encode({
        name: '\u001b]0;x\u0007',
        instruction: '\u202e',
        languageTag: '',
        prompts: [{ prompt: '\u009b2J', echo: true }],
      }),
    )
    expect(side.questions[0]).toMatchObject({
      name: '\\x1b]0;x\\x07',
      instructions: '\\u202e',
      prompts: [{ prompt: '\\x9b2J' }],
    })
  })
})

describe('answers', () => {
  it('counts once, and not after the end', () => {
    const side = started({ preferredAuth: ['password'] })
    side.auth.receive(failure('password'))
    const [question] = side.questions
    if (question?.method !== 'password') throw new Error('expected a password question')
    question.answer('one')
    question.answer('two')
    question.skip()
    expect(side.requests).toEqual(['none', 'password'])
    side.auth.receive(failure('password'))
    side.auth.close()
    const [, next] = side.questions
    if (next?.method !== 'password') throw new Error('expected a password question')
    next.answer('three')
    expect(side.requests).toEqual(['none', 'password'])
    expect(side.error).toBeUndefined()
  })

  it('that cannot be sent throw, and leave the question open', () => {
    const side = started({ preferredAuth: ['keyboard-interactive'] })
    side.auth.receive(failure('keyboard-interactive'))
    side.auth.receive(challenge('?'))
    const [question] = side.questions
    if (question?.method !== 'keyboard-interactive') throw new Error('expected prompts')
    expect(() => question.answer([5 as unknown as string])).toThrow(TypeError)
    question.skip('the application failed')
    expect(side.error?.message).toContain('the application failed')
  })
})

describe('the failure', () => {
  it('names what was tried, what was not and why, and what the server would accept', () => {
    const side = started(
      { preferredAuth: ['publickey', 'password'] },
      answerFrom({ keys: [key, 'id_rsa needs a passphrase'], password: () => 'secret' }),
    )
    const list = ['publickey', 'password', 'gssapi-with-mic']
    side.auth.receive(failure(...list))
    side.auth.receive(failure(...list))
    side.auth.receive(failure(...list))
    expect(side.error).toMatchObject({ code: 'ERR_SSH_AUTH_FAILED', disconnectReason: 14 })
    expect(side.error?.message).toBe(
      'The server did not let in user "alice". ' +
        `Tried: publickey ssh-ed25519 ${key.getFingerprint()} (rejected); password (rejected). ` +
        'Not tried: publickey (id_rsa needs a passphrase). ' +
        'The server accepts: publickey, password, gssapi-with-mic',
    )
    expect(side.error?.details).toMatchObject({ userName: 'alice', serverMethods: list, attempts: { length: 3 } })
    expect(JSON.stringify(side.error?.details)).not.toContain('secret')
  })

  it('keeps names of a hostile server short and clean', () => {
    const side = started({ userName: 'a\u001b' })
    side.auth.receive(failure('x'.repeat(200), 'gssapi'))
    expect(side.error?.message).toContain('"a\\x1b"')
    expect(side.error?.message).not.toContain('x'.repeat(65))
  })

  it('can be told when the connection ends before', () => {
    const side = started({}, answerFrom({ keys: [key, otherKey] }))
    side.auth.receive(failure('publickey'))
    side.auth.receive(failure('publickey'))
    const cause = new Error('Too many authentication failures')
    const error = side.auth.describeFailure(cause)
    expect(error.message).toContain('Too many authentication failures. Tried: publickey ssh-ed25519')
    expect(error.details.attempts).toMatchObject([{ result: 'rejected' }, { result: 'unanswered' }])
    expect(error.cause).toBe(cause)
  })

  it('with nothing to try names the methods of the server', () => {
    const side = started({ preferredAuth: [] })
    side.auth.receive(failure('publickey', 'password'))
    expect(side.error?.details.serverMethods).toEqual(['publickey', 'password'])
    expect(side.error?.message).toContain('The server accepts: publickey, password. Not given: clientKeys, password')
  })
})

it('sends a signature over the session identifier and the request', () => {
  const side = started({ optimisticPublickey: true }, answerFrom({ keys: [key] }))
  const { methodData } = userauthRequest.decode(side.sent[0]!)
  const { signature, publicKey, algorithmName, hasSignature } = userauthMethods.publickeySigned.decode(methodData)
  const unsigned = side.sent[0]!.subarray(0, side.sent[0]!.length - signature.length - 4)
  const data = Buffer.concat([Buffer.from([0, 0, 0, 32]), Buffer.alloc(32, 0x5e), unsigned])
  expect({ algorithmName, hasSignature }).toEqual({ algorithmName: 'ssh-ed25519', hasSignature: true })
  expect(Buffer.from(publicKey)).toEqual(Buffer.from(key.publicKey.blob))
  expect(key.publicKey.verify(data, signature, 'ssh-ed25519')).toBe(true)
})
