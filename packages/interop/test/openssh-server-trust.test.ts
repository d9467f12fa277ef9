/** Host keys of sshd against known_hosts files that OpenSSH's own tools wrote, and the other way round. */

import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostKeyNotVerifiable, type HostKeyUpdate, type PublicKey } from '@ssh/sdk'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  connectTo,
  type ForeignServer,
  keyTypes,
  knownHostsOf,
  lacks,
  makeKey,
  mustRun,
  peer,
  ssh,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
  withoutComment,
} from '../src/index.js'

describe.skipIf(lacks('sshd', 'ssh', 'ssh-keygen', 'ssh-keyscan'))('host keys of sshd', () => {
  let server: ForeignServer
  let folder: TemporaryFolder
  let file: string
  beforeAll(async () => {
    server = await startSshd()
  })
  afterAll(() => server?.stop())
  beforeEach(() => {
    folder = temporaryFolder()
    file = join(folder.path, 'known_hosts')
  })
  afterEach(() => folder.remove())

  const scan = () => mustRun([peer('ssh-keyscan'), '-p', String(server.port), server.host])

  async function refusalOf(options: Parameters<typeof connectTo>[1]): Promise<unknown> {
    const error = await connectTo(server, options).then(
      (conn) => conn.close(),
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(HostKeyNotVerifiable)
    return error
  }

  /** What ssh itself makes of the same file. */
  async function sshTrusts(knownHosts: string): Promise<boolean> {
    const { status, stderr } = await ssh(server, 'true', { config: { UserKnownHostsFile: knownHosts } })
    if (status !== 0) expect(stderr).toMatch(/Host key verification failed|REVOKED|IDENTIFICATION HAS CHANGED/)
    return status === 0
  }

  test('are believed from a file that ssh-keyscan wrote', async () => {
    writeFileSync(file, await scan())
    await using conn = await connectTo(server, { knownHosts: file })
    expect((await conn.run('echo hi')).stdout).toBe('hi\n')
  })

  test('are believed from a file in which ssh-keygen hashed the names', async () => {
    writeFileSync(file, await scan())
    await mustRun([peer('ssh-keygen'), '-q', '-H', '-f', file])
    expect(readFileSync(file, 'utf8')).toMatch(/^\|1\|/)
    await using conn = await connectTo(server, { knownHosts: file })
    expect((await conn.run('echo hi')).stdout).toBe('hi\n')
  })

  test.for(['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'])(
    'of type %s are asked for when only they are on file',
    async (type) => {
      const line = (await scan()).split('\n').find((text) => text.includes(` ${type} `))
      writeFileSync(file, `${line}\n`)
      await using conn = await connectTo(server, { knownHosts: file })
      expect(conn.getServerHostKey().algorithm).toBe(type)
    },
  )

  test.for(keyTypes)(
    'are all reported and proven when that of type %s is on file, and the file stays as it is',
    async (type) => {
      const former = await makeKey(folder.path, 'former', type)
      const [name = ''] = former.publicLine.split(' ')
      const isOnFile = (key: string) => key.startsWith(`${name} `)
      const hostKeys = [...server.hostKeys.filter(isOnFile), withoutComment(former.publicLine)]
      writeFileSync(file, knownHostsOf({ ...server, hostKeys }))
      const before = readFileSync(file, 'utf8')
      await using conn = await connectTo(server, { knownHosts: file })
      const [update] = (await once(conn, 'hostKeys')) as [HostKeyUpdate]
      const lines = (keys: readonly PublicKey[]) => keys.map((key) => key.exportPublicKey().trim()).sort()
      expect(lines(update.added)).toEqual(server.hostKeys.filter((key) => !isOnFile(key)).sort())
      expect(lines(update.retained)).toEqual(server.hostKeys.filter(isOnFile))
      expect(update.removed).toMatchObject([{ file, line: 2 }])
      expect(update.revoked).toEqual([])
      expect(readFileSync(file, 'utf8')).toBe(before)
    },
  )

  test('that nobody knows are refused, with the fingerprint and the files that were read', async () => {
    writeFileSync(file, '')
    const error = await refusalOf({ knownHosts: file })
    expect(error).toMatchObject({
      code: 'ERR_SSH_HOST_KEY_UNKNOWN',
      message: expect.stringMatching(/SHA256:[\w+/]{43}/),
    })
    expect(await sshTrusts(file)).toBe(false)
  })

  test('are learnt with accept-new, into a file that ssh then believes', async () => {
    await using conn = await connectTo(server, { knownHosts: file, hostKeyPolicy: 'accept-new' })
    await conn.run('true')
    expect(await sshTrusts(file)).toBe(true)
    await using again = await connectTo(server, { knownHosts: file })
    expect((await again.run('echo hi')).stdout).toBe('hi\n')
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(1)
  })

  test('that ssh learnt with accept-new are believed by us, hashed or not', async () => {
    for (const HashKnownHosts of ['no', 'yes']) {
      const learnt = join(folder.path, HashKnownHosts)
      const config = { UserKnownHostsFile: learnt, StrictHostKeyChecking: 'accept-new', HashKnownHosts }
      expect((await ssh(server, 'true', { config })).status).toBe(0)
      await using conn = await connectTo(server, { knownHosts: learnt })
      expect((await conn.run('echo hi')).stdout).toBe('hi\n')
    }
  })

  test('that changed are refused by us and by ssh, with accept-new as well, and the file stays as it is', async () => {
    const stranger = await makeKey(folder.path, 'stranger', 'ed25519')
    const line = `[${server.host}]:${server.port} ${withoutComment(stranger.publicLine)}\n`
    writeFileSync(file, line)
    for (const hostKeyPolicy of ['strict', 'accept-new'] as const) {
      const error = await refusalOf({ knownHosts: file, hostKeyPolicy })
      expect(error).toMatchObject({ code: 'ERR_SSH_HOST_KEY_CHANGED' })
      expect((error as Error).message).toContain(file)
    }
    expect(await sshTrusts(file)).toBe(false)
    expect(readFileSync(file, 'utf8')).toBe(line)
  })

  test('that are revoked are refused by us and by ssh, although they are on file', async () => {
    const revoked = server.hostKeys.map((key) => `@revoked * ${key}\n`).join('')
    writeFileSync(file, knownHostsOf(server) + revoked)
    for (const hostKeyPolicy of ['strict', 'accept-new'] as const) {
      expect(await refusalOf({ knownHosts: file, hostKeyPolicy })).toMatchObject({ code: 'ERR_SSH_HOST_KEY_REVOKED' })
    }
    expect(await refusalOf({ knownHosts: file, verifyHostKey: () => true })).toMatchObject({
      code: 'ERR_SSH_HOST_KEY_REVOKED',
    })
    expect(await sshTrusts(file)).toBe(false)
  })

  test('are believed by the fingerprint that ssh-keygen prints', async () => {
    const key = server.hostKeys.find((line) => line.startsWith('ssh-ed25519')) ?? ''
    const [, hostKeyFingerprint = ''] = (await mustRun([peer('ssh-keygen'), '-l', '-f', '-'], { input: key })).split(
      ' ',
    )
    await using conn = await connectTo(server, { hostKeyFingerprint, knownHosts: '/dev/null' })
    expect(conn.getServerHostKey().getFingerprint()).toBe(hostKeyFingerprint)
    expect(await refusalOf({ hostKeyFingerprint: `SHA256:${'A'.repeat(43)}` })).toMatchObject({
      code: 'ERR_SSH_HOST_KEY_FINGERPRINT_MISMATCH',
    })
  })

  test('no credential leaves for a server whose key is refused', async () => {
    let wasAsked = false
    const password = () => {
      wasAsked = true
      return 'secret'
    }
    await refusalOf({ knownHosts: '/dev/null', clientKeys: null, password })
    expect(wasAsked).toBe(false)
    expect(server.log()).not.toMatch(/userauth-request for user \S+ service ssh-connection method password/)
  })
})
