/** Our reading of known_hosts beside OpenSSH's, on generated files. */

import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { formatKnownHost, lookupKnownHost, parseKnownHosts } from '../../src/config/known-hosts.js'

const hasSshKeygen = spawnSync('ssh-keygen', ['-F', 'x', '-f', '/dev/null']).error === undefined

describe.skipIf(!hasSshKeygen)('known_hosts beside ssh-keygen (skipped where it is not installed)', () => {
  let folder: string
  let key: Awaited<ReturnType<typeof generatePrivateKey>>

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'known-hosts-'))
    key = await generatePrivateKey()
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  /** Numbers of the lines that `ssh-keygen -F` finds, with the marker it names. */
  function findWithSshKeygen(text: string, name: string): string[] {
    const file = join(folder, 'known_hosts')
    writeFileSync(file, text)
    const { stdout } = spawnSync('ssh-keygen', ['-F', name, '-f', file], { encoding: 'utf8' })
    return [...stdout.matchAll(/^# Host .* found: line (\d+) ?(\w*)/gm)].map(([, line, marker]) => `${line}${marker}`)
  }

  /** The same of ours. A name in brackets is looked up as it is. */
  function findWithUs(text: string, name: string): string[] {
    const { trusted, authorities, revoked } = lookupKnownHost(parseKnownHosts(text), name, 22)
    const marked = (entries: readonly { line: number }[], marker: string) =>
      entries.map(({ line }) => ({ line, marker }))
    return [...marked(trusted, ''), ...marked(authorities, 'CA'), ...marked(revoked, 'REVOKED')]
      .sort((a, b) => a.line - b.line)
      .map(({ line, marker }) => `${line}${marker}`)
  }

  it('finds the same lines', () => {
    const name = fc.constantFrom('alpha', 'Beta', 'alpha.example.com', '10.0.0.1', '::1', '[alpha]:2222', '[::1]:2222')
    const pattern = fc.oneof(
      name,
      fc.constantFrom('*', 'al*', '?eta', '*.example.com', '[alpha]:*', '*:2222', '', '*a*a*'),
    )
    const item = fc.tuple(fc.boolean(), pattern).map(([isNegated, text]) => (isNegated ? '!' : '') + text)
    const hashed = fc
      .tuple(
        fc.constantFrom('alpha', '::1', 'beta'),
        fc.constantFrom(22, 2222),
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
      )
      .map(([host, port, salt]) => formatKnownHost(host, port, key.publicKey, salt).split(' ')[0]!)
    const hosts = fc.oneof(
      { weight: 3, arbitrary: fc.array(item, { minLength: 1, maxLength: 3 }).map((all) => all.join(',')) },
      { weight: 1, arbitrary: hashed },
    )
    const marker = fc.constantFrom('', '', '', '@revoked ', '@cert-authority ', '@unknown ', '@revoked @revoked ')
    // Whether the base64 holds a key is not asked here: `ssh-keygen -F` does not look, and ssh does.
    const keyText = fc.constantFrom('KEY', 'KEY', 'KEY', 'KEY comment here', 'ssh-ed25519', '', '# KEY', ' \tKEY\r')
    // Never a name alone: OpenSSH 9.2 then reads on in what the line before left in its buffer.
    const line = fc.oneof(
      {
        weight: 8,
        arbitrary: fc
          .tuple(fc.constantFrom('', ' ', '\t'), marker, hosts, fc.constantFrom(' ', '\t', '  ', '\u00a0 '), keyText)
          .map((parts) => parts.join('')),
      },
      { weight: 1, arbitrary: fc.constantFrom('', '# comment', '   ', '@revoked') },
    )
    const file = fc
      .array(line, { maxLength: 6 })
      .map((all) => all.join('\n').replaceAll('KEY', key.publicKey.exportPublicKey().trim()))
    const question = fc.constantFrom(
      'alpha',
      'beta',
      '[alpha]:2222',
      '::1',
      '[::1]:2222',
      '10.0.0.1',
      'alpha.example.com',
    )
    fc.assert(
      fc.property(file, question, (text, name) => {
        expect(findWithUs(text, name)).toEqual(findWithSshKeygen(text, name))
      }),
      { numRuns: 300 },
    )
  }, 60_000)

  it('finds every name in a file that ssh-keygen -H hashed', () => {
    const file = join(folder, 'to_hash')
    const names = [
      ['alpha', 22],
      ['beta.example.com', 22],
      ['alpha', 2222],
      ['::1', 22],
    ] as const
    writeFileSync(file, `${names.map(([host, port]) => formatKnownHost(host, port, key.publicKey)).join('\n')}\n`)
    execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'ignore' })
    const text = readFileSync(file, 'utf8')
    expect(text).not.toContain('alpha')
    for (const [index, [host, port]] of names.entries()) {
      expect(lookupKnownHost(parseKnownHosts(text), host, port).trusted.map((entry) => entry.line)).toEqual([index + 1])
    }
  })

  it('writes hashed names that ssh-keygen finds', () => {
    const text = `${formatKnownHost('Alpha', 2222, key.publicKey, Buffer.alloc(20, 9))}\n`
    expect(findWithSshKeygen(text, '[alpha]:2222')).toEqual(['1'])
  })
})
