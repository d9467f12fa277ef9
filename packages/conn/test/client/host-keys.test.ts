import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { parseKnownHosts } from '../../src/config/known-hosts.js'
import { hostKey, listening } from '../loopback.js'
import { timeLapse } from '../time-lapse.js'

const otherKey = await generatePrivateKey('ssh-ed25519')
const password = vi.fn(() => 'secret')

/** Everything but trust. */
const alice: ClientOptions = { username: 'alice', password, clientKeys: null, config: null }

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'host-keys-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

const lineFor = (port: number, key = hostKey) => `[127.0.0.1]:${port} ${key.exportPublicKey()}`

/** Connects with these options about trust, and tells how that ended. */
async function trusting(port: number, options: ClientOptions): Promise<string> {
  password.mockClear()
  try {
    const link = await establishClient({ host: '127.0.0.1', port }, { ...alice, ...options })
    await link.close()
    return 'connected'
  } catch (error) {
    expect(error).toMatchObject({ name: 'HostKeyNotVerifiable', details: { host: '127.0.0.1' } })
    // Nobody was asked for a secret.
    expect(password).not.toHaveBeenCalled()
    return (error as { code: string }).code
  }
}

test('an unknown key is refused, and nobody is asked for a password', async () => {
  const { port } = await listening()
  expect(await trusting(port, { knownHosts: [] })).toBe('ERR_SSH_HOST_KEY_UNKNOWN')
})

describe('a known key', () => {
  test.each<[string, (line: string) => Promise<ClientOptions['knownHosts']> | ClientOptions['knownHosts']]>([
    ['in a text', (line) => line],
    ['in one of several texts', (line) => [`other.example ${otherKey.exportPublicKey()}`, line]],
    ['in a parsed file', (line) => parseKnownHosts(line)],
    ['told by a function as text', (line) => () => line],
    ['told by an async function as parsed', (line) => async () => parseKnownHosts(line)],
    [
      'in a file',
      async (line) => {
        const file = join(await folder(), 'known_hosts')
        writeFileSync(file, line)
        return file
      },
    ],
  ])('%s is accepted', async (_, source) => {
    const { port } = await listening()
    expect(await trusting(port, { knownHosts: await source(lineFor(port)) })).toBe('connected')
  })

  test('under an alias is accepted, whatever the port', async () => {
    const { port } = await listening()
    const knownHosts = `my-alias ${hostKey.exportPublicKey()}`
    expect(await trusting(port, { knownHosts, hostKeyAlias: 'my-alias' })).toBe('connected')
    const error = await establishClient({ host: '127.0.0.1', port }, { ...alice, knownHosts }).catch((e) => e)
    expect(error.code).toBe('ERR_SSH_HOST_KEY_UNKNOWN')
  })
})

test('where an unknown host was looked for is in the error, and which file is not there', async () => {
  const { port } = await listening()
  const there = join(await folder(), 'known_hosts')
  writeFileSync(there, '')
  const missing = join(await folder(), 'typo')
  await expect(
    establishClient({ host: '127.0.0.1', port }, { ...alice, knownHosts: [there, missing] }),
  ).rejects.toMatchObject({
    message: expect.stringContaining(`is in ${there}, ${missing} (which is not there); it offered`),
  })
})

test('a changed key is refused, with what is on file and where', async () => {
  const { port } = await listening()
  const file = join(await folder(), 'known_hosts')
  writeFileSync(file, `# ours\n${lineFor(port, otherKey)}`)
  const error = await establishClient({ host: '127.0.0.1', port }, { ...alice, knownHosts: file }).catch((e) => e)
  expect(error).toMatchObject({
    code: 'ERR_SSH_HOST_KEY_CHANGED',
    message: expect.stringContaining(`line 2 of ${file}`),
    details: { known: [{ fingerprint: otherKey.getFingerprint(), file, line: 2 }] },
  })
})

test('a revoked key is refused, whatever else says that it is good', async () => {
  const { port } = await listening()
  const knownHosts = `${lineFor(port)}\n@revoked * ${hostKey.exportPublicKey()}`
  expect(await trusting(port, { knownHosts })).toBe('ERR_SSH_HOST_KEY_REVOKED')
  expect(await trusting(port, { knownHosts, hostKeyFingerprint: hostKey.getFingerprint() })).toBe(
    'ERR_SSH_HOST_KEY_REVOKED',
  )
})

test('a pinned fingerprint decides alone', async () => {
  const { port } = await listening()
  const knownHosts = lineFor(port)
  expect(
    await trusting(port, { knownHosts: [], hostKeyFingerprint: [otherKey.getFingerprint(), hostKey.getFingerprint()] }),
  ).toBe('connected')
  expect(await trusting(port, { knownHosts, hostKeyFingerprint: otherKey.getFingerprint() })).toBe(
    'ERR_SSH_HOST_KEY_FINGERPRINT_MISMATCH',
  )
  await expect(establishClient('host', { ...alice, knownHosts: null, hostKeyFingerprint: [] })).rejects.toMatchObject({
    name: 'OptionsError',
    message: expect.stringContaining('hostKeyFingerprint'),
  })
})

test('the check is off only by an explicit null', async () => {
  const { port } = await listening()
  expect(await trusting(port, { knownHosts: null })).toBe('connected')
})

describe('a verifier', () => {
  test('is shown the key, and accepts it by true alone', async () => {
    const { port } = await listening()
    const verifyHostKey = vi.fn(() => true)
    expect(await trusting(port, { knownHosts: null, verifyHostKey })).toBe('connected')
    expect(verifyHostKey).toHaveBeenCalledExactlyOnceWith({
      host: '127.0.0.1',
      port,
      algorithm: 'ssh-ed25519',
      fingerprint: hostKey.getFingerprint(),
      blob: Uint8Array.from(hostKey.publicKey.blob),
    })
  })

  test.each<[string, () => unknown]>([
    ['false', () => false],
    ['undefined', () => undefined],
    ['"true"', () => 'true'],
    ['1', () => 1],
    ['an object', () => ({})],
    ['a rejection', () => Promise.reject(new Error('no'))],
    ['a rejection with true', () => Promise.reject(true)],
    [
      'an exception',
      () => {
        throw new Error('no')
      },
    ],
  ])('that answers with %s refuses', async (_, verify) => {
    const { port } = await listening()
    const verifyHostKey = verify as () => boolean
    expect(await trusting(port, { knownHosts: null, verifyHostKey })).toBe('ERR_SSH_HOST_KEY_REFUSED')
  })

  test('that never answers is given up at the login timeout', async () => {
    const pass = timeLapse()
    const { port } = await listening()
    const verifyHostKey = () => new Promise<boolean>(() => setImmediate(pass, 60_000))
    const options: ClientOptions = { ...alice, knownHosts: null, verifyHostKey, loginTimeout: '1m' }
    await expect(establishClient({ host: '127.0.0.1', port }, options)).rejects.toMatchObject({
      code: 'ERR_SSH_LOGIN_TIMEOUT',
      details: { phase: 'a verdict of this side' },
    })
    expect(password).not.toHaveBeenCalled()
  })
})

describe('accept-new', () => {
  test('writes the key of a new host once, and refuses another one from then on', async () => {
    const { port } = await listening()
    const file = join(await folder(), '.ssh', 'known_hosts')
    const options: ClientOptions = { knownHosts: file, hostKeyPolicy: 'accept-new' }
    // Also when several connections meet the host at once.
    expect(await Promise.all([1, 2, 3, 4].map(() => trusting(port, options)))).toEqual(Array(4).fill('connected'))
    const content = readFileSync(file, 'utf8')
    expect(content).toBe(`[127.0.0.1]:${port} ssh-ed25519 ${Buffer.from(hostKey.publicKey.blob).toString('base64')}\n`)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await trusting(port, { knownHosts: file })).toBe('connected')
    expect(readFileSync(file, 'utf8')).toBe(content)

    const impostor = await listening({ port: 0, serverHostKeys: otherKey })
    writeFileSync(file, content.replace(String(port), String(impostor.port)))
    expect(await trusting(impostor.port, options)).toBe('ERR_SSH_HOST_KEY_CHANGED')
  })

  test('ends a last line that has no end', async () => {
    const { port } = await listening()
    const file = join(await folder(), 'known_hosts')
    writeFileSync(file, `other.example ${otherKey.exportPublicKey().trim()}`)
    expect(await trusting(port, { knownHosts: file, hostKeyPolicy: 'accept-new' })).toBe('connected')
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(3)
  })

  test('refuses a key that it cannot write down', async () => {
    const { port } = await listening()
    const file = join(await folder(), 'missing', 'further', 'known_hosts')
    const options: ClientOptions = { ...alice, knownHosts: file, hostKeyPolicy: 'accept-new' }
    await expect(establishClient({ host: '127.0.0.1', port }, options)).rejects.toMatchObject({
      name: 'HostKeyNotVerifiable',
      code: 'ERR_SSH_HOST_KEY_NOT_SAVED',
    })
  })
})

test('host key algorithms of keys on file come first', async () => {
  const rsa = await generatePrivateKey('ssh-rsa')
  const { port } = await listening({ serverHostKeys: [hostKey, rsa] })
  const link = await establishClient({ host: '127.0.0.1', port }, { ...alice, knownHosts: lineFor(port, rsa) })
  expect(link.algorithms?.serverHostKey).toBe('rsa-sha2-512')
  await link.close()
})
