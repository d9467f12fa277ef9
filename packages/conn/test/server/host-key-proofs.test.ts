import { globalRequests, hostKeyProof, hostKeysProveReply } from '@ssh/wire'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { establishClient } from '../../src/client/connect.js'
import type { RequestReply } from '../../src/connection/replies.js'
import { aliceOptions, hostKey, serving, streamPair, type TestServerOptions } from '../loopback.js'
import { testKey } from '../transport-pair.js'

const [rsa, stranger] = await Promise.all([testKey('ssh-rsa'), testKey('ecdsa-sha2-nistp256')])
const blobs = (...keys: { readonly publicKey: { readonly blob: Uint8Array } }[]) =>
  keys.map((key) => key.publicKey.blob)

/** A client that asks for proof of whatever it likes. */
async function asking(options: TestServerOptions, serverHostKeyAlgs = ['ssh-ed25519']) {
  const [near, far] = streamPair()
  const server = await serving(far, options)
  const announce = vi.spyOn(server.peer.mux, 'globalRequest')
  const hostKeyFingerprint = [hostKey, rsa].map((key) => key.getFingerprint())
  const link = await establishClient('server', { ...aliceOptions, hostKeyFingerprint, serverHostKeyAlgs, sock: near })
  onTestFinished(() => link.close())
  const ask = (hostKeys: readonly Uint8Array[]) =>
    new Promise<RequestReply>((resolve) => {
      const data = globalRequests.encode('hostkeys-prove-00@openssh.com', { hostKeys: [...hostKeys] })
      link.peer.mux.globalRequest('hostkeys-prove-00@openssh.com', data, resolve)
    })
  return { link, ask, announced: () => announce.mock.calls, sessionIdentifier: link.peer.transport.sessionIdentifier }
}

const sending = { sendServerHostKeys: true, serverHostKeys: [hostKey, rsa] }

describe('a server that sends its host keys', () => {
  test('names each of them once, after login', async () => {
    const { announced } = await asking({ sendServerHostKeys: true, serverHostKeys: [hostKey, rsa, hostKey] })
    const data = globalRequests.encode('hostkeys-00@openssh.com', { hostKeys: blobs(hostKey, rsa) })
    await vi.waitFor(() => expect(announced()).toEqual([['hostkeys-00@openssh.com', data]]))
  })

  test.each([
    ['ssh-ed25519', 'rsa-sha2-512'],
    ['rsa-sha2-256', 'rsa-sha2-256'],
  ])('proves them over the session: after %s an RSA key with %s', async (negotiated, algorithm) => {
    const { ask, sessionIdentifier = new Uint8Array(0) } = await asking(sending, [negotiated])
    const reply = await ask(blobs(rsa, hostKey))
    if (reply.outcome !== 'success') throw new Error(reply.outcome)
    const { signatures } = hostKeysProveReply.decode(reply.data)
    const proofs = [rsa, hostKey].map(({ publicKey }, index) =>
      publicKey.verify(
        hostKeyProof.encode({
          requestName: 'hostkeys-prove-00@openssh.com',
          sessionIdentifier,
          hostKey: publicKey.blob,
        }),
        signatures[index] ?? new Uint8Array(0),
        publicKey === rsa.publicKey ? algorithm : 'ssh-ed25519',
      ),
    )
    expect(proofs).toEqual([true, true])
    expect(signatures).toHaveLength(2)
  })

  test.each<[string, Uint8Array[]]>([
    ['a key that is not its own', blobs(stranger)],
    ['such a key among its own', blobs(hostKey, stranger)],
    ['rubbish', [Buffer.from('rubbish')]],
    ['an empty key', [new Uint8Array(0)]],
    ['more keys than it has', blobs(hostKey, hostKey, hostKey)],
  ])('refuses to prove %s, and goes on', async (_, keys) => {
    const { ask } = await asking(sending)
    expect(await ask(keys)).toEqual({ outcome: 'failure' })
    expect(await ask(blobs(hostKey))).toMatchObject({ outcome: 'success' })
  })

  test('signs once for each key, however often it is asked', async () => {
    const sign = vi.spyOn(rsa, 'sign')
    onTestFinished(() => sign.mockRestore())
    const { ask } = await asking(sending)
    await Promise.all(Array.from({ length: 20 }, () => ask(blobs(rsa))))
    expect(sign).toHaveBeenCalledOnce()
  })
})

test('without the option nothing is named, and nothing is proven', async () => {
  const { ask, announced } = await asking({ serverHostKeys: [hostKey, rsa] })
  expect(await ask(blobs(hostKey))).toEqual({ outcome: 'failure' })
  expect(announced()).toEqual([])
})
