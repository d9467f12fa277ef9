import { generatePrivateKey } from '@ssh/crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type AuthorizedKey, mergeAuthorizedKeys, parseAuthorizedKeys } from '../../src/config/authorized-keys.js'
import { noRestrictions } from '../../src/config/key-restrictions.js'

let keyText: string

beforeAll(async () => {
  keyText = (await generatePrivateKey()).exportPublicKey().trim()
})

const parse = (text: string) => parseAuthorizedKeys(text.replaceAll('KEY', keyText), 'file')

function restrictionsOf(options: string): AuthorizedKey['restrictions'] {
  const { keys, warnings } = parse(`${options} KEY`)
  expect(warnings).toEqual([])
  return keys[0]!.restrictions
}

describe('parseAuthorizedKeys', () => {
  it('reads plain keys, comments, DOS line ends, and where each key was', () => {
    const { keys, warnings } = parse('# mine\r\nKEY alice@laptop home\r\n\r\n\tKEY\r\n')
    expect(warnings).toEqual([])
    expect(keys.map(({ line, comment, file }) => [line, comment, file])).toEqual([
      [2, 'alice@laptop home', 'file'],
      [4, '', 'file'],
    ])
    expect(keys[0]?.restrictions).toBe(noRestrictions)
  })

  it('finds the key after options with blanks and commas in quotes', () => {
    const { keys } = parse('command="echo \\"a b\\", c",no-pty KEY comment')
    expect(keys[0]).toMatchObject({ comment: 'comment', restrictions: { command: 'echo "a b", c', allowPty: false } })
  })

  it.each([
    ['restrict AAAA', 'missing'],
    ['restrict', 'missing'],
    ['KEYX', 'not base64'],
    ['ssh-rsa AAAA', 'not of the type'],
    ['unheard-of KEY', 'not supported'],
    ['unheard-of="x" KEY', 'not supported'],
    ['verify-required KEY', 'not supported'],
    ['tunnel="1" KEY', 'not supported'],
    ['cert-authority KEY', 'not supported'],
    ['cert-authority,principals="a" KEY', 'not supported'],
    ['no-restrict KEY', 'not supported'],
    ['no-command="x" KEY', 'not supported'],
    ['command KEY', 'not supported'],
    ['restrict="yes" KEY', 'not supported'],
    ['no-pty="yes" KEY', 'not supported'],
    ['command=ls KEY', 'not quoted'],
    ['command="ls KEY', 'not closed'],
    ['command="a",command="b" KEY', 'more than one command'],
    ['from="a",from="b" KEY', 'more than one from'],
    ['from="10.0.0.1/8" KEY', 'no CIDR block'],
    ['from="" KEY', 'empty item'],
    ['no-pty, KEY', 'no name'],
    [',no-pty KEY', 'no name'],
    ['no-pty,,restrict KEY', 'no name'],
    ['="x" KEY', 'no name'],
    ['command="a"no-pty KEY', 'commas'],
    ['environment="novalue" KEY', 'NAME=value'],
    ['environment="A B=c" KEY', 'NAME=value'],
    ['expiry-time="tomorrow" KEY', 'expiry-time'],
    ['expiry-time="20250631" KEY', 'expiry-time'],
    ['expiry-time="202506302460" KEY', 'expiry-time'],
    ['permitopen="host:0" KEY', 'permitopen'],
    ['permitopen="host:65536" KEY', 'permitopen'],
    ['permitopen="host:4294967295" KEY', 'permitopen'],
    ['permitopen="host" KEY', 'permitopen'],
    ['permitopen="::1:22" KEY', 'permitopen'],
    ['permitlisten="0" KEY', 'permitlisten'],
  ])('leaves out the line %j, and warns', (line, message) => {
    const { keys, warnings } = parse(`${line}\nKEY`)
    expect(keys.map((key) => key.line)).toEqual([2])
    expect(warnings).toEqual([{ file: 'file', line: 1, message: expect.stringContaining(message) }])
  })

  it('never throws, and grants nothing for a megabyte in one line', () => {
    const pieces = fc.constantFrom('"', '\\', ',', '=', ' ', 'no-pty', 'command', 'restrict', 'KEY', '\n', 'from="a"')
    fc.assert(fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => void parse(parts.join(''))))
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parse(text)))
    expect(parse(`command="${'a'.repeat(1 << 20)}" KEY`).keys).toEqual([])
    expect(parse(`${'no-pty,'.repeat(1 << 18)}restrict KEY`).keys).toEqual([])
  })

  it('reads several files as one', () => {
    expect(mergeAuthorizedKeys([parse('KEY'), parse('oops')])).toMatchObject({
      keys: { length: 1 },
      warnings: { length: 1 },
    })
  })
})

describe('options of a key', () => {
  const none = {
    allowPty: false,
    allowPortForwarding: false,
    allowAgentForwarding: false,
    allowX11Forwarding: false,
    allowUserRc: false,
  }

  it('reads permissions without case', () => {
    expect(restrictionsOf('NO-PTY,no-X11-forwarding')).toEqual({
      ...noRestrictions,
      allowPty: false,
      allowX11Forwarding: false,
    })
    expect(restrictionsOf('no-port-forwarding,no-agent-forwarding,no-user-rc')).toMatchObject({
      ...none,
      allowPty: true,
      allowX11Forwarding: true,
    })
  })

  it('restricts everything by restrict, and gives back what comes after it only', () => {
    expect(restrictionsOf('restrict')).toMatchObject(none)
    expect(restrictionsOf('restrict,pty')).toMatchObject({ ...none, allowPty: true })
    expect(restrictionsOf('pty,restrict')).toMatchObject(none)
  })

  it('keeps backslashes that are not before a quote', () => {
    expect(restrictionsOf('command="a\\b\\"c\\"\\n"').command).toBe('a\\b"c"\\n')
  })

  it('takes the first value of a variable', () => {
    expect(restrictionsOf('environment="A=1=2",environment="B=",environment="A=3"').environment).toEqual(
      new Map([
        ['A', '1=2'],
        ['B', ''],
      ]),
    )
    expect(noRestrictions.environment.size).toBe(0)
  })

  it('takes the earliest of several expiry times', () => {
    expect(restrictionsOf('expiry-time="20300101Z",expiry-time="202001021530Z"').expiryTime).toBe(
      Date.UTC(2020, 0, 2, 15, 30),
    )
    expect(restrictionsOf('expiry-time="20200102030405Z"').expiryTime).toBe(Date.UTC(2020, 0, 2, 3, 4, 5))
    expect(restrictionsOf('expiry-time="20200102"').expiryTime).toBe(new Date(2020, 0, 2).getTime())
  })

  it('gathers where forwarding may lead', () => {
    const { permitOpen, permitListen } = restrictionsOf(
      'permitopen="Host:80",permitopen="[::1]:*",permitlisten="8080",permitlisten="*:*"',
    )
    expect(permitOpen).toEqual([
      { host: 'host', port: 80 },
      { host: '::1', port: 0 },
    ])
    expect(permitListen).toEqual([
      { host: '*', port: 8080 },
      { host: '*', port: 0 },
    ])
  })
})

describe('what got into the wrong file', () => {
  it('is told of a private key once, and quotes no line of it', async () => {
    const secret = await (await generatePrivateKey()).exportPrivateKey()
    const { keys, warnings } = parseAuthorizedKeys(`${keyText}\n${secret}${keyText}`)
    expect(keys.map(({ line }) => line)).toEqual([1, secret.split('\n').length + 1])
    expect(warnings.map(({ line, message }) => [line, message])).toEqual([[2, expect.stringContaining('private key')]])
    for (const part of secret.split('\n').slice(1, -2))
      expect(JSON.stringify(warnings)).not.toContain(part.toLowerCase())
  })

  it.each([`${'Ab3'.repeat(20)}`, 'abc/def+ghi', 'c2VjcmV0', 'hunter2!', 'my_secret', '3abc', 'pässword'])(
    'is not quoted: %j',
    (text) => {
      const { warnings } = parse(`${text} KEY\n${text}="x" KEY\n${text}`)
      expect(warnings).toHaveLength(3)
      expect(JSON.stringify(warnings).toLowerCase()).not.toContain(text.toLowerCase())
    },
  )

  it('is quoted when it can be the name of an option', () => {
    expect(parse('no-touch-required KEY').warnings[0]?.message).toContain('the option "no-touch-required" is not')
  })
})
