/** bcrypt_pbkdf, the key derivation of OpenSSH key files (OpenBSD bcrypt_pbkdf(3)). */

/// <reference path="./bcrypt-pbkdf.d.ts" />
import { webcrypto } from 'node:crypto'
import { AbortError } from '@ssh/wire'
import bcrypt from 'bcrypt-pbkdf'

const hashLength = 32

/**
 * Derives `length` bytes. The event loop turns between rounds (each takes about 5 ms of it per 32 bytes wanted),
 * because the SHA-512 of each round comes from the thread pool.
 * @throws AbortError
 */
export async function bcryptKdf(
  passphrase: Uint8Array,
  salt: Uint8Array,
  length: number,
  rounds: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  const key = Buffer.alloc(length)
  const hashedPassphrase = await sha512(passphrase)
  const blockCount = Math.ceil(length / hashLength)
  const hash = new Uint8Array(hashLength)
  for (let block = 0; block < blockCount; block++) {
    const counter = Buffer.alloc(4)
    counter.writeUInt32BE(block + 1)
    let input: Uint8Array = Buffer.concat([salt, counter])
    for (let round = 0; round < rounds; round++) {
      if (signal?.aborted) throw new AbortError(signal.reason)
      bcrypt.hash(hashedPassphrase, await sha512(input), hash)
      input = hash
      // The blocks are dealt out bytewise, so that no part of the key costs an attacker less than all of them.
      for (let index = block, from = 0; index < length; index += blockCount, from++)
        key[index] = (key[index] ?? 0) ^ (hash[from] ?? 0)
    }
  }
  return key
}

async function sha512(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await webcrypto.subtle.digest('SHA-512', bytes))
}
