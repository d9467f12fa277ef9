/** What every key exchange algorithm must do: the registry drives the list. */

import { createHash } from 'node:crypto'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, it } from 'vitest'
import { kexAlgorithms } from '../../src/index.js'
import { cryptoErrorCode } from '../ciphers/packets.js'

const invalid = 'ERR_SSH_CRYPTO_INVALID_PUBLIC_VALUE'

describe.each(kexAlgorithms.rows.map((kex) => ({ name: kex.name, kex })))('$name', ({ name, kex }) => {
  it('gives both sides the same secret, a new one each time', () => {
    const secrets = Array.from({ length: 3 }, () => {
      const client = kex.initiate()
      const server = kex.respond(client.publicValue)
      const secret = client.finish(server.publicValue)
      expect(Buffer.compare(secret, server.secret)).toBe(0)
      return Buffer.from(secret).toString('hex')
    })
    expect(new Set(secrets).size).toBe(3)
  })

  it('repeats itself under the same randomness, so that a session can be replayed', () => {
    const play = (seed: string) => {
      const client = kex.initiate(seededRandom(`${name} client ${seed}`))
      const server = kex.respond(client.publicValue, seededRandom(`${name} server ${seed}`))
      const secret = client.finish(server.publicValue)
      expect(Buffer.compare(secret, server.secret)).toBe(0)
      return [client.publicValue, server.publicValue, secret].map((bytes) => Buffer.from(bytes).toString('hex'))
    }
    expect(play('a')).toEqual(play('a'))
    expect(play('a')).not.toEqual(play('b'))
  })

  it('agrees with itself whether randomness is handed in or not', () => {
    const client = kex.initiate(seededRandom(name))
    const server = kex.respond(client.publicValue)
    expect(Buffer.compare(client.finish(server.publicValue), server.secret)).toBe(0)
  })

  it('refuses public values of any other length, with a typed error that ends the connection', () => {
    const client = kex.initiate()
    const server = kex.respond(client.publicValue)
    const lengths = (length: number) => [0, 1, 31, 32, 33, length + 1, 4096].filter((other) => other !== length)
    // A shorter integer is as good as any other; only the encodings of fixed size can be too short.
    const isWrong = (length: number, other: number) =>
      other > length || (other < length && kex.publicValueEncoding === 'string')
    for (const other of lengths(client.publicValue.length).filter((n) => isWrong(client.publicValue.length, n))) {
      expect(cryptoErrorCode(() => kex.respond(new Uint8Array(other).fill(4)))).toBe(invalid)
    }
    for (const other of lengths(server.publicValue.length).filter((n) => isWrong(server.publicValue.length, n))) {
      expect(cryptoErrorCode(() => client.finish(new Uint8Array(other).fill(4)))).toBe(invalid)
    }
    expect(() => kex.respond(new Uint8Array(0))).toThrow(expect.objectContaining({ disconnectReason: 3 }))
    if (kex.publicValueEncoding === 'string') {
      expect(cryptoErrorCode(() => kex.respond(client.publicValue.subarray(1)))).toBe(invalid)
      expect(cryptoErrorCode(() => client.finish(server.publicValue.subarray(1)))).toBe(invalid)
    }
  })

  it('refuses a public value of zeros', () => {
    const client = kex.initiate()
    const server = kex.respond(client.publicValue)
    expect(cryptoErrorCode(() => kex.respond(new Uint8Array(client.publicValue.length)))).toBe(invalid)
    expect(cryptoErrorCode(() => client.finish(new Uint8Array(server.publicValue.length)))).toBe(invalid)
  })

  it('names a hash that node:crypto has', () => {
    expect(createHash(kex.hash).digest().length).toBeGreaterThanOrEqual(32)
  })
})
