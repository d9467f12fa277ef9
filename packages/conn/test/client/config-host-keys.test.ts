/** Host keys as ssh_config has them: hashed names, revoked keys, small keys, programs that know keys, keys that change. */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ClientConnection } from '../../src/client/client-connection.js'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { aliceOptions, hostKey, listening, type TestServerOptions } from '../loopback.js'
import { testKey } from '../transport-pair.js'

const [rsa, stranger] = await Promise.all([testKey('ssh-rsa'), generatePrivateKey('ssh-ed25519')])
const { hostKeyFingerprint: _, ...alice } = aliceOptions

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'config-host-keys-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  return (name: string, text = '') => {
    const file = join(path, name)
    writeFileSync(file, text)
    return file
  }
}

async function connecting(options: ClientOptions, server: TestServerOptions = {}) {
  const { port } = await listening(server)
  const link = await establishClient({ host: '127.0.0.1', port }, { ...alice, ...options })
  onTestFinished(() => link.close())
  return { connection: new ClientConnection(link), port }
}

test('a new key is written with its host hashed, once, and believed from then on', async () => {
  const knownHosts = folder()('known_hosts')
  const { port } = await listening()
  const options: ClientOptions = { ...alice, knownHosts, hostKeyPolicy: 'accept-new', hashKnownHosts: true }
  const destination = { host: '127.0.0.1', port }
  const links = await Promise.all([1, 2, 3].map(() => establishClient(destination, options)))
  await Promise.all(links.map((link) => link.close()))
  expect(readFileSync(knownHosts, 'utf8')).toMatch(/^\|1\|[\w+/=]+\|[\w+/=]+ ssh-ed25519 [\w+/=]+\n$/)
  const again = await establishClient(destination, { ...alice, knownHosts })
  await again.close()
})

describe('revoked host keys', () => {
  test('are refused although they are known', async () => {
    const write = folder()
    const revokedHostKeys = write('revoked', `# lost\n${stranger.exportPublicKey()}${hostKey.exportPublicKey()}`)
    await expect(connecting({ revokedHostKeys, knownHosts: null })).rejects.toMatchObject({
      code: 'ERR_SSH_HOST_KEY_REVOKED',
      message: expect.stringContaining(revokedHostKeys),
    })
    await connecting({ revokedHostKeys: write('others', stranger.exportPublicKey()), knownHosts: null })
  })

  test.each<[string, string, string]>([
    ['is a key revocation list', 'SSHKRL\n\0rest', 'key revocation list'],
    ['has a line that is no key', 'what is this', 'line 1: this is no key'],
  ])('nobody is believed when the list %s', async (_what, text, why) => {
    const revokedHostKeys = folder()('revoked', text)
    await expect(connecting({ revokedHostKeys, knownHosts: null })).rejects.toThrow(why)
  })

  test('nobody is believed when the list is not there', async () => {
    await expect(connecting({ revokedHostKeys: '/no/such/list', knownHosts: null })).rejects.toThrow('no such file')
  })
})

test('RSA keys of fewer bits than required are refused', async () => {
  const server = { serverHostKeys: rsa }
  await expect(connecting({ requiredRsaSize: 16_384, knownHosts: null }, server)).rejects.toMatchObject({
    code: 'ERR_SSH_HOST_KEY_TOO_SMALL',
    details: { required: 16_384 },
  })
  await connecting({ requiredRsaSize: 1024, knownHosts: null }, server)
})

describe.skipIf(process.platform === 'win32')('a program that knows host keys', () => {
  function program(script: string) {
    const write = folder()
    const log = write('log')
    const path = write('program', `#!/bin/sh\necho "$@" >> ${log}\n${script}\n`)
    chmodSync(path, 0o700)
    return { path, asked: () => readFileSync(log, 'utf8').trim().split('\n') }
  }

  test('is asked for the order of algorithms and for the key, and believed', async () => {
    const { path, asked } = program(`echo "$1 ${hostKey.exportPublicKey().trim()}"`)
    const knownHostsCommand = [path, '%H', '%I', '%t', '%f', '%K', '%h', '%p', '%%']
    const { port } = await connecting({ knownHosts: [], knownHostsCommand })
    const name = `[127.0.0.1]:${port}`
    const [, base64] = hostKey.exportPublicKey().trim().split(' ')
    expect(asked()).toEqual([
      `${name} ORDER NONE NONE NONE 127.0.0.1 ${port} %`,
      `${name} HOSTNAME ssh-ed25519 ${hostKey.getFingerprint()} ${base64} 127.0.0.1 ${port} %`,
    ])
  })

  test('that knows another key has the key refused', async () => {
    const { path } = program(`echo "$1 ${stranger.exportPublicKey().trim()}"`)
    await expect(connecting({ knownHosts: [], knownHostsCommand: [path, '%H'] })).rejects.toMatchObject({
      code: 'ERR_SSH_HOST_KEY_CHANGED',
    })
  })

  test.each<[string, string]>([
    ['exit 3', 'ended with status 3'],
    ['kill -TERM $$', 'was ended by SIGTERM'],
  ])('that does not end as it should (%s) has nobody believed', async (script, why) => {
    const { path } = program(script)
    await expect(connecting({ knownHosts: [], knownHostsCommand: [path] })).rejects.toThrow(why)
    await expect(connecting({ username: '-x', knownHosts: [], knownHostsCommand: [path, '%r'] })).rejects.toThrow(
      'may look like an option',
    )
    await expect(connecting({ knownHosts: [], knownHostsCommand: ['/no/such/program'] })).rejects.toThrow(
      'cannot be run',
    )
  })
})

describe('keys that a server announces', () => {
  const server = { serverHostKeys: [hostKey, rsa], sendServerHostKeys: true }

  async function updated(line: (port: number) => string, options: ClientOptions = {}) {
    const { port } = await listening(server)
    const knownHosts = folder()('known_hosts', line(port))
    const link = await establishClient(
      { host: '127.0.0.1', port },
      { ...alice, knownHosts, updateHostKeys: true, ...options },
    )
    onTestFinished(() => link.close())
    return { read: () => readFileSync(knownHosts, 'utf8'), port }
  }
  const lineOf = (name: string, key = hostKey) => `${name} ${key.exportPublicKey()}`

  test('are added to the file, and those that are gone are taken out', async () => {
    const { read, port } = await updated((at) => {
      const name = `[127.0.0.1]:${at}`
      return `# mine\n${lineOf(name)}${lineOf(name, stranger)}${lineOf(`other,${name}`, stranger)}other.example ssh-x y\n`
    })
    const name = `[127.0.0.1]:${port}`
    const [type, base64] = rsa.exportPublicKey().trim().split(' ')
    const expected = `# mine\n${lineOf(name)}${lineOf(`other,${name}`, stranger)}other.example ssh-x y\n${name} ${type} ${base64}\n`
    await vi.waitFor(() => expect(read()).toBe(expected))
  })

  test('are written hashed where names are', async () => {
    const { read } = await updated((at) => lineOf(`[127.0.0.1]:${at}`), { hashKnownHosts: true })
    await vi.waitFor(() => expect(read()).toMatch(/\n\|1\|\S+ ssh-rsa /))
  })

  test('are not written unless that is asked for', async () => {
    const { port } = await listening(server)
    const knownHosts = folder()('known_hosts', lineOf(`[127.0.0.1]:${port}`))
    const link = await establishClient({ host: '127.0.0.1', port }, { ...alice, knownHosts })
    const connection = new ClientConnection(link)
    const before = readFileSync(knownHosts, 'utf8')
    await new Promise((resolve) => connection.once('hostKeys', resolve))
    await connection.close()
    expect(readFileSync(knownHosts, 'utf8')).toBe(before)
  })
})
