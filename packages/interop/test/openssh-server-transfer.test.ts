/** Our client and sshd move 64 MiB each way while either side, or both, change keys every MiB. */

import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectTo, type ForeignServer, lacks, startSshd } from '../src/index.js'

const size = 64 << 20
const data = randomBytes(size)
const digest = createHash('sha256').update(data).digest('hex')

describe.skipIf(lacks('sshd', 'ssh-keygen'))('64 MiB each way through sshd', () => {
  let patient: ForeignServer
  let eager: ForeignServer
  beforeAll(async () => {
    patient = await startSshd()
    eager = await startSshd({ config: { RekeyLimit: '1M' } })
  })
  afterAll(async () => {
    await patient?.stop()
    await eager?.stop()
  })

  const cases = [
    { who: 'nobody', isServerEager: false, options: {}, leastRekeys: 0 },
    { who: 'the server', isServerEager: true, options: {}, leastRekeys: 60 },
    { who: 'the client', isServerEager: false, options: { rekeyBytes: '1m' }, leastRekeys: 60 },
    { who: 'each', isServerEager: true, options: { rekeyBytes: '1m' }, leastRekeys: 60 },
    {
      who: 'each, with a MAC of its own',
      isServerEager: true,
      options: { rekeyBytes: '1m', encryptionAlgs: ['aes256-ctr'], macAlgs: ['hmac-sha2-256-etm@openssh.com'] },
      leastRekeys: 60,
    },
    {
      who: 'each, with ChaCha20',
      isServerEager: true,
      options: { rekeyBytes: '1m', encryptionAlgs: ['chacha20-poly1305@openssh.com'] },
      leastRekeys: 60,
    },
  ] as const

  test.for(cases)('arrive whole when $who changes keys every MiB', async ({ isServerEager, options, leastRekeys }) => {
    await using conn = await connectTo(isServerEager ? eager : patient, options)
    let rekeys = 0
    conn.on('rekey', () => rekeys++)
    const { stdout, exitStatus } = await conn.run('cat', { input: data, encoding: 'buffer' })
    expect([exitStatus, stdout.length, createHash('sha256').update(stdout).digest('hex')]).toEqual([0, size, digest])
    expect(rekeys).toBeGreaterThanOrEqual(leastRekeys)
  })

  test('arrive whole one way at a time', async () => {
    await using conn = await connectTo(eager, { rekeyBytes: '1m' })
    expect((await conn.run('sha256sum', { input: data })).stdout).toContain(digest)
    const { stdout } = await conn.run(`head -c ${size} /dev/zero`, { encoding: 'buffer' })
    expect(stdout.equals(Buffer.alloc(size))).toBe(true)
  })

  test('arrive whole on eight channels at once', async () => {
    await using conn = await connectTo(eager, { rekeyBytes: '1m' })
    const part = size / 8
    const parts = Array.from({ length: 8 }, (_, index) => data.subarray(index * part, (index + 1) * part))
    const results = await Promise.all(parts.map((input) => conn.run('cat', { input, encoding: 'buffer' })))
    expect(results.map(({ stdout }, index) => parts[index]?.equals(stdout))).toEqual(parts.map(() => true))
  })

  test('new keys can be had for the asking in the middle of a transfer', async () => {
    await using conn = await connectTo(patient)
    const transfer = conn.run('cat', { input: data, encoding: 'buffer' })
    for (let round = 0; round < 10; round++) await conn.rekey()
    expect((await transfer).stdout.equals(data)).toBe(true)
  })
})
