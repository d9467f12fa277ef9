/** Dropbear's server against our client, and its client against our server. */

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ciphers, kexAlgorithms, macs } from '@ssh/crypto'
import { KeyExchangeFailed, PermissionDenied } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  canServeDropbear,
  connectTo,
  dbclient,
  type ForeignServer,
  inLanes,
  lacks,
  type SdkServer,
  startDropbear,
  startSdkServer,
  temporaryFolder,
} from '../src/index.js'

const data = randomBytes(8 << 20)
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe.skipIf(lacks('dropbear', 'ssh-keygen', 'sftp-server') || !canServeDropbear())('our client on Dropbear', () => {
  let server: ForeignServer
  beforeAll(async () => {
    server = await startDropbear()
  })
  afterAll(() => server?.stop())

  test('logs in with a key and with a password, and not with a wrong one', async () => {
    await using keyed = await connectTo(server)
    expect((await keyed.run('id -un')).stdout.trim()).toBe(server.username)
    const { password = '' } = server
    await using typed = await connectTo(server, { clientKeys: null, password })
    expect((await typed.run('id -un')).stdout.trim()).toBe(server.username)
    await expect(connectTo(server, { clientKeys: null, password: 'wrong' })).rejects.toBeInstanceOf(PermissionDenied)
  })

  test('runs programs: status, signal, both outputs, input, terminal', async () => {
    await using conn = await connectTo(server)
    expect(await conn.run('cat; echo err >&2; exit 3', { input: 'in' })).toMatchObject({
      stdout: 'in',
      stderr: 'err\n',
      exitStatus: 3,
    })
    expect(await conn.run('kill -TERM $$')).toMatchObject({ exitStatus: null, exitSignal: { name: 'TERM' } })
    expect((await conn.run('stty size', { requestPty: true, termSize: [132, 43] })).stdout).toBe('43 132\r\n')
    // Not at once: until 2024.86 a session that ends makes it close those whose program it has not been told of yet.
    for (const number of [1, 2, 3, 4, 5]) expect((await conn.run(`echo ${number}`)).stdout).toBe(`${number}\n`)
  })

  test('moves data both ways while keys change every MiB', async () => {
    await using conn = await connectTo(server, { rekeyBytes: '1m' })
    let rekeys = 0
    conn.on('rekey', () => rekeys++)
    const { stdout } = await conn.run('cat', { input: data, encoding: 'buffer' })
    expect(hash(stdout)).toBe(hash(data))
    expect(rekeys).toBeGreaterThanOrEqual(6)
  })

  test('moves files', async () => {
    using here = temporaryFolder()
    await using conn = await connectTo(server)
    await using sftp = await conn.startSftpClient()
    await sftp.put(here.write('up', data), join(server.folder, 'file'))
    await sftp.get(join(server.folder, 'file'), join(here.path, 'down'))
    expect(hash(readFileSync(join(here.path, 'down')))).toBe(hash(data))
    await expect(sftp.stat(join(server.folder, 'no'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  const offered = {
    kexAlgs: kexAlgorithms.names,
    encryptionAlgs: ciphers.names,
    macAlgs: macs.names,
    serverHostKeyAlgs: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-256'],
  }

  test.for(Object.entries(offered))('agrees on every algorithm of %s that it has', async ([option, names]) => {
    const agreed: string[] = []
    await inLanes(2, names, async (name) => {
      // A cipher that needs a MAC, or no MAC would be agreed on.
      const base = option === 'macAlgs' ? { encryptionAlgs: ['aes128-ctr'] } : {}
      const conn = await connectTo(server, { ...base, [option]: [name] }).catch((error: unknown) => {
        expect(error).toBeInstanceOf(KeyExchangeFailed)
        return undefined
      })
      if (conn === undefined) return
      const { stdout } = await conn.run('cat', { input: data.subarray(0, 100_000), encoding: 'buffer' })
      expect(stdout.equals(data.subarray(0, 100_000))).toBe(true)
      agreed.push(name)
      await conn.close()
    })
    expect(agreed.length).toBeGreaterThan(1)
  })
})

describe.skipIf(lacks('dbclient', 'ssh-keygen'))("Dropbear's client on our server", () => {
  let server: SdkServer
  beforeAll(async () => {
    server = await startSdkServer({ rekeyBytes: '1m', kexAlgs: kexAlgorithms.names })
  })
  afterAll(() => server?.stop())

  test('runs programs: status, both outputs, input', async () => {
    const { status, stdout, stderr } = await dbclient(server, 'cat; echo err >&2; exit 3', { input: 'in' })
    expect([status, stdout.toString()]).toEqual([3, 'in'])
    expect(stderr).toContain('err\n')
  })

  test('logs in with a password', async () => {
    const { status, stdout } = await dbclient(server, 'echo in', { password: server.password })
    expect([status, stdout.toString()]).toEqual([0, 'in\n'])
    const wrong = await dbclient(server, 'echo in', { password: 'wrong' })
    // It ends with status 0 then, with OpenSSH's server too.
    expect([wrong.stdout.length, wrong.stderr]).toEqual([0, expect.stringContaining('Disconnect received')])
  })

  test('gets data both ways while we change keys every MiB', async () => {
    const { status, stdout } = await dbclient(server, 'cat', { input: data })
    expect([status, hash(stdout)]).toEqual([0, hash(data)])
  })

  test('agrees on every cipher and MAC that it has', async () => {
    for (const cipher of ['chacha20-poly1305@openssh.com', 'aes128-ctr', 'aes256-ctr']) {
      for (const mac of ['hmac-sha2-256', 'hmac-sha1']) {
        const { status, stdout } = await dbclient(server, 'echo hi', { extraArguments: ['-c', cipher, '-m', mac] })
        expect([cipher, mac, status, stdout.toString()]).toEqual([cipher, mac, 0, 'hi\n'])
      }
    }
  })
})
