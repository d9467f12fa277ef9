/** ssh, sftp and scp move data through our server, while either side changes keys every MiB. */

import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  lacks,
  runInShell,
  type SdkServer,
  scp,
  sftp,
  ssh,
  startSdkServer,
  type TemporaryFolder,
  temporaryFolder,
} from '../src/index.js'

const size = 64 << 20
const data = randomBytes(size)
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const digest = hash(data)

describe.skipIf(lacks('ssh', 'ssh-keygen'))('64 MiB each way through our server', () => {
  let patient: SdkServer
  let eager: SdkServer
  beforeAll(async () => {
    patient = await startSdkServer()
    eager = await startSdkServer({ rekeyBytes: '1m' })
  })
  afterAll(async () => {
    await patient?.stop()
    await eager?.stop()
  })

  const cases = [
    { who: 'nobody', isServerEager: false, config: {}, leastRekeys: 0 },
    { who: 'ssh', isServerEager: false, config: { RekeyLimit: '1M' }, leastRekeys: 60 },
    { who: 'the server', isServerEager: true, config: {}, leastRekeys: 60 },
    { who: 'each', isServerEager: true, config: { RekeyLimit: '1M' }, leastRekeys: 60 },
    {
      who: 'each, with ChaCha20',
      isServerEager: true,
      config: { RekeyLimit: '1M', Ciphers: 'chacha20-poly1305@openssh.com' },
      leastRekeys: 60,
    },
    {
      who: 'each, with a MAC of its own',
      isServerEager: true,
      config: { RekeyLimit: '1M', Ciphers: 'aes256-ctr', MACs: 'hmac-sha2-512' },
      leastRekeys: 60,
    },
  ]

  test.for(cases)('arrive whole when $who changes keys every MiB', async ({ isServerEager, config, leastRekeys }) => {
    const { status, stdout, stderr } = await ssh(isServerEager ? eager : patient, 'cat', {
      input: data,
      config,
      extraArguments: ['-v'],
    })
    expect([status, stdout.length, hash(stdout)]).toEqual([0, size, digest])
    expect(stderr.match(/SSH2_MSG_NEWKEYS received/g)?.length).toBeGreaterThan(leastRekeys)
  })
})

describe.skipIf(lacks('ssh', 'sftp', 'scp', 'ssh-keygen'))('files of our server', () => {
  let server: SdkServer
  let here: TemporaryFolder
  const there = (name: string) => join(server.folder, name)
  const local = (name: string) => join(here.path, name)
  beforeAll(async () => {
    server = await startSdkServer({ rekeyBytes: '1m' })
  })
  afterAll(() => server?.stop())
  beforeEach(() => {
    here = temporaryFolder()
  })
  afterEach(() => here.remove())

  test('come and go whole through sftp', async () => {
    here.write('big', data)
    here.write('empty', '')
    const { status, stderr } = await sftp(
      server,
      [`lcd ${here.path}`, `cd ${server.folder}`, 'put big', 'put empty', 'get big back', 'get empty empty2'],
      { config: { RekeyLimit: '1M' } },
    )
    expect([status, stderr]).toEqual([0, ''])
    expect([hash(readFileSync(there('big'))), hash(readFileSync(local('back')))]).toEqual([digest, digest])
    expect([statSync(there('empty')).size, statSync(local('empty2')).size]).toEqual([0, 0])
  })

  test('are listed, renamed, linked, changed and removed through sftp', async () => {
    mkdirSync(there('d'))
    writeFileSync(there('d/a'), 'hello')
    const { status, stdout, stderr } = await sftp(server, [
      `cd ${there('d')}`,
      'pwd',
      'rename a b',
      'ln b h',
      'ln -s b s',
      'chmod 640 b',
      'mkdir e',
      'ls -la',
      'df',
      'rm h',
      'rmdir e',
    ])
    expect([status, stderr]).toEqual([0, ''])
    const said = stdout.toString()
    expect(said).toContain(`Remote working directory: ${there('d')}`)
    expect(said).toMatch(/^-rw-r----- .* 5 .* b$/m)
    expect(said).toMatch(/^drwx.* e$/m)
    expect(said).toMatch(/^l.* s$/m)
    expect(readdirSync(there('d')).sort()).toEqual(['b', 's'])
    expect(statSync(there('d/b')).mode & 0o777).toBe(0o640)
  })

  test('in a tree come and go with times and modes through sftp', async () => {
    mkdirSync(local('tree/deep/er'), { recursive: true })
    for (let index = 0; index < 50; index++) writeFileSync(local(`tree/deep/f${index}`), `${index}`.repeat(index * 100))
    chmodSync(local('tree/deep/f1'), 0o751)
    const { status, stderr } = await sftp(server, [
      `put -pR ${local('tree')} ${server.folder}`,
      `get -pR ${there('tree')} ${local('back')}`,
    ])
    expect([status, stderr]).toEqual([0, ''])
    for (let index = 0; index < 50; index++) {
      expect(readFileSync(local(`back/deep/f${index}`), 'utf8')).toBe(`${index}`.repeat(index * 100))
    }
    const [before, after] = [statSync(local('tree/deep/f1')), statSync(local('back/deep/f1'))]
    expect([after.mode, Math.trunc(after.mtimeMs / 1000)]).toEqual([before.mode, Math.trunc(before.mtimeMs / 1000)])
  })

  test('that broke off go on where they were with reget and reput', async () => {
    here.write('whole', data)
    writeFileSync(there('part'), data.subarray(0, 1_000_000))
    here.write('started', data.subarray(0, 2_000_000))
    const { status, stderr } = await sftp(server, [
      `reput ${local('whole')} ${there('part')}`,
      `reget ${there('part')} ${local('started')}`,
    ])
    expect([status, stderr]).toEqual([0, ''])
    expect([hash(readFileSync(there('part'))), hash(readFileSync(local('started')))]).toEqual([digest, digest])
  })

  test('that are not there are told in words that sftp prints', async () => {
    const { status, stderr } = await sftp(server, [`get ${there('nothing')} ${local('x')}`])
    expect(status).toBe(1)
    expect(stderr).toMatch(/not found|No such file/)
  })

  test('come and go whole through scp, in trees too', async () => {
    here.write('big', data)
    const config = { RekeyLimit: '1M' }
    expect(await scp(server, (remote) => [local('big'), remote(there('scp'))], { config })).toMatchObject({
      status: 0,
      stderr: '',
    })
    expect(await scp(server, (remote) => [remote(there('scp')), local('back')], { config })).toMatchObject({
      status: 0,
      stderr: '',
    })
    expect([hash(readFileSync(there('scp'))), hash(readFileSync(local('back')))]).toEqual([digest, digest])
    mkdirSync(local('t/u'), { recursive: true })
    here.write('t/u/f', 'deep')
    await scp(server, (remote) => [local('t'), remote(there('t'))], { extraArguments: ['-r', '-p'] })
    await scp(server, (remote) => [remote(there('t')), local('t2')], { extraArguments: ['-r', '-p'] })
    expect(readFileSync(local('t2/u/f'), 'utf8')).toBe('deep')
  })

  test('come and go through the old scp protocol when a shell runs scp', async () => {
    here.write('f', data.subarray(0, 1_000_000))
    const old = { extraArguments: ['-O'] }
    expect((await scp(server, (remote) => [local('f'), remote(there('old'))], old)).status).toBe(0)
    expect((await scp(server, (remote) => [remote(there('old')), local('back')], old)).status).toBe(0)
    expect(hash(readFileSync(local('back')))).toBe(hash(data.subarray(0, 1_000_000)))
  })
})

describe.skipIf(lacks('ssh', 'sftp', 'scp', 'ssh-keygen'))('a folder of our server as all there is', () => {
  test('holds sftp inside', async () => {
    using outside = temporaryFolder()
    const secret = outside.write('secret', 'do not show')
    using inside = temporaryFolder()
    inside.write('public', 'show')
    await using server = await startSdkServer({ sftpFactory: { root: inside.path }, processFactory: undefined })
    using here = temporaryFolder()
    const escapes = [`get ${secret} ${here.path}/a`, `get ../../../../../..${secret} ${here.path}/b`]
    for (const line of escapes) expect((await sftp(server, [line])).status).toBe(1)
    const linked = [`ln -s ${secret} link`, `get link ${here.path}/c`]
    expect((await sftp(server, linked)).status).toBe(1)
    expect(['a', 'b', 'c'].filter((name) => existsSync(join(here.path, name)))).toEqual([])
    const { status, stdout } = await sftp(server, ['pwd', 'ls', `get /public ${here.path}/d`])
    expect([status, stdout.toString()]).toEqual([0, expect.stringMatching(/directory: \/\n(?:.*\n)*.*public/)])
    expect(readFileSync(join(here.path, 'd'), 'utf8')).toBe('show')
  })

  test('can be read-only', async () => {
    using inside = temporaryFolder()
    inside.write('public', 'show')
    using here = temporaryFolder()
    const mine = here.write('mine', 'x')
    await using server = await startSdkServer({
      sftpFactory: { root: inside.path, readOnly: true },
      processFactory: runInShell,
    })
    expect((await sftp(server, [`get /public ${here.path}/got`])).status).toBe(0)
    for (const line of [`put ${mine} /mine`, 'rm /public', 'mkdir /d', 'rename /public /p', 'chmod 777 /public']) {
      expect((await sftp(server, [line])).status).toBe(1)
    }
    expect(readdirSync(inside.path)).toEqual(['public'])
  })
})
