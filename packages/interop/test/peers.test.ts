/** The foreign programs among themselves: when one of these fails, no other interop test means anything. */

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  canServeDropbear,
  type ForeignServer,
  lacks,
  lacksLibrary,
  libraries,
  plink,
  psftp,
  runClientJob,
  scp,
  sftp,
  ssh,
  startDropbear,
  startLibraryServer,
  startSshd,
} from '../src/index.js'

const data = randomBytes(300_000)

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh', 'ssh-keygen'))('sshd', () => {
  let server: ForeignServer
  beforeAll(async () => {
    server = await startSshd()
  })
  afterAll(() => server.stop())

  test('runs commands of ssh', async () => {
    const { status, stdout } = await ssh(server, 'cat; exit 3', { input: data })
    expect([status, stdout.equals(data)]).toEqual([3, true])
  })

  test('logs ssh in with a password', async (context) => {
    if (server.password === undefined) return context.skip()
    const { stdout } = await ssh(server, 'id -un', { usePassword: true })
    expect(stdout.toString().trim()).toBe(server.username)
  })

  test('takes and gives files of sftp and scp', async () => {
    const here = join(server.folder, 'here')
    writeFileSync(here, data)
    const { status } = await sftp(server, [`put ${here} ${here}.sftp`, `get ${here}.sftp ${here}.back`])
    expect([status, readFileSync(`${here}.back`).equals(data)]).toEqual([0, true])
    const copied = await scp(server, (remote) => [here, remote(`${here}.scp`)])
    expect([copied.status, readFileSync(`${here}.scp`).equals(data)]).toEqual([0, true])
  })

  test.skipIf(lacks('plink', 'psftp', 'puttygen'))('serves PuTTY', async () => {
    expect((await plink(server, 'echo hi')).stdout.toString()).toBe('hi\n')
    expect((await psftp(server, ['pwd'])).status).toBe(0)
  })

  test.for(libraries)('serves %s', async (library, context) => {
    if (lacksLibrary(library)) return context.skip()
    const path = join(server.folder, library)
    const [exec, file] = await runClientJob(library, {
      host: server.host,
      port: server.port,
      username: server.username,
      keyFile: server.clientKey.path,
      hostKey: server.hostKeys.find((key) => key.startsWith('ssh-ed25519')) ?? '',
      steps: [
        { do: 'exec', command: 'cat; exit 7', input: data.toString('base64') },
        { do: 'sftp', path, data: data.toString('base64') },
      ],
    })
    expect(exec).toMatchObject({ status: 7, stdout: data.toString('base64') })
    expect(file?.data).toBe(data.toString('base64'))
  })
})

describe.skipIf(lacks('dropbear', 'ssh', 'ssh-keygen') || !canServeDropbear())('Dropbear', () => {
  test('runs a command of ssh, with a key and with a password', async () => {
    await using server = await startDropbear()
    expect((await ssh(server, 'echo hi')).stdout.toString()).toBe('hi\n')
    expect((await ssh(server, 'echo hi', { usePassword: true })).stdout.toString()).toBe('hi\n')
  })
})

describe.each(libraries)('%s', (library) => {
  test.skipIf(lacksLibrary(library) || lacks('ssh', 'ssh-keygen'))('runs its commands for ssh', async () => {
    await using server = await startLibraryServer(library)
    expect((await ssh(server, 'echo hi')).stdout.toString()).toBe('hi\n')
    expect((await ssh(server, 'cat', { input: data })).stdout.equals(data)).toBe(true)
    expect((await ssh(server, 'exit 3', { usePassword: true })).status).toBe(3)
    const { stdout } = await ssh(server, 'env GREETING', { config: { SetEnv: 'GREETING=hello' } })
    expect(stdout.toString()).toBe('hello\n')
  })
})
