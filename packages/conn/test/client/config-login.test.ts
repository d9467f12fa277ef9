/** What ssh_config says of logging in, asked of a server. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { PermissionDenied } from '../../src/errors.js'
import type { LogEntry } from '../../src/log.js'
import { hostKeyFingerprint, listening } from '../loopback.js'

const [first, second] = await Promise.all([
  generatePrivateKey('ssh-ed25519', { comment: 'first' }),
  generatePrivateKey('ssh-ed25519', { comment: 'second' }),
])

/** A folder with two keys and a configuration that says these lines about every host; `%d` there is the folder. */
async function folder(...lines: readonly string[]): Promise<string> {
  const path = mkdtempSync(join(tmpdir(), 'config-login-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  for (const key of [first, second]) writeFileSync(join(path, key.comment), await key.exportPrivateKey('openssh'))
  writeFileSync(join(path, 'config'), lines.join('\n').replaceAll('%d', path), { mode: 0o600 })
  return join(path, 'config')
}

interface Asked {
  readonly keys: string[]
  readonly passwords: string[]
}

/** Logs in to a server that takes one key and one password, as `config` says. */
async function login(config: string, options: ClientOptions = {}, authorized: PrivateKey = second) {
  const asked: Asked = { keys: [], passwords: [] }
  const known = new Map([first, second].map((key) => [key.getFingerprint(), key.comment]))
  const server = await listening({
    callbacks: {
      validatePublicKey: (_user, key) => {
        const name = known.get(key.getFingerprint()) ?? '?'
        if (!asked.keys.includes(name)) asked.keys.push(name)
        return name === authorized.comment
      },
      validatePassword: (_user, password) => {
        asked.passwords.push(password)
        return password === 'third time'
      },
    },
  })
  const warnings: LogEntry[] = []
  const logger = { debug() {}, warn: (entry: LogEntry) => warnings.push(entry) }
  const destination = { host: '127.0.0.1', port: server.port, username: 'alice' }
  const link = await establishClient(destination, {
    config,
    hostKeyFingerprint,
    agentPath: null,
    logger,
    ...options,
  }).catch((error: unknown) => error)
  if (link instanceof Error) return { ...asked, warnings, error: link }
  await (link as { close(): Promise<void> }).close()
  return { ...asked, warnings, error: undefined }
}

describe('IdentityFile', () => {
  test('names the keys that are offered, in their order; those that are not there are passed over', async () => {
    const config = await folder('IdentityFile %d/none', 'IdentityFile %d/first', 'IdentityFile %d/second')
    expect(await login(config)).toMatchObject({ keys: ['first', 'second'], error: undefined })
  })

  test('none leaves no keys, not even the usual ones', async () => {
    const { keys, error } = await login(await folder('IdentityFile none'))
    expect([keys, error]).toEqual([[], expect.any(PermissionDenied)])
  })

  test('counts for nothing where code names the keys', async () => {
    const config = await folder('IdentityFile %d/first')
    expect(await login(config, { clientKeys: second })).toMatchObject({ keys: ['second'], error: undefined })
  })
})

describe('methods', () => {
  test('are tried as PreferredAuthentications has them, without those that are switched off', async () => {
    const identity = 'IdentityFile %d/second'
    const password = { password: 'third time' }
    const before = await login(await folder(identity, 'PreferredAuthentications password,publickey'), password)
    expect(before).toMatchObject({ keys: [], passwords: ['third time'], error: undefined })
    const off = await login(await folder(identity, 'PubkeyAuthentication no'), password)
    expect(off).toMatchObject({ keys: [], passwords: ['third time'], error: undefined })
    const keyOnly = await login(
      await folder('IdentityFile none', 'PasswordAuthentication no', 'KbdInteractiveAuthentication no'),
      password,
    )
    expect(keyOnly).toMatchObject({ keys: [], passwords: [], error: expect.any(PermissionDenied) })
  })

  test('ask for a password as often as NumberOfPasswordPrompts says', async () => {
    const guesses = () => {
      const words = ['first time', 'second time', 'third time']
      return vi.fn(() => words.shift() ?? null)
    }
    const two = guesses()
    const off = ['IdentityFile none', 'KbdInteractiveAuthentication no']
    const short = await login(await folder(...off, 'NumberOfPasswordPrompts 2'), { password: two })
    expect(short).toMatchObject({ passwords: ['first time', 'second time'], error: expect.any(PermissionDenied) })
    expect(two).toHaveBeenCalledTimes(2)
    const long = await login(await folder(...off, 'NumberOfPasswordPrompts 3'), { password: guesses() })
    expect(long.error).toBeUndefined()
  })
})

test('an agent that does not take the key is no reason not to be in', async () => {
  const config = await folder('IdentityFile %d/second', 'AddKeysToAgent yes', 'IdentityAgent %d/nobody-listens')
  const { error, warnings } = await login(config, { agentPath: undefined })
  expect(error).toBeUndefined()
  expect(warnings).toContainEqual(expect.objectContaining({ layer: 'agent', event: 'key-not-added' }))
})
