import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { clientOptionsSchema } from '../src/client/client-options.js'
import { parseOptions } from '../src/options-schema.js'
import { serverOptionsSchema } from '../src/server/server-options.js'

const parse = (options: unknown) => parseOptions('connect', clientOptionsSchema, options)
const messageOf = (options: unknown): string => {
  try {
    parse(options)
  } catch (error) {
    expect(error).toMatchObject({ name: 'OptionsError', code: 'ERR_SSH_OPTIONS_INVALID' })
    return (error as Error).message
  }
  throw new Error('The options were accepted')
}

describe('options', () => {
  test('durations and sizes become numbers', () => {
    expect(parse({ connectTimeout: '1m', rekeyBytes: '64k', keepaliveInterval: 0 })).toEqual({
      connectTimeout: 60_000,
      rekeyBytes: 65_536,
      keepaliveInterval: 0,
    })
  })

  test('methods may be a list or a text', () => {
    expect(parse({ preferredAuth: 'password, publickey' }).preferredAuth).toEqual(['password', 'publickey'])
    expect(parse({ preferredAuth: ['password'] }).preferredAuth).toEqual(['password'])
  })

  test.each<[object, string]>([
    [{ prot: 22 }, 'Invalid options for connect: unknown option "prot"'],
    [{ porrt: 22, pasword: '' }, 'unknown option "porrt", "pasword"'],
    [{ porrt: 22, pasword: '' }, '; did you mean "port", "password"?'],
    [{ 'a\u001b[2J': 1 }, 'unknown option "a\\x1b[2J"'],
    [{ port: 0 }, 'port: '],
    [{ port: '22' }, 'port: expected number, received string'],
    [{ port: 22.5 }, 'port: '],
    [{ connectTimeout: 'soon' }, 'connectTimeout: "soon" is not a duration'],
    [{ connectTimeout: -1 }, 'connectTimeout: '],
    [{ rekeyBytes: 0 }, 'rekeyBytes: '],
    [{ keepaliveCountMax: 0 }, 'keepaliveCountMax: '],
    [{ preferredAuth: 'hostbased' }, 'preferredAuth.0: '],
    [{ verifyHostKey: true }, 'verifyHostKey: expected a function'],
    [{ signal: {} }, 'signal: expected an AbortSignal'],
    [{ sock: {} }, 'sock: expected a duplex stream'],
    [{ clientVersion: 'two words' }, 'clientVersion: expected printable ASCII'],
    [{ clientVersion: 'a\r\nb' }, 'clientVersion: expected printable ASCII'],
    [{ logger: console.log }, 'logger: expected a logger'],
    [{ knownHosts: '' }, 'knownHosts: must not be empty'],
    [{ knownHosts: 5 }, 'knownHosts: expected string, received number, or '],
  ])('%j is refused: %s', (options, message) => {
    expect(messageOf(options)).toContain(message)
  })

  test('what must be given and is not is said so, whatever kinds it may be of', () => {
    const schema = z.strictObject({ where: z.union([z.string(), z.array(z.string())]) })
    expect(() => parseOptions('there', schema, {})).toThrow('where: must be given')
  })

  test('of several kinds, the one that fits but for a part of it is spoken of', () => {
    const schema = z.strictObject({ where: z.union([z.string(), z.strictObject({ port: z.number() })]) })
    const given = { where: { port: '22' } }
    expect(() => parseOptions('x', schema, given)).toThrow(/x: where: port: expected number, received string$/)
  })

  test('no value is repeated, as it may be a secret', () => {
    const secret = 'hunter2'
    const wrong = { password: [secret], passphrase: { secret }, clientKeys: [[secret]], keyboardInteractive: secret }
    expect(messageOf(wrong)).not.toContain(secret)
  })

  test('names that objects have anyway are unknown like others', () => {
    expect(messageOf(JSON.parse('{"__proto__": 1, "constructor": 2}'))).toContain('"constructor"')
  })

  test("both ends share the protocol's options", () => {
    const shared = { kexAlgs: ['curve25519-sha256'], loginTimeout: '5s', keepaliveCountMax: 2 }
    const expected = { kexAlgs: ['curve25519-sha256'], loginTimeout: 5000, keepaliveCountMax: 2 }
    expect(parse(shared)).toEqual(expected)
    expect(parseOptions('listen', serverOptionsSchema, { ...shared, serverHostKeys: 'key' })).toMatchObject(expected)
  })
})

test('a signal that was given as an option may be waited for by any number of requests, without a warning', async () => {
  const { signal } = new AbortController()
  parse({ signal })
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  for (let count = 0; count < 1000; count++) signal.addEventListener('abort', () => {})
  await new Promise((resolve) => setImmediate(resolve))
  expect(warnings).toEqual([])
})
