import { generatePrivateKey, kexAlgorithms, modpGroup14 } from '@ssh/crypto'
import { seededRandom } from '@ssh/testkit'
import {
  dhKexMessages,
  ecdhKexMessages,
  extInfo,
  fromBigInt,
  groupExchangeMessages,
  kexInit,
  serviceAccept,
  toBigInt,
  userauthRequest,
  userauthSuccess,
} from '@ssh/wire'
import { describe, expect, test } from 'vitest'
import { groupExchangeMethod } from '../../src/transport/group-exchange.js'
import { kexMethod } from '../../src/transport/kex-methods.js'
import type { KexInit } from '../../src/transport/negotiate.js'
import type { Role } from '../../src/transport/role.js'
import { plainPacket, RawPeer, type RawPeerOptions } from '../raw-peer.js'
import { defaultAlgorithms, type EndOptions, TransportEnd, testKey, transportPair } from '../transport-pair.js'

const roles = ['client', 'server'] as const

async function meet(role: Role, options: Omit<RawPeerOptions, 'role'> = {}, endOptions: EndOptions = {}) {
  const hostKey = await testKey('ssh-ed25519')
  const end = new TransportEnd(role, endOptions, { clock: () => 0, random: seededRandom(1), hostKeys: [hostKey] })
  end.transport.start()
  return {
    end,
    raw: new RawPeer(end.transport, { role: role === 'client' ? 'server' : 'client', hostKey, ...options }),
  }
}

describe('a guessed first packet', () => {
  const guess = ecdhKexMessages.definitions[0].encode({ publicValue: Buffer.alloc(3, 1) })

  test('that is wrong is skipped, exactly one, at every exchange', async () => {
    const kex = { kexAlgorithms: ['ecdh-sha2-nistp521', 'curve25519-sha256', 'kex-strict-c-v00@openssh.com'] }
    const algorithms = { ...defaultAlgorithms, kex: ['curve25519-sha256'] }
    const { end, raw } = await meet('server', { hold: ['method'] }, { algorithms })
    raw
      .sendIdentification()
      .sendKexInit({ ...kex, firstKexPacketFollows: true })
      .send(guess)
      .pump()
      .release()
      .pump()
    expect(end.errorCodes).toEqual([])
    for (let round = 0; round < 5; round++) {
      raw
        .sendKexInit({ ...kex, firstKexPacketFollows: true })
        .send(guess)
        .pump()
        .release()
        .pump()
      expect(end.errorCodes).toEqual([])
      expect(end.keyExchanges).toBe(round + 2)
    }
    raw.sendKexInit({ ...kex, firstKexPacketFollows: true }).send(guess, guess)
    expect(end.errorCodes).toHaveLength(1)
  })

  test('that is right is used', async () => {
    const algorithms = { ...defaultAlgorithms, kex: ['curve25519-sha256'], serverHostKey: ['ssh-ed25519'] }
    const { end, raw } = await meet('server', {}, { algorithms })
    raw.sendIdentification().sendKexInit({ firstKexPacketFollows: true }).pump()
    expect(end.errorCodes).toEqual([])
    expect(end.keyExchanges).toBe(1)
  })

  test('never comes from us', async () => {
    const { raw } = await meet('client')
    raw.pump()
    const [payload] = raw.received
    expect(kexInit.decode(payload ?? Buffer.of()).firstKexPacketFollows).toBe(false)
  })
})

describe("the server's proof", () => {
  const refused = 'ERR_SSH_KEX_SIGNATURE_INVALID'

  async function outcome(options: Omit<RawPeerOptions, 'role'>): Promise<string[]> {
    const { end, raw } = await meet('client', options)
    raw.handshake()
    expect(end.eventsOf('hostKey')).toEqual([])
    expect(end.transport.isOpen).toBe(false)
    return end.errorCodes
  }

  test('must be over this exchange', async () => {
    const hostKey = await testKey('ssh-ed25519')
    expect(await outcome({ sign: () => hostKey.sign(Buffer.alloc(32)) })).toEqual([refused])
  })

  test('must come from the key that is shown', async () => {
    const other = await generatePrivateKey('ssh-ed25519')
    expect(await outcome({ sign: (hash) => other.sign(hash) })).toEqual([refused])
  })

  test.each([
    ['SHA-1 where rsa-sha2-512 was agreed on', 'ssh-rsa', 'rsa-sha2-512', 'ssh-rsa'],
    ['SHA-256 where rsa-sha2-512 was agreed on', 'ssh-rsa', 'rsa-sha2-512', 'rsa-sha2-256'],
  ] as const)('must not use %s', async (_, type, agreed, used) => {
    const hostKey = await testKey(type)
    const options = { hostKey, kexInit: { serverHostKeyAlgorithms: [agreed] } }
    expect(await outcome({ ...options, sign: (hash) => hostKey.sign(hash, used) })).toEqual([refused])
    const { end, raw } = await meet('client', { ...options, sign: (hash) => hostKey.sign(hash, agreed) })
    raw.handshake()
    expect(end.errorCodes).toEqual([])
    expect(end.eventsOf('hostKey')[0]?.offer).toMatchObject({ algorithm: agreed })
  })

  test('must show a key of the agreed type', async () => {
    const p384 = await testKey('ecdsa-sha2-nistp384')
    const kexInit = { serverHostKeyAlgorithms: ['ecdsa-sha2-nistp256'] }
    const options = { hostKey: p384, kexInit, sign: (hash: Uint8Array) => p384.sign(hash) }
    expect(await outcome(options)).toEqual(['ERR_SSH_KEX_HOST_KEY_MISMATCH'])
  })

  test('must show a key that can be read', async () => {
    const hostKeyBlob = Buffer.from('no key')
    expect(await outcome({ hostKeyBlob })).toEqual(['ERR_SSH_KEX_HOST_KEY_INVALID'])
  })

  test('never leaves a server whose key signs wrongly', async () => {
    const honest = await testKey('ssh-rsa')
    const faulty = {
      publicKey: honest.publicKey,
      signatureAlgorithms: honest.signatureAlgorithms,
      sign(hash: Uint8Array, algorithm?: string) {
        const signature = Buffer.from(honest.sign(hash, algorithm))
        signature[signature.length - 1] = (signature.at(-1) ?? 0) ^ 1
        return signature
      },
    }
    const end = new TransportEnd(
      'server',
      {},
      { clock: () => 0, random: seededRandom(1), hostKeys: [{ ...honest, ...faulty } as never] },
    )
    end.transport.start()
    const raw = new RawPeer(end.transport, { role: 'client', kexInit: { serverHostKeyAlgorithms: ['rsa-sha2-512'] } })
    raw.handshake()
    expect(end.errorCodes).toEqual(['ERR_SSH_KEX_SIGNING_FAILED'])
    expect(raw.receivedNumbers).toEqual([20, 1])
  })
})

describe('what somebody changes on the way', () => {
  const changes: readonly [string, (message: KexInit) => Partial<KexInit>][] = [
    ['the cookie', () => ({ cookie: Buffer.alloc(16, 9) })],
    ['the key exchange list', ({ kexAlgorithms }) => ({ kexAlgorithms: [...kexAlgorithms, 'x'] })],
    ['the host key list', (message) => ({ serverHostKeyAlgorithms: [...message.serverHostKeyAlgorithms, 'x'] })],
    [
      'the ciphers to the server',
      (m) => ({ encryptionAlgorithmsClientToServer: [...m.encryptionAlgorithmsClientToServer, 'x'] }),
    ],
    [
      'the ciphers to the client',
      (m) => ({ encryptionAlgorithmsServerToClient: [...m.encryptionAlgorithmsServerToClient, 'x'] }),
    ],
    ['the MACs to the server', () => ({ macAlgorithmsClientToServer: [] })],
    ['the MACs to the client', () => ({ macAlgorithmsServerToClient: [] })],
    ['the compression to the server', () => ({ compressionAlgorithmsClientToServer: ['none', 'x'] })],
    ['the compression to the client', () => ({ compressionAlgorithmsServerToClient: ['none', 'x'] })],
    ['the languages', () => ({ languagesClientToServer: ['en'] })],
    [
      'the strict marker',
      ({ kexAlgorithms }) => ({ kexAlgorithms: kexAlgorithms.filter((name) => !name.includes('strict')) }),
    ],
  ]
  const cases = roles.flatMap((from) => changes.map(([what, change]) => ({ from, what, change })))

  test.each(cases)("in the $from's KEXINIT, $what, makes the handshake fail", async ({ from, change }) => {
    const pair = await transportPair()
    pair.client.transport.start()
    pair.server.transport.start()
    const end = pair[from]
    const [identification = Buffer.of(), packet = Buffer.of()] = end.take()
    const padding = packet[4] ?? 0
    const message = kexInit.decode(packet.subarray(5, packet.length - padding))
    const changed = plainPacket(kexInit.encode({ ...message, ...change(message) }))
    pair.deliver(pair.other(end), [identification, changed])
    pair.pump()
    expect(pair.client.errorCodes).toEqual(['ERR_SSH_KEX_SIGNATURE_INVALID'])
    expect(pair.client.eventsOf('hostKey')).toEqual([])
    expect(pair.server.transport.isOpen).toBe(false)
  })

  test.each(roles)("in the %s's identification string, makes it fail", async (from) => {
    const pair = await transportPair()
    pair.client.transport.start()
    pair.server.transport.start()
    const [, packet = Buffer.of()] = pair[from].take()
    pair.deliver(pair.other(pair[from]), [Buffer.from('SSH-2.0-Changed\r\n'), packet])
    pair.pump()
    expect(pair.client.errorCodes).toEqual(['ERR_SSH_KEX_SIGNATURE_INVALID'])
  })
})

describe('a KEXINIT', () => {
  test.each(roles)('with its reserved field set, cut short, or with bytes left over ends a %s', async (role) => {
    const whole = (await meet(role)).raw.kexInitPayload()
    const reserved = (await meet(role)).raw.kexInitPayload({ reserved: 1 })
    for (const payload of [reserved, whole.subarray(0, -1), Buffer.concat([whole, Buffer.of(0)])]) {
      const { end, raw } = await meet(role)
      raw.sendIdentification().send(payload)
      expect(end.errorCodes).toHaveLength(1)
      expect(end.error?.code).toMatch(/ERR_SSH_(KEX_MALFORMED|WIRE_TRUNCATED|WIRE_TRAILING_BYTES)/)
    }
  })

  test.each(roles)('without a common algorithm tells both sides (%s)', async (role) => {
    const { end, raw } = await meet(role, { kexInit: { encryptionAlgorithmsClientToServer: ['3des-cbc'] } })
    raw.sendIdentification().sendKexInit().pump()
    expect(end.errorCodes).toEqual(['ERR_SSH_KEX_NO_COMMON_ALGORITHM'])
    expect(raw.receivedNumbers.at(-1)).toBe(1)
    expect(raw.received.at(-1)?.[4]).toBe(3)
  })
})

describe('what comes in clear', () => {
  const early = [
    ['EXT_INFO', extInfo.encode({ extensions: [] })],
    [
      'USERAUTH_REQUEST',
      userauthRequest.encode({ userName: 'mallory', serviceName: 's', methodName: 'none', methodData: Buffer.of() }),
    ],
    ['USERAUTH_SUCCESS', userauthSuccess.encode({})],
    ['SERVICE_ACCEPT', serviceAccept.encode({ serviceName: 'ssh-userauth' })],
  ] as const

  test.each(roles.flatMap((role) => early.map(([name, payload]) => ({ role, name, payload }))))(
    'never gets a $name past a $role',
    async ({ role, payload }) => {
      for (const isStrict of [true, false]) {
        const { end, raw } = await meet(role, { isStrict, hold: ['newKeys'] })
        raw.sendIdentification().sendKexInit().pump().send(payload).release().pump()
        expect(end.errorCodes).toEqual(['ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE'])
        expect(end.payloads).toEqual([])
        expect(end.eventsOf('service')).toEqual([])
        expect(end.eventsOf('extensionInfo')).toEqual([])
      }
    },
  )

  test('never makes a client go on without keys', async () => {
    const { end, raw } = await meet('client', { hold: ['newKeys'] })
    end.transport.requestService('ssh-userauth')
    raw.sendIdentification().sendKexInit().pump()
    // The verdict is there and our NEWKEYS are out, theirs are not: the service may be asked for, no more.
    expect(end.transport.isOpen).toBe(false)
    expect(() => end.transport.seal([early[1][1]])).toThrow('Nothing may be sent now')
    raw.release().pump()
    expect(end.transport.isOpen).toBe(true)
  })
})

describe('a public value', () => {
  const random = seededRandom('values')

  test.each(kexAlgorithms.names)('of the wrong length is refused by %s in both roles', (name) => {
    const method = kexMethod(name)
    const isMpint = kexAlgorithms.get(name)?.publicValueEncoding === 'mpint'
    const [kexInitiate, kexReply] = (isMpint ? dhKexMessages : ecdhKexMessages).definitions
    for (const length of [0, 31, 33]) {
      const publicValue = isMpint ? Buffer.alloc(2000 + length, 0x55) : Buffer.alloc(length, 4)
      const expected = expect.objectContaining({ code: 'ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE', disconnectReason: 3 })
      expect(() => method?.startServer(random).receive(kexInitiate.encode({ publicValue }))).toThrow(expected)
      const client = method?.startClient(random)
      client?.begin()
      const reply = { hostKey: Buffer.of(), publicValue, signature: Buffer.of() }
      expect(() => client?.receive(kexReply.encode(reply))).toThrow(expected)
    }
  })

  test.each(roles)('in a message of the other side is refused by a %s', async (role) => {
    const { end, raw } = await meet(role, { hold: ['method'] })
    const [kexInitiate, kexReply] = ecdhKexMessages.definitions
    const publicValue = Buffer.alloc(32, 9)
    raw.sendIdentification().sendKexInit().pump()
    raw.send(
      role === 'client'
        ? kexInitiate.encode({ publicValue })
        : kexReply.encode({ hostKey: Buffer.of(), publicValue, signature: Buffer.of() }),
    )
    expect(end.errorCodes).toEqual(['ERR_SSH_KEX_UNEXPECTED_MESSAGE'])
  })
})

describe('group exchange', () => {
  const method = groupExchangeMethod('sha256')
  const random = seededRandom('groups')
  const [groupRequestOld, group, kexInitiate, , groupRequest] = groupExchangeMessages.definitions
  const badGroup = expect.objectContaining({ code: 'ERR_SSH_KEX_BAD_GROUP', disconnectReason: 3 })
  const noGroup = expect.objectContaining({ code: 'ERR_SSH_KEX_NO_GROUP', disconnectReason: 3 })
  const prime = toBigInt(modpGroup14.prime)

  test.each([
    ['a prime of 1024 bits', fromBigInt((1n << 1023n) + 1n), Buffer.of(2)],
    ['a prime of 16384 bits', Buffer.alloc(2048, 0xff), Buffer.of(2)],
    ['generator 0', modpGroup14.prime, Buffer.of()],
    ['generator 1', modpGroup14.prime, Buffer.of(1)],
    ['a generator of order 2', modpGroup14.prime, fromBigInt(prime - 1n)],
  ])('refuses %s', (_, prime, generator) => {
    const client = method.startClient(random)
    client.begin()
    expect(() => client.receive(group.encode({ prime, generator }))).toThrow(badGroup)
  })

  test('refuses a composite', () => {
    const client = method.startClient(random)
    client.begin()
    const payload = group.encode({ prime: fromBigInt(prime + 2n), generator: Buffer.of(2) })
    const expected = expect.objectContaining({ code: 'ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE', disconnectReason: 3 })
    expect(() => client.receive(payload)).toThrow(expected)
  })

  test.each([
    [4096, 3072, 2048],
    [0, 0, 1024],
    [2 ** 32 - 1, 2 ** 32 - 1, 2 ** 32 - 1],
    [9000, 9000, 9000],
  ])('gives no group for %i, %i, %i', (minimum, preferred, maximum) => {
    const request = groupRequest.encode({ minimum, preferred, maximum })
    expect(() => method.startServer(random).receive(request)).toThrow(noGroup)
  })

  test.each([
    [2048, 2048, 8192, 2048],
    [1024, 3072, 8192, 4096],
    [2048, 8000, 4096, 0],
    [2048, 3072, 3072, 2048],
  ])('gives for %i, %i, %i a group of %i bits', (minimum, preferred, maximum, bits) => {
    const receive = () => method.startServer(random).receive(groupRequest.encode({ minimum, preferred, maximum }))
    if (bits === 0) {
      expect(receive).toThrow(noGroup)
      return
    }
    const step = receive()
    expect(step.type === 'send' && group.decode(step.payload).prime.length * 8).toBe(bits)
  })

  test('honours the old request', () => {
    const step = method.startServer(random).receive(groupRequestOld.encode({ preferred: 2048 }))
    expect(step.type === 'send' && group.decode(step.payload).prime.length).toBe(256)
  })

  test('takes each message once, in its order', () => {
    const unexpected = expect.objectContaining({ code: 'ERR_SSH_KEX_UNEXPECTED_MESSAGE' })
    const server = method.startServer(random)
    const request = groupRequest.encode({ minimum: 2048, preferred: 2048, maximum: 2048 })
    expect(() => server.receive(kexInitiate.encode({ publicValue: Buffer.of(5) }))).toThrow(unexpected)
    server.receive(request)
    expect(() => server.receive(request)).toThrow(unexpected)
  })
})
