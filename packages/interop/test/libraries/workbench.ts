/** What the tests of every library share: its program, the algorithms it and the SDK both know, keys, both servers. */

import { join } from 'node:path'
import { kexMethodNames } from '@ssh/conn'
import { ciphers, generatePrivateKey, macs, signatureAlgorithms } from '@ssh/crypto'
import { type ListenOptions, listen, type SshServer } from '@ssh/sdk'
import { afterAll, describe, test } from 'vitest'
import {
  type KeyFile,
  type Library,
  type LibraryClientOptions,
  type LibraryConnection,
  type LibraryPeer,
  type LibraryServerOptions,
  lacks,
  makeKey,
  type SharedAlgorithms,
  startLibrary,
  type TemporaryFolder,
  temporaryFolder,
  withoutComment,
} from '../../src/index.js'

export const username = 'tester'
export const password = 'open sesame'

export interface Workbench {
  readonly peer: LibraryPeer
  readonly shared: SharedAlgorithms
  /** Made by ssh-keygen, one of each type and curve. */
  readonly hostKeys: readonly KeyFile[]
  /** Made by the SDK, one of each type and curve. */
  readonly userKeys: readonly UserKey[]
  readonly folder: TemporaryFolder
}

export interface UserKey extends KeyFile {
  readonly algorithm: string
}

/** A server of theirs, as our client is told about it. */
export interface TheirServer {
  readonly host: '127.0.0.1'
  readonly port: number
  readonly username: string
  readonly password: string
  readonly clientKey: KeyFile
  /** As `type base64`. */
  readonly hostKeys: readonly string[]
}

/** Collects the tests of a library, or one that is skipped by name when it cannot be had here. */
export async function describeLibrary(
  library: Library,
  title: string,
  suite: (bench: Workbench) => void,
): Promise<void> {
  if (lacks('ssh-keygen')) return test.skip(`${title} needs ssh-keygen, which is not here`, () => {})
  const peer = await startLibrary(library)
  if (peer === undefined) return test.skip(`${title} cannot be set up here`, () => {})
  const folder = temporaryFolder()
  const [shared, hostKeys, userKeys] = await Promise.all([
    sharedWith(peer),
    makeHostKeys(folder.path),
    makeUserKeys(folder),
  ])
  describe(title, () => {
    afterAll(async () => {
      await peer.stop()
      folder.remove()
    })
    suite({ peer, shared, hostKeys, userKeys, folder })
  })
}

async function sharedWith(peer: LibraryPeer): Promise<SharedAlgorithms> {
  const theirs = await peer.call('algorithms', {})
  const both = (ours: readonly string[], names: readonly string[]) => ours.filter((name) => names.includes(name))
  return {
    kex: both(kexMethodNames, theirs.kex),
    hostKeys: both(signatureAlgorithms.defaultNames, theirs.hostKeyAlgorithms),
    ciphers: both(ciphers.names, theirs.ciphers),
    macs: both(macs.names, theirs.macs),
  }
}

function makeHostKeys(folder: string): Promise<KeyFile[]> {
  const ecdsa = [256, 384, 521].map((bits) => ({ type: 'ecdsa', bits }) as const)
  return Promise.all(
    (['ed25519', ...ecdsa, 'rsa'] as const).map((spec, index) => makeKey(folder, `host_${index}`, spec)),
  )
}

function makeUserKeys(folder: TemporaryFolder): Promise<UserKey[]> {
  const names = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521', 'ssh-rsa'] as const
  return Promise.all(names.map((algorithm) => makeUserKey(folder, algorithm)))
}

/** Makes a key by the SDK, and writes it to a file. */
export async function makeUserKey(
  folder: TemporaryFolder,
  algorithm: Parameters<typeof generatePrivateKey>[0] & string,
  { name = algorithm, passphrase }: { readonly name?: string; readonly passphrase?: string } = {},
): Promise<UserKey> {
  const key = await generatePrivateKey(algorithm, { comment: name })
  const text = await key.exportPrivateKey('openssh', passphrase === undefined ? {} : { passphrase })
  return { algorithm, path: folder.write(name, text), publicLine: withoutComment(key.exportPublicKey()).trim() }
}

/** The first of these keys: the ed25519 one. */
export function firstKey<K extends KeyFile>(keys: readonly K[]): K {
  const [key] = keys
  if (key === undefined) throw new Error('No key was made')
  return key
}

/** Starts a server of theirs, which lives as long as their program. */
export async function theirServer(
  { peer, hostKeys, userKeys }: Workbench,
  options: Partial<LibraryServerOptions> = {},
): Promise<TheirServer> {
  const { port } = await peer.call('listen', {
    hostKeyFiles: hostKeys.map(({ path }) => path),
    username,
    password,
    authorizedKeys: userKeys.map(({ publicLine }) => publicLine),
    ...options,
  })
  return {
    host: '127.0.0.1',
    port,
    username,
    password,
    clientKey: firstKey(userKeys),
    hostKeys: hostKeys.map(({ publicLine }) => withoutComment(publicLine)),
  }
}

/** Starts a server of ours. `tester` gets in with any of the keys, or with the password. */
export function ourServer({ hostKeys, userKeys }: Workbench, options: Partial<ListenOptions> = {}): Promise<SshServer> {
  return listen({
    host: '127.0.0.1',
    port: 0,
    serverHostKeys: hostKeys.map(({ path }) => path),
    authorizedClientKeys: userKeys.map(({ publicLine }) => `${publicLine}\n`),
    serverFactory: () => ({ validatePassword: (user, given) => user === username && given === password }),
    maxSessions: 100,
    ...options,
  })
}

/** Connects a client of theirs to one of our servers, with the password unless told otherwise. */
export function theirClient(
  { peer, hostKeys }: Workbench,
  server: { readonly port: number },
  options: Partial<LibraryClientOptions> = { password },
): Promise<LibraryConnection> {
  const hostKey = withoutComment(firstKey(hostKeys).publicLine)
  return peer.call('connect', { port: server.port, username, hostKey, ...options })
}

/** Path of a file in the folder of a test. */
export function inFolder({ folder }: Workbench, ...names: readonly string[]): string {
  return join(folder.path, ...names)
}
