/** Our client against sshd: every choice of algorithms that both know, with data both ways. */

import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  connectTo,
  everyChoice,
  type ForeignServer,
  inLanes,
  lacks,
  sharedAlgorithms,
  startSshd,
} from '../src/index.js'

const data = randomBytes(50_000)

describe.skipIf(lacks('sshd', 'ssh', 'ssh-keygen'))('algorithms of sshd', async () => {
  const shared = await sharedAlgorithms()
  let server: ForeignServer
  beforeAll(async () => {
    server = await startSshd({
      hostKeyTypes: ['ed25519', ...[256, 384, 521].map((bits) => ({ type: 'ecdsa', bits }) as const), 'rsa'],
      config: {
        KexAlgorithms: shared.kex.join(),
        HostKeyAlgorithms: shared.hostKeys.join(),
        Ciphers: shared.ciphers.join(),
        MACs: shared.macs.join(),
        LogLevel: 'QUIET',
      },
    })
  })
  afterAll(() => server?.stop())

  const choices = everyChoice(shared)
  test.for(shared.kex)('%s works with every host key, cipher and MAC', async (kex) => {
    await inLanes(
      2,
      choices.filter((choice) => choice.kex === kex),
      async ({ hostKey, cipher, mac }) => {
        await using conn = await connectTo(server, {
          kexAlgs: [kex],
          serverHostKeyAlgs: [hostKey],
          encryptionAlgs: [cipher],
          ...(mac !== undefined && { macAlgs: [mac] }),
        })
        const { algorithms } = conn.info
        expect(algorithms).toMatchObject({
          kex,
          serverHostKey: hostKey,
          encryptionClientToServer: cipher,
          encryptionServerToClient: cipher,
          macClientToServer: mac,
        })
        const { stdout } = await conn.run('cat', { input: data, encoding: 'buffer' })
        expect(stdout.equals(data)).toBe(true)
      },
    )
  })
})
