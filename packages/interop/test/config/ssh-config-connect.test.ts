/** Logging in to OpenSSH's server by what a file of ssh_config says, as its own client does with the same file. */

import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { type ClientOptions, connect, HostKeyNotVerifiable, type SshClientConnection } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  type ForeignServer,
  freePort,
  lacks,
  makeKey,
  mustRun,
  peer,
  runProgram,
  startSshAgent,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../../src/index.js'

describe.skipIf(lacks('sshd', 'ssh', 'ssh-keygen'))('an alias of ssh_config', () => {
  let server: ForeignServer
  beforeAll(async () => {
    server = await startSshd({ config: { PermitOpen: 'any' } })
  })
  afterAll(() => server?.stop())

  interface Place {
    readonly folder: TemporaryFolder
    /** Writes a file of ssh_config: these lines behind `Host alias`, and where and as whom to log in. */
    write(...lines: readonly string[]): string
    open(options?: ClientOptions): Promise<SshClientConnection>
    /** What OpenSSH's own client makes of the same file. */
    ssh(
      ...command: readonly string[]
    ): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }>
    at(name: string): string
  }

  /** A folder with the user's key and a known_hosts that knows the server as `alias`, and no other name. */
  function place(): Place {
    const folder = temporaryFolder()
    onTestFinished(() => folder.remove())
    const at = (name: string) => `${folder.path}/${name}`
    copyFileSync(server.clientKey.path, at('id_login'))
    folder.write('known_hosts', server.hostKeys.map((key) => `the-alias ${key}\n`).join(''))
    const config = at('config')
    return {
      folder,
      at,
      write(...lines) {
        const known = [
          `UserKnownHostsFile ${at('known_hosts')}`,
          'GlobalKnownHostsFile /dev/null',
          'IdentityAgent none',
          'IdentitiesOnly yes',
        ]
        const login = [
          `Port ${server.port}`,
          `User ${server.username}`,
          'HostName 127.0.0.1',
          `IdentityFile ${at('id_login')}`,
        ]
        writeFileSync(
          config,
          ['Host alias', ...lines, 'Host alias jump-*', ...login, 'Host *', ...known, ''].join('\n'),
        )
        return config
      },
      async open(options) {
        const conn = await connect('alias', { config, ...options })
        onTestFinished(() => conn.close())
        return conn
      },
      async ssh(...command) {
        const { status, stdout, stderr } = await runProgram([peer('ssh'), '-F', config, 'alias', ...command], {
          env: { SSH_AUTH_SOCK: '' },
        })
        return { status, stdout: stdout.toString(), stderr }
      },
    }
  }

  test('leads to its HostName and Port, as its User, with its IdentityFile, to the host that HostKeyAlias names', async () => {
    const { write, open, ssh } = place()
    write('HostKeyAlias the-alias')
    const conn = await open()
    expect(conn.info).toMatchObject({ username: server.username, remoteAddress: '127.0.0.1', remotePort: server.port })
    const { stdout } = await conn.run('id -un', { check: true })
    expect(stdout).toBe(`${server.username}\n`)
    expect((await ssh('id', '-un')).stdout).toBe(stdout)
  })

  test('is refused where known_hosts has the host by another name only', async () => {
    const { write, open, ssh } = place()
    write('StrictHostKeyChecking yes')
    await expect(open()).rejects.toBeInstanceOf(HostKeyNotVerifiable)
    expect((await ssh('true')).status).toBe(255)
  })

  test('is refused where the key on file is another, even with StrictHostKeyChecking no', async () => {
    const { write, open, folder } = place()
    const other = await makeKey(folder.path, 'other', 'ed25519')
    folder.write('known_hosts', `the-alias ${other.publicLine}\n`)
    write('HostKeyAlias the-alias', 'StrictHostKeyChecking no', 'HostKeyAlgorithms ssh-ed25519')
    await expect(open()).rejects.toBeInstanceOf(HostKeyNotVerifiable)
  })

  test('learns a host by a hashed name that ssh and ssh-keygen find, and goes on by it', async () => {
    const { write, open, ssh, at } = place()
    writeFileSync(at('known_hosts'), '')
    write('StrictHostKeyChecking accept-new', 'HashKnownHosts yes', 'CheckHostIP no', 'UpdateHostKeys no')
    await (await open()).close()
    const learnt = readFileSync(at('known_hosts'), 'utf8')
    expect(learnt).toMatch(/^\|1\|\S+\|\S+ \S+ \S+\n$/)
    const name = `[127.0.0.1]:${server.port}`
    expect(await mustRun([peer('ssh-keygen'), '-F', name, '-f', at('known_hosts')])).toContain('found')
    write('StrictHostKeyChecking yes', 'UpdateHostKeys no')
    expect((await ssh('echo', 'known')).stdout).toBe('known\n')
    await open()
    expect(readFileSync(at('known_hosts'), 'utf8')).toBe(learnt)
  })

  test('has its further host keys added with UpdateHostKeys, which ssh then believes', async () => {
    const { write, open, ssh, at } = place()
    const [first] = server.hostKeys
    writeFileSync(at('known_hosts'), `the-alias ${first}\n`)
    write('HostKeyAlias the-alias', 'UpdateHostKeys yes')
    await open()
    await expect
      .poll(() => readFileSync(at('known_hosts'), 'utf8').trim().split('\n').length)
      .toBe(server.hostKeys.length)
    for (const key of server.hostKeys) expect(readFileSync(at('known_hosts'), 'utf8')).toContain(key)
    for (const algorithm of ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512']) {
      write('HostKeyAlias the-alias', `HostKeyAlgorithms ${algorithm}`, 'StrictHostKeyChecking yes')
      expect((await ssh('echo', algorithm)).stdout).toBe(`${algorithm}\n`)
    }
  })

  test('takes its host keys from KnownHostsCommand', async () => {
    const { write, open, ssh, at, folder } = place()
    copyFileSync(at('known_hosts'), at('elsewhere'))
    writeFileSync(at('known_hosts'), '')
    folder.write('find-keys', `#!/bin/sh\necho "$@" >> ${at('asked')}\nexec cat ${at('elsewhere')}\n`, 0o755)
    write('HostKeyAlias the-alias', `KnownHostsCommand ${at('find-keys')} %H %I %t`, 'StrictHostKeyChecking yes')
    await open()
    const ours = readFileSync(at('asked'), 'utf8')
    writeFileSync(at('asked'), '')
    expect((await ssh('echo', 'in')).stdout).toBe('in\n')
    expect(ours).toMatch(/^the-alias (HOSTNAME|ORDER) \S+$/m)
    expect(readFileSync(at('asked'), 'utf8')).toMatch(/^the-alias HOSTNAME \S+$/m)
  })

  test('refuses host keys that RevokedHostKeys lists, and RSA keys below RequiredRSASize', async () => {
    const { write, open, ssh, folder } = place()
    folder.write('revoked', server.hostKeys.map((key) => `${key}\n`).join(''))
    write('HostKeyAlias the-alias', `RevokedHostKeys ${folder.path}/revoked`)
    await expect(open()).rejects.toBeInstanceOf(HostKeyNotVerifiable)
    expect((await ssh('true')).status).toBe(255)
    write('HostKeyAlias the-alias', 'RequiredRSASize 4096', 'HostKeyAlgorithms rsa-sha2-512')
    await expect(open()).rejects.toMatchObject({ code: 'ERR_SSH_HOST_KEY_TOO_SMALL' })
    expect((await ssh('true')).status).toBe(255)
  })

  test('goes through the hosts of ProxyJump, each by its own section', async () => {
    const { write, open, ssh } = place()
    const hops = ['ProxyJump jump-one,jump-two', 'HostKeyAlias the-alias']
    write(...hops, 'Host jump-*', 'HostKeyAlias the-alias')
    const conn = await open()
    const { stdout } = await conn.run('echo "$SSH_CONNECTION"', { check: true })
    expect(stdout).toMatch(/^127\.0\.0\.1 /)
    expect((await ssh('echo', 'through')).stdout).toBe('through\n')
  })

  test('goes through ProxyCommand, with its tokens', async () => {
    const { write, open, ssh } = place()
    write('HostKeyAlias the-alias', `ProxyCommand ${peer('nc')} %h %p`)
    expect((await (await open()).run('echo in', { check: true })).stdout).toBe('in\n')
    expect((await ssh('echo', 'in')).stdout).toBe('in\n')
  })

  test('has its algorithms', async () => {
    const { write, open, ssh } = place()
    write(
      'HostKeyAlias the-alias',
      'Ciphers aes256-ctr,nobody-knows@example.com',
      'MACs hmac-sha2-512',
      'KexAlgorithms -curve25519*,sntrup*,mlkem*',
      'HostKeyAlgorithms ^rsa-sha2-512',
    )
    const { algorithms } = (await open()).info
    expect(algorithms).toMatchObject({
      encryptionClientToServer: 'aes256-ctr',
      macClientToServer: 'hmac-sha2-512',
      serverHostKey: 'rsa-sha2-512',
    })
    expect(algorithms.kex).not.toMatch(/curve25519|sntrup|mlkem/)
    write('HostKeyAlias the-alias', 'Ciphers aes256-ctr')
    expect((await ssh('echo', 'in')).stdout).toBe('in\n')
  })

  test('gives its sessions the variables and the command that it names', async () => {
    const { write, open, ssh } = place()
    process.env.SSH_TEST_SENT = 'sent'
    onTestFinished(() => void delete process.env.SSH_TEST_SENT)
    const said = ['HostKeyAlias the-alias', 'SetEnv SSH_TEST_SET="a b"', 'SendEnv SSH_TEST_S*']
    write(...said)
    const conn = await open()
    const show = 'echo "$SSH_TEST_SET,$SSH_TEST_SENT"'
    expect((await conn.run(show, { check: true })).stdout).toBe('a b,sent\n')
    expect((await ssh(show)).stdout).toBe('a b,sent\n')
    write(...said, 'RemoteCommand echo %n %r')
    const { stdout } = await (await (await open()).createProcess()).wait({ check: true })
    expect(stdout).toBe(`alias ${server.username}\n`)
    expect((await ssh()).stdout).toBe(stdout)
  })

  test('forwards what it says, until it closes; with ExitOnForwardFailure one that fails ends it', async () => {
    const { write, open } = place()
    const target = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
    await new Promise<void>((listening) => target.listen(0, '127.0.0.1', listening))
    onTestFinished(() => void target.close())
    const address = target.address()
    const targetPort = typeof address === 'object' ? address?.port : undefined
    const [localPort, remotePort] = [await freePort(), await freePort()]
    const forwards = [
      'HostKeyAlias the-alias',
      `LocalForward 127.0.0.1:${localPort} 127.0.0.1:${targetPort}`,
      `RemoteForward 127.0.0.1:${remotePort} 127.0.0.1:${targetPort}`,
    ]
    write(...forwards, 'ExitOnForwardFailure yes')
    const conn = await open()
    for (const port of [localPort, remotePort]) {
      const socket = connectTcp({ port, host: '127.0.0.1' })
      socket.end(`through ${port}`)
      expect(await text(socket)).toBe(`through ${port}`)
    }
    // The ports are taken now.
    await expect(open()).rejects.toThrow()
    await (await open({ clearAllForwardings: true })).close()
    await conn.close()
    await (await open()).close()
  })

  test('hands the key that let it in to the agent, with AddKeysToAgent', async () => {
    const { write, open, at } = place()
    await using agent = await startSshAgent()
    write('HostKeyAlias the-alias', `IdentityAgent ${agent.path}`, 'AddKeysToAgent yes')
    await open()
    const hash = createHash('sha256').update(Buffer.from(server.clientKey.publicLine.split(' ')[1] ?? '', 'base64'))
    expect(await agent.fingerprints()).toEqual([`SHA256:${hash.digest('base64').replace(/=+$/, '')}`])
    expect(existsSync(at('id_login.pub'))).toBe(false)
  })

  test('obeys Match exec, Include and tokens; options given in code win over it', async () => {
    const { write, open, ssh, folder, at } = place()
    folder.write('more.conf', `HostKeyAlias the-alias\nIdentityFile ${at('id_%n')}\n`)
    copyFileSync(at('id_login'), at('id_alias'))
    write('IdentityFile none', `Match exec "test %n = alias && test -r ${at('id_%n')}"`, `Include ${at('*.conf')}`)
    await open()
    expect((await ssh('echo', 'in')).stdout).toBe('in\n')
    await expect(open({ configCommands: false })).rejects.toBeInstanceOf(HostKeyNotVerifiable)
    await expect(open({ port: await freePort() })).rejects.toMatchObject({ code: 'ERR_SSH_CONNECT_FAILED' })
  })
})
