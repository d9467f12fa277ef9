import { generatePrivateKey, type PublicKey } from '@ssh/crypto'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  formatKnownHost,
  type KnownHostEntry,
  lookupKnownHost,
  mergeKnownHosts,
  parseKnownHosts,
} from '../../src/config/known-hosts.js'

let first: PublicKey
let second: PublicKey
let keyText: string

beforeAll(async () => {
  first = (await generatePrivateKey('ssh-ed25519')).publicKey
  second = (await generatePrivateKey('ecdsa-sha2-nistp256')).publicKey
  keyText = first.exportPublicKey().trim()
})

const lines = (entries: readonly KnownHostEntry[]) => entries.map((entry) => entry.line)

describe('parseKnownHosts', () => {
  it('is told of a private key once, and quotes neither it nor what is no marker', async () => {
    const secret = await (await generatePrivateKey()).exportPrivateKey()
    const { entries, warnings } = parseKnownHosts(`${secret}a ${keyText}\n@s3cr3t! a ${keyText}\n@mark a ${keyText}`)
    expect(entries).toHaveLength(1)
    expect(warnings.map(({ message }) => message)).toEqual([
      'this is a private key; give the public key (.pub)',
      'unknown marker',
      'unknown marker "@mark"',
    ])
  })

  it('keeps marker, names, key, comment and where they were', () => {
    const { entries, warnings } = parseKnownHosts(`# mine\n\n@revoked a,b ${keyText} some words`, '/etc/known')
    expect(warnings).toEqual([])
    expect(entries).toEqual([
      {
        marker: 'revoked',
        hosts: 'a,b',
        keyType: 'ssh-ed25519',
        blob: Buffer.from(first.blob),
        comment: 'some words',
        file: '/etc/known',
        line: 3,
      },
    ])
  })

  it('reads files with DOS line ends, tabs and leading blanks', () => {
    const { entries, warnings } = parseKnownHosts(`\t host\t${keyText.replace(' ', '\t')}\r\nother ${keyText}\r\n`)
    expect(warnings).toEqual([])
    expect(entries.map((entry) => [entry.hosts, entry.comment])).toEqual([
      ['host', ''],
      ['other', ''],
    ])
  })

  it.each([
    ['host', 'missing'],
    ['host ssh-ed25519', 'missing'],
    ['host ssh-ed25519 !!!!', 'not base64'],
    ['host ssh-ed25519 AAAA', 'not of the type'],
    ['host ssh-rsa KEY', 'not of the type'],
    ['@revoked @revoked host ssh-ed25519 KEY', 'more than one marker'],
    ['@other host ssh-ed25519 KEY', 'unknown marker'],
    ['|1|c2FsdA==|aGFzaA== ssh-ed25519 KEY', 'damaged'],
    ['|2|a|b ssh-ed25519 KEY', 'damaged'],
    ['host 1024 35 123456', 'not base64'],
  ])('leaves out the line %j with a warning', (line, message) => {
    const text = `${line.replace('KEY', keyText.split(' ')[1]!)}\nhost ${keyText}`
    const { entries, warnings } = parseKnownHosts(text, 'file')
    expect(lines(entries)).toEqual([2])
    expect(warnings).toEqual([{ file: 'file', line: 1, message: expect.stringContaining(message) }])
  })

  it('does not split names at blanks that OpenSSH does not know', () => {
    const { entries, warnings } = parseKnownHosts(`host\u00a0${keyText}\nhost\u3000evil ${keyText}`)
    expect(warnings.map((warning) => warning.line)).toEqual([1])
    expect(entries.map((entry) => entry.hosts)).toEqual(['host\u3000evil'])
  })

  it('never throws, and reads a megabyte in one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const { entries } = parseKnownHosts(text)
        lookupKnownHost({ entries, warnings: [] }, 'host', 2222, '::1')
      }),
    )
    expect(parseKnownHosts('a,'.repeat(1 << 19)).warnings).toHaveLength(1)
  })

  it('numbers lines for each file of several', () => {
    const both = mergeKnownHosts([parseKnownHosts(`a ${keyText}`, 'one'), parseKnownHosts(`\na ${keyText}`, 'two')])
    expect(both.entries.map((entry) => `${entry.file}:${entry.line}`)).toEqual(['one:1', 'two:2'])
  })
})

describe('lookupKnownHost', () => {
  const lookup = (text: string, host: string, port = 22, address?: string) =>
    lookupKnownHost(parseKnownHosts(text.replaceAll('KEY', keyText)), host, port, address)

  it('matches names without case, wildcards and lists', () => {
    const text = 'Alpha,beta KEY\n*.example.com KEY\nb?ta KEY'
    expect(lines(lookup(text, 'ALPHA').trusted)).toEqual([1])
    expect(lines(lookup(text, 'beta').trusted)).toEqual([1, 3])
    expect(lines(lookup(text, 'www.example.com').trusted)).toEqual([2])
  })

  it('lets a negation cancel its line only', () => {
    expect(lines(lookup('*,!beta KEY\nbeta KEY', 'beta').trusted)).toEqual([2])
  })

  it('looks up another port than 22 in brackets, and the bare name as a relative', () => {
    const matches = lookup('host KEY\n[host]:2222 KEY\n[host]:22 KEY', 'host', 2222)
    expect(matches.name).toBe('[host]:2222')
    expect(lines(matches.trusted)).toEqual([2])
    expect(lines(matches.related)).toEqual([1])
  })

  it('never takes a line with a port for port 22', () => {
    expect(lookup('[host]:2222 KEY', 'host').trusted).toEqual([])
  })

  it('takes keys of the address for relatives, also by CIDR block', () => {
    const matches = lookup('192.0.2.7 KEY\n192.0.2.0/24 KEY\n[192.0.2.7]:22 KEY', 'host', 22, '192.0.2.7')
    expect(matches.trusted).toEqual([])
    expect(lines(matches.related)).toEqual([1, 2])
  })

  it('collects revoked keys from every name, and authorities from the host names only', () => {
    const text = '@revoked host KEY\n@cert-authority host KEY\n@cert-authority 192.0.2.7 KEY\n@revoked 192.0.2.7 KEY'
    const matches = lookup(text, 'host', 2222, '192.0.2.7')
    expect(lines(matches.revoked)).toEqual([1, 4])
    expect(lines(matches.authorities)).toEqual([2])
    expect([...matches.trusted, ...matches.related]).toEqual([])
  })

  it('finds hashed names, in the form with the port when there is one', () => {
    const salt = Buffer.alloc(20, 7)
    const text = [formatKnownHost('Host', 22, first, salt), formatKnownHost('host', 2222, first, salt)].join('\n')
    expect(text).not.toContain('host')
    expect(lines(lookup(text, 'host').trusted)).toEqual([1])
    expect(lines(lookup(text, 'host', 2222).trusted)).toEqual([2])
    expect(lines(lookup(text, 'other').trusted)).toEqual([])
  })
})

describe('formatKnownHost', () => {
  it('writes a line that is found again', () => {
    for (const [host, port] of [
      ['Host.example.com', 22],
      ['2001:db8::1', 22],
      ['2001:db8::1', 2222],
      ['my_host-1', 65535],
    ] as const) {
      const line = formatKnownHost(host, port, second)
      expect(lookupKnownHost(parseKnownHosts(line), host, port).trusted[0]?.blob).toEqual(Buffer.from(second.blob))
    }
  })

  it.each(['a\nb', 'a b', 'a,b', '*', 'a?', '@revoked', '|1|x|y', '!a', '#a', '[a]:1', 'a\t', '', 'a\u00a0b'])(
    'refuses the name %j, which would mean something else in the file',
    (host) => {
      expect(() => formatKnownHost(host, 22, first)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CONFIG_PARSE' }))
    },
  )

  it.each([0, -1, 65536, 1.5, Number.NaN])('refuses the port %j', (port) => {
    expect(() => formatKnownHost('host', port, first)).toThrow(/port/)
  })
})
