import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { generatePrivateKey, type PrivateKey } from '@ssh/crypto'
import { globalRequests, hostKeyProof, hostKeysProveReply } from '@ssh/wire'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ClientConnection } from '../../src/client/client-connection.js'
import type { ClientOptions } from '../../src/client/client-options.js'
import { establishClient } from '../../src/client/connect.js'
import { HostKeyProofs } from '../../src/server/host-key-proofs.js'
import type { HostKeyUpdate } from '../../src/trust/host-key-update.js'
import { aliceOptions, hostKey, serving, streamPair, type TestServerOptions } from '../loopback.js'
import { testKey } from '../transport-pair.js'

const [rsa, ecdsa, stranger] = await Promise.all([
  testKey('ssh-rsa'),
  testKey('ecdsa-sha2-nistp256'),
  generatePrivateKey('ssh-ed25519'),
])
const lineFor = (...keys: PrivateKey[]) => keys.map((key) => `server ${key.exportPublicKey()}`).join('')
const prints = (keys: readonly { getFingerprint(): string }[]) => keys.map((key) => key.getFingerprint())

const { hostKeyFingerprint: _, ...alice } = aliceOptions

/** A client and a server in memory; the client trusts `hostKey`, which is on file, unless the options say otherwise. */
async function pair(server: TestServerOptions, client: ClientOptions = {}) {
  const [near, far] = streamPair()
  const serverLink = await serving(far, server)
  const link = await establishClient('server', { ...alice, knownHosts: lineFor(hostKey), sock: near, ...client })
  onTestFinished(() => link.close())
  const connection = new ClientConnection(link)
  const asked = vi.spyOn(link.peer.mux, 'globalRequest')
  const updates: HostKeyUpdate[] = []
  return {
    link,
    updates,
    listen: () => void connection.on('hostKeys', (update) => updates.push(update)),
    questions: () => asked.mock.calls.filter(([name]) => name === 'hostkeys-prove-00@openssh.com').length,
    announce: (hostKeys: Uint8Array[]) =>
      serverLink.peer.mux.globalRequest(
        'hostkeys-00@openssh.com',
        globalRequests.encode('hostkeys-00@openssh.com', { hostKeys }),
      ),
    /** Whatever either end said until now has been answered and told. */
    settle: async () => {
      for (const { peer } of [serverLink, link]) {
        // Deferred by a turn, as is what it waits for.
        await setImmediate()
        await new Promise((resolve) => peer.mux.globalRequest('keepalive@openssh.com', new Uint8Array(0), resolve))
      }
      await setImmediate()
    },
  }
}

const announcing = (...serverHostKeys: PrivateKey[]): TestServerOptions => ({
  sendServerHostKeys: true,
  serverHostKeys,
})

describe('the host keys of a server', () => {
  test('are reported, those that are not on file once they are proven', async () => {
    const client = { knownHosts: lineFor(hostKey, stranger) }
    const { listen, settle, updates } = await pair(announcing(hostKey, rsa, ecdsa), client)
    listen()
    await settle()
    expect(updates).toHaveLength(1)
    const [update] = updates
    expect(prints(update?.added ?? [])).toEqual(prints([rsa, ecdsa]))
    expect(prints(update?.retained ?? [])).toEqual(prints([hostKey]))
    expect(update?.removed).toMatchObject([{ line: 2, keyType: 'ssh-ed25519', blob: stranger.publicKey.blob }])
    expect(update?.revoked).toEqual([])
  })

  test('need no proof when all are on file', async () => {
    const { listen, settle, updates, questions } = await pair(announcing(hostKey, rsa), {
      knownHosts: lineFor(hostKey, rsa),
    })
    listen()
    await settle()
    expect(updates.map(({ added, retained }) => [prints(added), prints(retained)])).toEqual([
      [[], prints([hostKey, rsa])],
    ])
    expect(questions()).toBe(0)
  })

  test('are asked for when somebody listens, however late that is, and once', async () => {
    const { listen, settle, updates, questions, announce } = await pair(announcing(hostKey, rsa))
    await settle()
    expect(questions()).toBe(0)
    listen()
    listen()
    await settle()
    announce([stranger.publicKey.blob])
    await settle()
    expect(questions()).toBe(1)
    // The same one, to both.
    expect(updates.map(({ added }) => prints(added))).toEqual([prints([rsa]), prints([rsa])])
  })

  test('that are revoked are told apart and never asked for', async () => {
    const knownHosts = `${lineFor(hostKey)}@revoked * ${rsa.exportPublicKey()}`
    const { listen, settle, updates, questions } = await pair(announcing(hostKey, rsa), { knownHosts })
    listen()
    await settle()
    expect(updates.map(({ added, revoked }) => [prints(added), prints(revoked)])).toEqual([[[], prints([rsa])]])
    expect(questions()).toBe(0)
  })

  test('are on file when accept-new has just put them there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'host-keys-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const { listen, settle, updates } = await pair(announcing(hostKey), {
      knownHosts: join(folder, 'known_hosts'),
      hostKeyPolicy: 'accept-new',
    })
    listen()
    await settle()
    expect(updates.map(({ added, retained }) => [prints(added), prints(retained)])).toEqual([[[], prints([hostKey])]])
  })

  test('are of no interest when known_hosts does not count', async () => {
    const { listen, settle, updates, questions } = await pair(announcing(hostKey, rsa), { knownHosts: null })
    listen()
    await settle()
    expect([updates.length, questions()]).toEqual([0, 0])
  })

  test('are told from rubbish and from duplicates', async () => {
    const { listen, settle, updates, announce } = await pair({})
    listen()
    const { blob } = hostKey.publicKey
    announce([Buffer.from('rubbish'), blob, blob, Buffer.alloc(300)])
    await settle()
    expect(updates.map(({ added, retained }) => [prints(added), prints(retained)])).toEqual([[[], prints([hostKey])]])
  })

  test('that no offered algorithm could use are not asked for', async () => {
    const { listen, settle, updates } = await pair(announcing(hostKey, rsa, ecdsa), {
      serverHostKeyAlgs: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'],
    })
    listen()
    await settle()
    expect(updates.map(({ added }) => prints(added))).toEqual([prints([ecdsa])])
  })
})

/** A key that signs proofs as it likes, and everything else as `signer`. */
function lying(claimed: PrivateKey, sign: (proof: Uint8Array) => Uint8Array): PrivateKey {
  return {
    algorithm: claimed.algorithm,
    comment: '',
    publicKey: claimed.publicKey,
    signatureAlgorithms: claimed.signatureAlgorithms,
    sign,
    getFingerprint: () => claimed.getFingerprint(),
    convertToPublic: () => claimed.publicKey,
    exportPrivateKey: () => claimed.exportPrivateKey(),
    exportPublicKey: () => claimed.exportPublicKey(),
  }
}

/** Signs a proof with one field changed. */
const altered = (key: PrivateKey, changes: Partial<ReturnType<typeof hostKeyProof.decode>>) =>
  lying(key, (proof) => key.sign(hostKeyProof.encode({ ...hostKeyProof.decode(proof), ...changes })))

describe('D16: of a hostile server nothing is reported', () => {
  test.each<[string, PrivateKey]>([
    ['that proves with another key', lying(stranger, (proof) => hostKey.sign(proof))],
    ['that proves for another session', altered(stranger, { sessionIdentifier: new Uint8Array(32) })],
    ['that proves another key', altered(stranger, { hostKey: hostKey.publicKey.blob })],
    ['that proves for another purpose', altered(stranger, { requestName: 'hostkeys-00@openssh.com' })],
    ['that proves with SHA-1', lying(rsa, (proof) => rsa.sign(proof, 'ssh-rsa'))],
    ['that proves with rubbish', lying(stranger, () => Buffer.from('rubbish'))],
    ['that proves with nothing', lying(stranger, () => new Uint8Array(0))],
  ])('%s, not even of its honest keys', async (_, key) => {
    const { listen, settle, updates, questions, link } = await pair(announcing(hostKey, ecdsa, key))
    listen()
    await settle()
    expect(questions()).toBe(1)
    expect(updates).toEqual([])
    expect(link.isClosed).toBe(false)
  })

  test.each<[string, (honest: Uint8Array[]) => Uint8Array[]]>([
    ['no proof', () => []],
    ['a proof too few', (honest) => honest.slice(1)],
    ['a proof too many', (honest) => [...honest, ...honest.slice(1)]],
    ['its proofs in another order', (honest) => honest.toReversed()],
  ])('that answers with %s', async (_, change) => {
    const answer = HostKeyProofs.prototype.answer
    const spy = vi.spyOn(HostKeyProofs.prototype, 'answer').mockImplementation(function (this: HostKeyProofs, data) {
      const { signatures } = hostKeysProveReply.decode(answer.call(this, data) ?? new Uint8Array(0))
      return hostKeysProveReply.encode({ signatures: change(signatures) })
    })
    onTestFinished(() => spy.mockRestore())
    const { listen, settle, updates, link } = await pair(announcing(hostKey, rsa, ecdsa))
    listen()
    await settle()
    expect(spy).toHaveBeenCalledOnce()
    expect([updates.length, link.isClosed]).toEqual([0, false])
  })

  test('that proves nothing when asked', async () => {
    const { listen, settle, updates, questions, announce, link } = await pair({})
    listen()
    announce([hostKey.publicKey.blob, stranger.publicKey.blob])
    await settle()
    expect([updates.length, questions(), link.isClosed]).toEqual([0, 1, false])
  })

  test.each<[string, () => Uint8Array[]]>([
    ['no keys', () => []],
    ['rubbish', () => [new Uint8Array(0), Buffer.from('rubbish'), Buffer.alloc(1000, 0xff)]],
    ['a truncated key', () => [hostKey.publicKey.blob.subarray(0, -1)]],
    ['a key with more behind it', () => [Buffer.concat([hostKey.publicKey.blob, Buffer.alloc(1)])]],
    ['a key too many', () => Array.from({ length: 65 }, () => hostKey.publicKey.blob)],
    ['10 000 keys', () => Array.from({ length: 10_000 }, (_, index) => Buffer.from(`key ${index}`))],
  ])('that announces %s', async (_, blobs) => {
    const { listen, settle, updates, questions, announce, link } = await pair({})
    listen()
    announce(blobs())
    await settle()
    expect([updates.length, questions(), link.isClosed]).toEqual([0, 0, false])
  })
})
