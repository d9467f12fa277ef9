import { describe, expect, test } from 'vitest'
import { assertCallbacks } from '../../src/server/assert-callbacks.js'

const no = () => false

describe('callbacks are refused', () => {
  test.each<[string, unknown, string]>([
    ['misspelt', { sessionRequest: no }, 'unknown callback "sessionRequest"; did you mean "sessionRequested"?'],
    ['in another case', { sessionrequested: no }, 'did you mean "sessionRequested"?'],
    ['like none of them', { refuseEverybody: no }, 'unknown callback "refuseEverybody"'],
    ['misspelt without a prototype', Object.assign(Object.create(null), { beginAut: no }), 'did you mean "beginAuth"?'],
    ['not enumerable', Object.defineProperty({}, 'beginAut', { value: no }), 'did you mean "beginAuth"?'],
    ['no functions', { sessionRequested: false }, 'the callback "sessionRequested" must be a function'],
    ['null', { validatePassword: null }, 'the callback "validatePassword" must be a function'],
    ['no object', false, 'the callbacks must be an object'],
    ['a class and not its instance', class {}, 'the callbacks must be an object'],
  ])('that are %s', (_, callbacks, message) => {
    expect(() => assertCallbacks(callbacks)).toThrow(
      expect.objectContaining({ name: 'OptionsError', message: expect.stringContaining(message) }),
    )
  })

  test('that are misspelt methods of a class, or of what it extends', () => {
    class Base {
      connectionRequest() {
        return false
      }
    }
    class Derived extends Base {
      readonly validatePasword = no
    }
    expect(() => assertCallbacks(new Derived())).toThrow(
      'unknown callback "validatePasword", "connectionRequest"; did you mean "validatePassword", "connectionRequested"?',
    )
  })
})

describe('callbacks are taken', () => {
  test.each<[string, object]>([
    ['none', {}],
    ['undefined', { sessionRequested: undefined }],
    ['known, with data beside them', { sessionRequested: no, users: new Map(), name: 'x' }],
  ])('that are %s', (_, callbacks) => {
    expect(() => assertCallbacks(callbacks)).not.toThrow()
  })

  test('of an instance with fields, getters and methods of its own', () => {
    class Handler {
      #connectionLosts = 0
      readonly sessionsRequested = 3
      readonly #helper = no
      readonly lookUp = no
      get connectionsMade(): never {
        throw new Error('a getter was called')
      }
      beginAuth(username: string) {
        return this.isKnown(username)
      }
      isKnown(username: string) {
        return this.#helper() || username.length > this.#connectionLosts
      }
    }
    expect(() => assertCallbacks(new Handler())).not.toThrow()
  })
})
