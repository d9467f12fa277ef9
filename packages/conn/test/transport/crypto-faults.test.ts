/** Primitives that fail where they never should: whoever meets the fault ends, and nothing leaves unprotected. */

import { ciphers, kexAlgorithms, macs } from '@ssh/crypto'
import { channelData } from '@ssh/wire'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { defaultAlgorithms, type TransportPair, testKey, transportPair } from '../transport-pair.js'

const algorithms = {
  ...defaultAlgorithms,
  kex: ['curve25519-sha256'],
  encryption: ['aes128-ctr'],
  mac: ['hmac-sha2-256-etm@openssh.com'],
}
const payload = channelData.encode({ recipientChannel: 0, data: Buffer.from('data') })

function row<Row>(found: Row | undefined): Row {
  if (found === undefined) throw new Error('The algorithm is missing')
  return found
}
const kex = () => row(kexAlgorithms.get('curve25519-sha256'))
const cipher = () => row(ciphers.get('aes128-ctr'))
const mac = () => row(macs.get('hmac-sha2-256-etm@openssh.com'))

function fail(): never {
  throw new Error('the primitive failed')
}

afterEach(() => vi.restoreAllMocks())

/** That an end met the fault, and that neither can be used afterwards. */
function expectClosed(pair: TransportPair): void {
  expect([...pair.client.errorCodes, ...pair.server.errorCodes]).toContain('ERR_SSH_TRANSPORT_INTERNAL')
  for (const end of [pair.client, pair.server]) {
    expect(end.errorCodes).toHaveLength(1)
    expect(end.transport.isOpen).toBe(false)
  }
}

describe('B11: a fault', () => {
  test.each([
    ['the key exchange of the client', () => vi.spyOn(kex(), 'initiate').mockImplementationOnce(fail)],
    ['the key exchange of the server', () => vi.spyOn(kex(), 'respond').mockImplementationOnce(fail)],
    ['making a cipher to seal with', () => vi.spyOn(cipher(), 'createSealer').mockImplementationOnce(fail)],
    ['making a cipher to open with', () => vi.spyOn(cipher(), 'createOpener').mockImplementationOnce(fail)],
    ['making a MAC', () => vi.spyOn(mac(), 'create').mockImplementationOnce(fail)],
  ])('in %s ends the first exchange and any later one', async (_, breakOnce) => {
    breakOnce()
    expectClosed((await transportPair({ client: { algorithms }, server: { algorithms } })).start())
    const pair = (await transportPair({ client: { algorithms }, server: { algorithms } })).start().authenticate()
    breakOnce()
    pair.client.transport.rekey()
    pair.pump()
    expectClosed(pair)
  })

  test('in signing ends the server', async () => {
    const key = await testKey('ssh-ed25519')
    const { publicKey, signatureAlgorithms } = key
    const pair = await transportPair({ hostKeys: [{ publicKey, signatureAlgorithms, sign: fail } as never] })
    expectClosed(pair.start())
  })

  test('in sealing a packet ends the connection, and nothing of the packet leaves', async () => {
    const { createSealer } = cipher()
    let isBroken = false
    vi.spyOn(cipher(), 'createSealer').mockImplementation((...parts) => {
      const sealer = createSealer(...parts)
      const seal = (packet: Buffer, sequenceNumber: number) => {
        if (isBroken) fail()
        return sealer.seal(packet, sequenceNumber)
      }
      return { blockSize: sealer.blockSize, lengthIsAligned: sealer.lengthIsAligned, tagLength: sealer.tagLength, seal }
    })
    const pair = (await transportPair({ client: { algorithms }, server: { algorithms } })).start().authenticate()
    isBroken = true
    pair.client.transport.seal([payload])
    expect(pair.client.errorCodes).toEqual(['ERR_SSH_TRANSPORT_INTERNAL'])
    expect(pair.client.transport.isOpen).toBe(false)
    expect(pair.client.transport.outputLength).toBe(0)
  })
})

test('H8: keys are overwritten once the ciphers and MACs have their copies', async () => {
  const keys: Uint8Array[] = []
  const { createSealer, createOpener } = cipher()
  const { create } = mac()
  vi.spyOn(cipher(), 'createSealer').mockImplementation((key, ...rest) => {
    keys.push(key)
    return createSealer(key, ...rest)
  })
  vi.spyOn(cipher(), 'createOpener').mockImplementation((key, ...rest) => {
    keys.push(key)
    return createOpener(key, ...rest)
  })
  vi.spyOn(mac(), 'create').mockImplementation((key) => {
    keys.push(key)
    return create(key)
  })
  const pair = (await transportPair({ client: { algorithms }, server: { algorithms } })).start().authenticate()
  pair.server.transport.rekey()
  pair.pump()
  // Two exchanges, two ends, two directions; a key of a cipher and one of a MAC each.
  expect(keys).toHaveLength(16)
  expect(keys.every((key) => key.length >= 16 && key.every((byte) => byte === 0))).toBe(true)
  pair.client.transport.seal([payload])
  pair.pump()
  expect(pair.server.payloads.at(-1)).toEqual(Uint8Array.from(payload))
})
