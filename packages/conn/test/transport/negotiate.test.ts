import type { kexInit } from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { type KexInit, negotiate, readMarkers } from '../../src/transport/negotiate.js'

type Lists = Partial<Omit<Parameters<typeof kexInit.encode>[0], 'cookie'>>

const kexInitWith = (lists: Lists = {}): KexInit => ({
  type: 'kexInit',
  cookie: new Uint8Array(16),
  kexAlgorithms: ['curve25519-sha256', 'ecdh-sha2-nistp256'],
  serverHostKeyAlgorithms: ['ssh-ed25519', 'rsa-sha2-512'],
  encryptionAlgorithmsClientToServer: ['aes128-gcm@openssh.com', 'aes128-ctr'],
  encryptionAlgorithmsServerToClient: ['aes128-gcm@openssh.com', 'aes128-ctr'],
  macAlgorithmsClientToServer: ['hmac-sha2-256'],
  macAlgorithmsServerToClient: ['hmac-sha2-256'],
  compressionAlgorithmsClientToServer: ['none'],
  compressionAlgorithmsServerToClient: ['none'],
  languagesClientToServer: [],
  languagesServerToClient: [],
  firstKexPacketFollows: false,
  reserved: 0,
  ...lists,
})

/** The error of a negotiation that must fail. */
function failure(local: Lists, remote: Lists) {
  try {
    negotiate('client', kexInitWith(local), kexInitWith(remote))
  } catch (error) {
    return error as { code: string; message: string; details: Record<string, unknown> }
  }
  throw new Error('The negotiation succeeded')
}

describe('negotiation', () => {
  test("takes the client's first name that the server has, in whichever role we are", () => {
    const client = kexInitWith({ kexAlgorithms: ['ecdh-sha2-nistp384', 'ecdh-sha2-nistp256', 'curve25519-sha256'] })
    const server = kexInitWith({ kexAlgorithms: ['curve25519-sha256', 'ecdh-sha2-nistp256'] })
    expect(negotiate('client', client, server).algorithms.kex).toBe('ecdh-sha2-nistp256')
    expect(negotiate('server', server, client).algorithms.kex).toBe('ecdh-sha2-nistp256')
  })

  test('settles the directions apart', () => {
    const lists = { encryptionAlgorithmsServerToClient: ['aes128-ctr'] }
    const { clientToServer, serverToClient } = negotiate('client', kexInitWith(), kexInitWith(lists)).algorithms
    expect(clientToServer).toEqual({ encryption: 'aes128-gcm@openssh.com', mac: undefined, compression: 'none' })
    expect(serverToClient).toEqual({ encryption: 'aes128-ctr', mac: 'hmac-sha2-256', compression: 'none' })
  })

  test('needs no common MAC for an AEAD cipher, and one for any other', () => {
    const none = { macAlgorithmsClientToServer: [], macAlgorithmsServerToClient: ['unknown'] }
    expect(negotiate('client', kexInitWith(), kexInitWith(none)).algorithms.clientToServer.mac).toBeUndefined()
    const ctr = { encryptionAlgorithmsClientToServer: ['aes128-ctr'] }
    expect(failure({}, { ...none, ...ctr }).details).toMatchObject({ category: 'mac', theirs: [] })
  })

  test('never takes a marker for an algorithm', () => {
    const markers = ['ext-info-c', 'kex-strict-c-v00@openssh.com', 'ext-info-s', 'kex-strict-s-v00@openssh.com']
    const { details } = failure({ kexAlgorithms: markers }, { kexAlgorithms: markers })
    expect(details).toMatchObject({ category: 'kex', ours: [], theirs: [] })
  })

  test.each([
    ['kexAlgorithms', 'kex', ['diffie-hellman-group14-sha256']],
    ['serverHostKeyAlgorithms', 'serverHostKey', ['ssh-rsa']],
    ['encryptionAlgorithmsClientToServer', 'encryption', ['aes256-ctr']],
    ['compressionAlgorithmsServerToClient', 'compression', []],
  ] as const)(
    'without a common name in %s tells both lists and what would have fitted',
    (field, category, available) => {
      const theirs = ['something@else', ...available]
      const error = failure({}, { [field]: theirs })
      expect(error.code).toBe('ERR_SSH_KEX_NO_COMMON_ALGORITHM')
      expect(error.details).toMatchObject({ category, ours: kexInitWith()[field], theirs, available })
      expect(error.message).toContain(
        available[0] === undefined ? 'Update the side' : `"${available[0]}" is supported here but was not offered`,
      )
    },
  )

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'H3: takes "%s" for a name nobody has',
    (name) => {
      const lists = ['kexAlgorithms', 'serverHostKeyAlgorithms', 'encryptionAlgorithmsClientToServer'] as const
      for (const list of lists) {
        const offer = kexInitWith({ [list]: [name] })
        for (const role of ['client', 'server'] as const) {
          expect(() => negotiate(role, kexInitWith(), offer)).toThrow(
            expect.objectContaining({ code: 'ERR_SSH_KEX_NO_COMMON_ALGORITHM' }),
          )
        }
        expect(() =>
          negotiate('client', kexInitWith(), kexInitWith({ [list]: [name, ...kexInitWith()[list]] })),
        ).not.toThrow()
      }
    },
  )

  test('never agrees on no cipher', () => {
    const none = { encryptionAlgorithmsClientToServer: ['none'], macAlgorithmsClientToServer: ['none'] }
    expect(failure({}, none).details).toMatchObject({ category: 'encryption', available: [] })
  })
})

describe('a guessed first packet', () => {
  const follows = { firstKexPacketFollows: true }

  test('counts when both sides have the same first key exchange and host key', () => {
    expect(negotiate('server', kexInitWith(), kexInitWith(follows)).skipsGuess).toBe(false)
  })

  test.each([
    ['key exchange', { kexAlgorithms: ['ecdh-sha2-nistp256', 'curve25519-sha256'] }],
    ['host key', { serverHostKeyAlgorithms: ['rsa-sha2-512', 'ssh-ed25519'] }],
  ])('is skipped when the first %s differs', (_, lists) => {
    expect(negotiate('server', kexInitWith(), kexInitWith({ ...follows, ...lists })).skipsGuess).toBe(true)
    expect(negotiate('server', kexInitWith(), kexInitWith(lists)).skipsGuess).toBe(false)
  })
})

describe('markers', () => {
  test("are read of the other role's names only", () => {
    const names = { kexAlgorithms: ['curve25519-sha256', 'ext-info-c', 'kex-strict-c-v00@openssh.com'] }
    expect(readMarkers('server', kexInitWith(names))).toEqual({ isStrict: true, takesExtensionInfo: true })
    expect(readMarkers('client', kexInitWith(names))).toEqual({ isStrict: false, takesExtensionInfo: false })
  })
})
