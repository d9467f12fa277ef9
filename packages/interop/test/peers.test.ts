/** The foreign programs among themselves: when one of these fails, no other interop test means anything. */

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  canCurl,
  canServeDropbear,
  curl,
  type ForeignServer,
  type Library,
  type LibraryPeer,
  lacks,
  lftp,
  libraries,
  makeKey,
  plink,
  psftp,
  rclone,
  scp,
  sftp,
  ssh,
  startDropbear,
  startLibrary,
  startProftpd,
  startSshd,
  temporaryFolder,
  withoutComment,
} from '../src/index.js'

const data = randomBytes(300_000)
const peers = new Map<Library, LibraryPeer | undefined>()
for (const library of libraries) peers.set(library, await startLibrary(library))
afterAll(async () => {
  await Promise.all([...peers.values()].map((peer) => peer?.stop()))
})

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

  test.skipIf(lacks('lftp'))('serves lftp', async () => {
    const here = join(server.folder, 'lftp')
    writeFileSync(here, data)
    const { status, stderr } = await lftp(server, [`put ${here} -o ${here}.put`, `get ${here}.put -o ${here}.back`])
    expect([status, stderr, readFileSync(`${here}.back`).equals(data)]).toEqual([0, '', true])
  })

  test.skipIf(lacks('rclone'))('serves rclone', async () => {
    const here = join(server.folder, 'rclone')
    writeFileSync(here, data)
    const { status, stderr } = await rclone(server, ['copyto', here, `there:${here}.put`])
    expect([status, stderr, readFileSync(`${here}.put`).equals(data)]).toEqual([0, '', true])
  })

  test.skipIf(!canCurl())('serves curl', async () => {
    const here = join(server.folder, 'curl')
    writeFileSync(here, data)
    for (const scheme of ['sftp', 'scp'] as const) {
      const { status, stdout } = await curl(server, (url) => [url(here)], { scheme })
      expect([status, stdout.equals(data)]).toEqual([0, true])
    }
  })

  test.for(libraries)('serves %s', async (library, context) => {
    const peer = peers.get(library)
    if (peer === undefined) return context.skip()
    const { connection } = await peer.call('connect', {
      port: server.port,
      username: server.username,
      keyFile: server.clientKey.path,
      hostKey: server.hostKeys.find((key) => key.startsWith('ssh-ed25519')) ?? '',
    })
    const input = data.toString('base64')
    expect(await peer.call('exec', { connection, command: 'cat; exit 7', input })).toMatchObject({
      status: 7,
      stdout: input,
    })
    const { sent, received } = await peer.call('transfer', { connection, command: 'cat', bytes: 1_000_000 })
    expect(received).toBe(sent)
    const here = join(server.folder, library)
    writeFileSync(here, data)
    const steps = [
      { do: 'put', from: here, path: `${here}.put` },
      { do: 'get', path: `${here}.put`, to: `${here}.back` },
    ] as const
    expect(await peer.call('files', { connection, steps })).toEqual([{}, {}])
    expect(readFileSync(`${here}.back`).equals(data)).toBe(true)
    await using echo = await startEcho()
    const { host, port } = echo
    expect((await peer.call('forward', { connection, host, port, input })).data).toBe(input)
    await peer.call('disconnect', { connection })
  })
})

describe.skipIf(lacks('dropbear', 'ssh', 'ssh-keygen') || !canServeDropbear())('Dropbear', () => {
  test('runs a command of ssh, with a key and with a password', async () => {
    await using server = await startDropbear()
    expect((await ssh(server, 'echo hi')).stdout.toString()).toBe('hi\n')
    expect((await ssh(server, 'echo hi', { usePassword: true })).stdout.toString()).toBe('hi\n')
  })
})

describe.skipIf(lacks('proftpd', 'sftp', 'ssh-keygen'))('ProFTPD', () => {
  test('takes and gives files of sftp', async () => {
    await using server = await startProftpd()
    const here = join(server.folder, 'here')
    writeFileSync(here, data)
    const { status } = await sftp(server, [`put ${here} ${here}.sftp`, `get ${here}.sftp ${here}.back`])
    expect([status, readFileSync(`${here}.back`).equals(data)]).toEqual([0, true])
  })
})

describe.each(libraries)('%s', (library) => {
  test.skipIf(lacks('ssh', 'ssh-keygen') || peers.get(library) === undefined)('runs its commands for ssh', async () => {
    using folder = temporaryFolder()
    const [clientKey, hostKey] = await Promise.all(
      ['client', 'host'].map((name) => makeKey(folder.path, name, 'ed25519')),
    )
    if (clientKey === undefined || hostKey === undefined) throw new Error('No keys')
    const username = 'tester'
    const password = 'open sesame'
    const options = { username, password, hostKeyFiles: [hostKey.path] }
    const authorizedKeys = [withoutComment(clientKey.publicLine)]
    const started = await peers.get(library)?.call('listen', { ...options, authorizedKeys })
    const hostKeys = [withoutComment(hostKey.publicLine)]
    const server = { host: '127.0.0.1', port: started?.port ?? 0, username, password, clientKey, hostKeys } as const
    expect((await ssh(server, 'echo hi')).stdout.toString()).toBe('hi\n')
    expect((await ssh(server, 'cat', { input: data })).stdout.equals(data)).toBe(true)
    expect((await ssh(server, 'exit 3', { usePassword: true })).status).toBe(3)
    const { stdout } = await ssh(server, 'env GREETING', { config: { SetEnv: 'GREETING=hello' } })
    expect(stdout.toString()).toBe('hello\n')
    if (library === 'paramiko') return
    await using echo = await startEcho()
    const forwarded = await ssh(server, undefined, { extraArguments: ['-W', `127.0.0.1:${echo.port}`], input: data })
    expect(forwarded.stdout.equals(data)).toBe(true)
  })
})

async function startEcho() {
  const listener = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const { port } = listener.address() as AddressInfo
  return {
    host: '127.0.0.1',
    port,
    [Symbol.asyncDispose]: async () => {
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
