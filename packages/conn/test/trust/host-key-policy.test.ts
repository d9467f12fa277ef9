import { generatePrivateKey, type PublicKey } from '@ssh/crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { lookupKnownHost, parseKnownHosts } from '../../src/config/known-hosts.js'
import type { HostKeyNotVerifiable } from '../../src/errors.js'
import {
  decideByVerifier,
  decideHostKey,
  type HostKeyTrust,
  type HostKeyVerdict,
  preferredHostKeyAlgorithms,
} from '../../src/trust/host-key-policy.js'

let ours: PublicKey
let other: PublicKey
let ecdsa: PublicKey

beforeAll(async () => {
  ours = (await generatePrivateKey()).publicKey
  other = (await generatePrivateKey()).publicKey
  ecdsa = (await generatePrivateKey('ecdsa-sha2-nistp256')).publicKey
})

/** Decides about `key`, with a known_hosts text in which OURS, OTHER and ECDSA stand for keys. */
function decide(text: string | null, options: Partial<HostKeyTrust> = {}, key = ours, port = 22): HostKeyVerdict {
  const known = text === null ? null : lookup(text, port)
  return decideHostKey({ host: 'host', port, key }, { policy: 'strict', known, ...options })
}

function lookup(text: string, port = 22) {
  const line = (key: PublicKey) => key.exportPublicKey().trim()
  const filled = text.replaceAll('OURS', line(ours)).replaceAll('OTHER', line(other)).replaceAll('ECDSA', line(ecdsa))
  return lookupKnownHost(parseKnownHosts(filled, '/home/me/known_hosts'), 'host', port, '192.0.2.1')
}

function refusal(verdict: HostKeyVerdict): HostKeyNotVerifiable {
  if (verdict.type !== 'refuse') throw new Error(`Expected a refusal, found ${verdict.type}`)
  return verdict.error
}

describe('decideHostKey', () => {
  it('accepts a key on file, also under the address or the bare name', () => {
    expect(decide('host OURS')).toEqual({ type: 'accept', reason: 'known' })
    expect(decide('192.0.2.1 OURS')).toEqual({ type: 'accept', reason: 'known' })
    expect(decide('host OURS', {}, ours, 2222)).toEqual({ type: 'accept', reason: 'known' })
    expect(decide('host OTHER\nhost OURS')).toEqual({ type: 'accept', reason: 'known' })
  })

  it('refuses an unknown host, and says what was offered and what can be done', () => {
    const error = refusal(decide('elsewhere OURS', {}, ours, 2222))
    expect(error).toMatchObject({ code: 'ERR_SSH_HOST_KEY_UNKNOWN', disconnectReason: 9 })
    expect(error.message).toContain('[host]:2222')
    expect(error.message).toContain(`ssh-ed25519 ${ours.getFingerprint()}`)
    expect(error.message).toContain('ssh-keyscan -p 2222 host')
    expect(error.message).toContain("hostKeyPolicy to 'accept-new'")
    expect(error.details).toMatchObject({
      host: 'host',
      port: 2222,
      offered: { keyType: 'ssh-ed25519', fingerprint: ours.getFingerprint() },
    })
  })

  it('refuses a changed key, and says which line is in the way', () => {
    const error = refusal(decide('# first\nhost OTHER'))
    expect(error.code).toBe('ERR_SSH_HOST_KEY_CHANGED')
    expect(error.message).toContain(ours.getFingerprint())
    expect(error.message).toContain(`line 2 of /home/me/known_hosts has ssh-ed25519 ${other.getFingerprint()}`)
    expect(error.message).toContain('remove line 2 of /home/me/known_hosts')
    expect(error.details.known).toEqual([
      { keyType: 'ssh-ed25519', fingerprint: other.getFingerprint(), file: '/home/me/known_hosts', line: 2 },
    ])
  })

  it('calls a key of another type than those on file changed, not unknown', () => {
    const error = refusal(decide('host OURS', { policy: 'accept-new' }, ecdsa))
    expect(error.code).toBe('ERR_SSH_HOST_KEY_CHANGED')
    expect(error.details.isOtherType).toBe(true)
    expect(error.message).toContain('no longer offers a key of a type on file')
  })

  it('calls a host unknown whose bare name or address has another key', () => {
    expect(refusal(decide('host OTHER', {}, ours, 2222)).code).toBe('ERR_SSH_HOST_KEY_UNKNOWN')
    expect(refusal(decide('192.0.2.1 OTHER')).code).toBe('ERR_SSH_HOST_KEY_UNKNOWN')
  })

  it('adds an unknown host when told to accept new ones, and nothing else', () => {
    expect(decide('', { policy: 'accept-new' })).toEqual({ type: 'accept-and-add' })
    expect(decide('host OURS', { policy: 'accept-new' })).toEqual({ type: 'accept', reason: 'known' })
    expect(refusal(decide('host OTHER', { policy: 'accept-new' })).code).toBe('ERR_SSH_HOST_KEY_CHANGED')
  })

  it.each(['host OURS\n@revoked * OURS', '@revoked host OURS', '@revoked 192.0.2.1 OURS'])(
    'refuses a revoked key whatever else is said: %j',
    (text) => {
      const fingerprints = [ours.getFingerprint()]
      for (const options of [{}, { policy: 'accept-new' }, { fingerprints }, { hasVerifier: true }] as const) {
        expect(refusal(decide(text, options)).code).toBe('ERR_SSH_HOST_KEY_REVOKED')
      }
    },
  )

  it('does not take an authority for a key', () => {
    const error = refusal(decide('@cert-authority host OURS'))
    expect(error.code).toBe('ERR_SSH_HOST_KEY_UNKNOWN')
    expect(error.message).toContain('line 1 of /home/me/known_hosts asks for a certificate')
  })

  it.each(['sha256', 'sha512', 'sha1', 'md5'] as const)('accepts a key with a pinned %s fingerprint', (hash) => {
    const pin = ours.getFingerprint(hash)
    for (const text of [null, '', 'host OTHER']) {
      expect(decide(text, { fingerprints: ['SHA256:AAAA', pin] })).toEqual({ type: 'accept', reason: 'fingerprint' })
    }
    expect(refusal(decide('host OTHER', { fingerprints: [pin] }, other)).code).toBe(
      'ERR_SSH_HOST_KEY_FINGERPRINT_MISMATCH',
    )
  })

  it('reads fingerprints as they are commonly written', () => {
    const bare = ours.getFingerprint('md5').slice('MD5:'.length)
    for (const pin of [bare, bare.toUpperCase(), `${ours.getFingerprint()}=`, ` ${ours.getFingerprint()}\n`]) {
      expect(decide(null, { fingerprints: [pin] }).type).toBe('accept')
    }
    expect(decide(null, { fingerprints: [ours.getFingerprint().toLowerCase()] }).type).toBe('refuse')
  })

  it('looks at nothing when the check is off', () => {
    expect(decide(null)).toEqual({ type: 'accept', reason: 'unchecked' })
  })

  it('asks the verifier about what is not on file, and only about that', () => {
    const hasVerifier = true
    expect(decide('host OURS', { hasVerifier })).toEqual({ type: 'accept', reason: 'known' })
    expect(decide('', { hasVerifier })).toEqual({ type: 'ask', doubt: 'unknown' })
    expect(decide(null, { hasVerifier })).toEqual({ type: 'ask', doubt: 'unchecked' })
    expect(decide('host OTHER', { hasVerifier })).toMatchObject({ error: { code: 'ERR_SSH_HOST_KEY_CHANGED' } })
  })
})

describe('decideByVerifier', () => {
  const decideBy = (result: unknown) => decideByVerifier({ host: 'host', port: 22, key: ours }, result)

  it('accepts exactly true', () => {
    expect(decideBy(true)).toEqual({ type: 'accept', reason: 'verifier' })
  })

  it.each([false, undefined, null, 'true', 1, {}, [], Promise.resolve(true)])('refuses %j', (result) => {
    expect(refusal(decideBy(result)).code).toBe('ERR_SSH_HOST_KEY_REFUSED')
  })

  it('keeps the error of a verifier that failed', () => {
    const cause = new Error('no answer')
    const error = refusal(decideBy(cause))
    expect(error.cause).toBe(cause)
    expect(error.message).toContain('no answer')
  })
})

describe('preferredHostKeyAlgorithms', () => {
  const defaults = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256']

  it('leaves the order alone when nothing is on file', () => {
    expect(preferredHostKeyAlgorithms(null, defaults)).toEqual(defaults)
    expect(preferredHostKeyAlgorithms(lookup(''), defaults)).toEqual(defaults)
  })

  it('puts types on file first and leaves nothing out', () => {
    expect(preferredHostKeyAlgorithms(lookup('host ECDSA'), defaults)).toEqual([
      'ecdsa-sha2-nistp256',
      'ssh-ed25519',
      'rsa-sha2-512',
      'rsa-sha2-256',
    ])
  })

  it('goes by the keys of this very port before those of the bare name', () => {
    expect(preferredHostKeyAlgorithms(lookup('host OURS\n[host]:2222 ECDSA', 2222), defaults)[0]).toBe(
      'ecdsa-sha2-nistp256',
    )
    expect(preferredHostKeyAlgorithms(lookup('host ECDSA', 2222), defaults)[0]).toBe('ecdsa-sha2-nistp256')
  })

  it('knows every algorithm of an RSA key', () => {
    const blob = Buffer.from('AAAAB3NzaC1yc2E=', 'base64')
    const known = parseKnownHosts(`host ssh-rsa ${blob.toString('base64')}`)
    expect(preferredHostKeyAlgorithms(lookupKnownHost(known, 'host', 22), defaults).slice(0, 2)).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
    ])
  })

  it('prefers certificates where an authority is on file', () => {
    const withCertificates = [...defaults, 'ssh-ed25519-cert-v01@openssh.com']
    expect(preferredHostKeyAlgorithms(lookup('@cert-authority host OURS'), withCertificates)[0]).toBe(
      'ssh-ed25519-cert-v01@openssh.com',
    )
  })
})
