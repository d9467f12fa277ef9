/** OpenSSH's clients on our server, which goes by a file of sshd_config; and on sshd, which goes by the same file. */

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { type ListenOptions, listen } from '@ssh/sdk'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  freePort,
  isRoot,
  type KeyFile,
  type LoginTarget,
  lacks,
  makeKey,
  peer,
  runInShell,
  sftp,
  ssh,
  startProgram,
  systemUser,
  temporaryFolder,
  untilListening,
  withoutComment,
} from '../../src/index.js'

/** Of a user's files, unless they say otherwise. */
const groupOf = (user: string) => execFileSync('id', ['-gn', user], { encoding: 'utf8' }).trim()

describe.skipIf(lacks('sshd', 'ssh', 'sftp', 'ssh-keygen'))('a file of sshd_config', () => {
  interface Place {
    readonly key: KeyFile
    readonly username: string
    readonly home: string
    at(name: string): string
    /** Our server, by a file with these lines behind those that say where the keys are. */
    ours(lines: readonly string[], options?: Partial<ListenOptions>): Promise<LoginTarget>
    /** sshd by the same file. */
    theirs(lines: readonly string[]): Promise<LoginTarget>
  }

  async function place(): Promise<Place> {
    const folder = temporaryFolder()
    onTestFinished(() => folder.remove())
    const user = await systemUser()
    onTestFinished(() => user.remove())
    const at = (name: string) => `${folder.path}/${name}`
    const hostKey = await makeKey(folder.path, 'host', 'ed25519')
    const key = await makeKey(folder.path, 'client', 'ed25519')
    mkdirSync(at('keys'))
    writeFileSync(at(`keys/${user.name}`), `${key.publicLine}\n`, { mode: 0o644 })
    const fileOf = (port: number, lines: readonly string[]): string => {
      const common = [
        `ListenAddress 127.0.0.1:${port}`,
        `HostKey ${hostKey.path}`,
        `AuthorizedKeysFile ${at('none')} ${at('keys/%u')}`,
        'StrictModes no',
      ]
      return folder.write('sshd_config', [...common, ...lines, ''].join('\n'))
    }
    const target = (port: number): LoginTarget => ({
      host: '127.0.0.1',
      port,
      username: user.name,
      clientKey: key,
      hostKeys: [withoutComment(hostKey.publicLine)],
    })
    return {
      key,
      username: user.name,
      home: user.home,
      at,
      async ours(lines, options = {}) {
        const port = await freePort()
        const config = fileOf(port, lines)
        const server = await listen({ config, processFactory: runInShell, sftpFactory: true, ...options })
        onTestFinished(() => server.close())
        expect(server.port).toBe(port)
        return target(port)
      },
      async theirs(lines) {
        // Where the unprivileged half of sshd is locked in.
        if (isRoot()) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 })
        const port = await freePort()
        const file = fileOf(port, ['PidFile none', 'UsePAM no', ...lines])
        const program = startProgram([peer('sshd'), '-D', '-e', '-f', file])
        onTestFinished(() => program.stop())
        await untilListening(port, program)
        return target(port)
      },
    }
  }

  test('says where to listen, by which host key, and whose keys get in', async () => {
    const { ours, theirs, username, at } = await place()
    for (const server of [await ours([]), await theirs([])]) {
      expect((await ssh(server, 'echo in')).stdout.toString()).toBe('in\n')
      expect((await ssh({ ...server, username: `${username}x` }, 'echo in')).status).toBe(255)
    }
    const other = await makeKey(at(''), 'other', 'ed25519')
    expect((await ssh({ ...(await ours([])), clientKey: other }, 'echo in')).status).toBe(255)
  })

  test('greets with its Banner, and forces its command on the users of a Match', async () => {
    const { ours, theirs, username, at } = await place()
    writeFileSync(at('banner'), 'Authorised use only\n')
    const lines = [
      `Banner ${at('banner')}`,
      'AcceptEnv SSH_TEST_*',
      'SetEnv SSH_TEST_SET=server',
      `Match user ${username},nobody-else`,
      '  ForceCommand echo "forced; $SSH_TEST_GIVEN $SSH_TEST_SET"',
    ]
    for (const server of [await ours(lines), await theirs(lines)]) {
      const config = { SetEnv: 'SSH_TEST_GIVEN=client' }
      const { stdout, stderr } = await ssh(server, 'rm -rf /nowhere', { config })
      expect(stdout.toString()).toBe('forced; client server\n')
      expect(stderr).toContain('Authorised use only')
    }
  })

  test.each<[string, (username: string) => string[], boolean]>([
    ['AllowUsers', (name) => [`AllowUsers ${name}@127.0.0.*`], true],
    ['AllowUsers of another address', (name) => [`AllowUsers ${name}@10.0.0.0/8`], false],
    ['DenyUsers before AllowUsers', (name) => [`AllowUsers ${name}`, 'DenyUsers sshtest* *'], false],
    ['AllowGroups', (name) => [`AllowGroups nobody-has-this ${groupOf(name)}`], true],
    ['AllowGroups of others', () => ['AllowGroups nobody-has-this'], false],
    ['PubkeyAuthentication no behind Match', (name) => [`Match user ${name}`, 'PubkeyAuthentication no'], false],
    ['a Match of another address', () => ['Match address 10.0.0.0/8', 'PubkeyAuthentication no'], true],
    ['a Match of this address', () => ['Match address 127.0.0.0/8', 'PubkeyAuthentication no'], false],
    ['AuthenticationMethods', () => ['AuthenticationMethods publickey'], true],
    [
      'AuthenticationMethods of two',
      () => ['PasswordAuthentication yes', 'AuthenticationMethods publickey,password'],
      false,
    ],
  ])('decides who gets in: %s', async (_, lines, isIn) => {
    const { ours, theirs, username } = await place()
    const options = { serverFactory: () => ({ validatePassword: () => false }) }
    for (const server of [await ours(lines(username), options), await theirs(lines(username))]) {
      expect((await ssh(server, 'true')).status).toBe(isIn ? 0 : 255)
    }
  })

  test('has its algorithms', async () => {
    const { ours, theirs } = await place()
    const lines = ['Ciphers aes128-ctr', 'MACs hmac-sha2-256', 'KexAlgorithms ecdh-sha2-nistp256']
    for (const server of [await ours(lines), await theirs(lines)]) {
      const { stderr } = await ssh(server, 'true', { extraArguments: ['-v'] })
      expect(stderr).toMatch(/kex: algorithm: ecdh-sha2-nistp256/)
      expect(stderr).toMatch(/cipher: aes128-ctr MAC: hmac-sha2-256/)
      expect((await ssh(server, 'true', { config: { Ciphers: 'aes256-ctr' } })).status).toBe(255)
    }
  })

  test('keeps forwardings to PermitOpen, and shuts them off for the users of a Match', async () => {
    const { ours, theirs, username } = await place()
    const probe = async (server: LoginTarget, to: number) =>
      (await ssh(server, undefined, { extraArguments: ['-W', `127.0.0.1:${to}`] })).stdout.toString()
    const first = await freePort()
    for (const start of [ours, theirs]) {
      const inner = await start([])
      const permitted = await start(['AllowTcpForwarding yes', `PermitOpen 127.0.0.1:${inner.port}`])
      expect(await probe(permitted, inner.port)).toMatch(/^SSH-2\.0-/)
      expect(await probe(permitted, permitted.port)).toBe('')
      expect(await probe(permitted, first)).toBe('')
      const off = await start(['AllowTcpForwarding yes', `Match user ${username}`, 'DisableForwarding yes'])
      expect(await probe(off, inner.port)).toBe('')
      const allowed = await start(['AllowTcpForwarding no', `Match user ${username}`, 'AllowTcpForwarding local'])
      expect(await probe(allowed, inner.port)).toMatch(/^SSH-2\.0-/)
    }
  })

  test('keeps terminals from the users of a Match, with PermitTTY', async () => {
    const { ours, theirs, username } = await place()
    const lines = [`Match user ${username}`, 'PermitTTY no']
    for (const server of [await ours(lines), await theirs(lines)]) {
      const { stderr } = await ssh(server, 'echo in', { extraArguments: ['-tt'] })
      expect(stderr).toContain('PTY allocation request failed')
    }
  })

  test('shuts the users of a Match into ChrootDirectory, for SFTP', async () => {
    const { ours, at, username } = await place()
    mkdirSync(at('root'))
    mkdirSync(at(`root/${username}`))
    copyFileSync(at(`keys/${username}`), at(`root/${username}/inside`))
    const lines = [`Match user ${username}`, `ChrootDirectory ${at('root/%u')}`, 'ForceCommand internal-sftp']
    const server = await ours(lines)
    const { stdout, status } = await sftp(server, [
      'pwd',
      'ls -1 /',
      '-get /etc/passwd /dev/null',
      '-ls ../../../../etc',
    ])
    expect(status).toBe(0)
    expect(stdout.toString()).toMatch(/Remote working directory: \/\n/)
    expect(stdout.toString()).toMatch(/^\/?inside$/m)
    expect(stdout.toString()).not.toContain('passwd\n')
    expect((await ssh(server, 'cat /etc/passwd')).stdout.toString()).not.toContain('root:')
  })
})
