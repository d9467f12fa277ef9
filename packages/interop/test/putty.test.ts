/** PuTTY's plink and psftp against our server. */

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { kexAlgorithms } from '@ssh/crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type KeyFile,
  type KeySpec,
  lacks,
  makeKey,
  plink,
  psftp,
  type SdkServer,
  startSdkServer,
  temporaryFolder,
} from '../src/index.js'

const data = randomBytes(8 << 20)
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const specs: readonly KeySpec[] = ['ed25519', { type: 'ecdsa', bits: 384 }, { type: 'rsa', bits: 2048 }]

describe.skipIf(lacks('plink', 'psftp', 'puttygen', 'ssh-keygen'))('PuTTY on our server', () => {
  const folder = temporaryFolder()
  const keys = new Map<KeySpec, KeyFile>()
  let server: SdkServer
  beforeAll(async () => {
    for (const spec of specs) keys.set(spec, await makeKey(folder.path, `key_${keys.size}`, spec))
    server = await startSdkServer({
      rekeyBytes: '1m',
      kexAlgs: kexAlgorithms.names,
      moreAuthorizedKeys: [...keys.values()].map(({ publicLine }) => publicLine),
    })
  })
  afterAll(async () => {
    await server?.stop()
    folder.remove()
  })

  test.for(specs)('plink logs in with a key of type %j', async (spec) => {
    const { status, stdout } = await plink({ ...server, clientKey: keys.get(spec) }, 'echo in')
    expect([status, stdout.toString()]).toEqual([0, 'in\n'])
  })

  test('plink logs in with a password, and not with a wrong one', async () => {
    expect((await plink(server, 'echo in', { usePassword: true })).stdout.toString()).toBe('in\n')
    const { status, stdout } = await plink({ ...server, password: 'wrong' }, 'echo in', { usePassword: true })
    expect([status, stdout.length]).toEqual([1, 0])
  })

  test('plink refuses a host key that it does not expect', async () => {
    const stranger = await makeKey(folder.path, 'stranger', 'ed25519')
    const hostKeys = [stranger.publicLine]
    const { status, stderr } = await plink({ ...server, hostKeys }, 'echo in')
    expect([status, stderr]).toEqual([1, expect.stringMatching(/[Hh]ost key/)])
  })

  test('plink runs programs: status, both outputs, input', async () => {
    const { status, stdout, stderr } = await plink(server, 'cat; echo err >&2; exit 3', { input: 'in' })
    expect([status, stdout.toString(), stderr]).toEqual([3, 'in', 'err\n'])
  })

  test('plink gets data both ways while we change keys every MiB', async () => {
    const { status, stdout } = await plink(server, 'cat', { input: data })
    expect([status, hash(stdout)]).toEqual([0, hash(data)])
  })

  test('psftp puts, lists, renames, gets and removes files', async () => {
    using here = temporaryFolder()
    here.write('up', data)
    const { status, stdout } = await psftp(server, [
      `lcd ${here.path}`,
      `cd ${server.folder}`,
      'put up',
      'mkdir d',
      'mv up d/moved',
      'chmod 640 d/moved',
      'ls d',
      'get d/moved down',
      'del d/moved',
      'rmdir d',
    ])
    expect(status).toBe(0)
    expect(stdout.toString()).toMatch(/-rw-r----- .* 8388608 .* moved/)
    expect(hash(readFileSync(join(here.path, 'down')))).toBe(hash(data))
    expect(() => statSync(join(server.folder, 'd'))).toThrow(/ENOENT/)
  })

  test('psftp copies trees both ways', async () => {
    using here = temporaryFolder()
    for (let index = 0; index < 20; index++) here.write(`f${index}`, `${index}`.repeat(1000 * index))
    const { status } = await psftp(server, [
      `put -r ${here.path} ${server.folder}/tree`,
      `get -r ${server.folder}/tree ${folder.path}/back`,
    ])
    expect(status).toBe(0)
    for (let index = 0; index < 20; index++) {
      expect(readFileSync(join(folder.path, `back/f${index}`), 'utf8')).toBe(`${index}`.repeat(1000 * index))
    }
  })

  test('psftp is told what is not there', async () => {
    const { stdout, stderr } = await psftp(server, [`get ${server.folder}/nothing ${folder.path}/x`])
    expect(stdout.toString() + stderr).toMatch(/no such file/i)
  })
})
