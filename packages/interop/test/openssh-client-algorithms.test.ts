/** OpenSSH's ssh against our server: every choice of algorithms that both know, with data both ways. */

import { randomBytes } from 'node:crypto'
import { signatureAlgorithms } from '@ssh/crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { everyChoice, inLanes, lacks, type SdkServer, sharedAlgorithms, ssh, startSdkServer } from '../src/index.js'

const data = randomBytes(50_000)

describe.skipIf(lacks('ssh', 'ssh-keygen'))('algorithms of ssh', async () => {
  const all = await sharedAlgorithms()
  // A server does not prove itself with SHA-1.
  const shared = { ...all, hostKeys: all.hostKeys.filter((name) => signatureAlgorithms.defaultNames.includes(name)) }
  let server: SdkServer
  beforeAll(async () => {
    server = await startSdkServer({
      hostKeyTypes: ['ed25519', ...[256, 384, 521].map((bits) => ({ type: 'ecdsa', bits }) as const), 'rsa'],
      kexAlgs: shared.kex,
      encryptionAlgs: shared.ciphers,
      macAlgs: shared.macs,
      // The data comes back at once, so that the test waits for nothing but the two ends of the connection.
      processFactory: (process) => void process.stdin.pipe(process.stdout).once('finish', () => process.exit(0)),
    })
  })
  afterAll(() => server?.stop())

  const choices = everyChoice(shared)
  test.for(shared.kex)('%s works with every host key, cipher and MAC', async (kex) => {
    const ofThisKex = choices.filter((choice) => choice.kex === kex)
    await inLanes(2, ofThisKex, async ({ hostKey, cipher, mac }) => {
      const { status, stdout, stderr } = await ssh(server, 'echo', {
        input: data,
        config: {
          KexAlgorithms: kex,
          HostKeyAlgorithms: hostKey,
          Ciphers: cipher,
          ...(mac !== undefined && { MACs: mac }),
        },
      })
      expect([status, stdout.equals(data), stderr]).toEqual([0, true, ''])
    })
  })
})
