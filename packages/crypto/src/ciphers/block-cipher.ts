/** Ciphers that run on from packet to packet and need a MAC beside them: AES-CTR (RFC 4344 §4). */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { AlgorithmStatus, CipherAlgorithm, KeyedMac } from './cipher.js'
import { EncryptAndMacOpener, EncryptAndMacSealer } from './encrypt-and-mac.js'
import { EncryptThenMacOpener, EncryptThenMacSealer } from './encrypt-then-mac.js'
import { hasNodeCipher } from './node-cipher.js'

/** Facts in which the rows differ. */
export interface BlockCipherFacts {
  readonly name: string
  readonly status: AlgorithmStatus
  readonly source: string
  /** node:crypto's name. */
  readonly nodeName: string
  readonly keyLength: number
  readonly ivLength: number
  readonly blockSize: number
  readonly rekeyAfterBytes: number
}

/** A row for a cipher without a tag of its own; the MAC says how the two are combined. */
export function blockCipher({ nodeName, ...facts }: BlockCipherFacts): CipherAlgorithm {
  return {
    ...facts,
    isAead: false,
    isAvailable: () => hasNodeCipher(nodeName, facts.keyLength, facts.ivLength),
    createSealer(key, iv, mac) {
      const cipher = createCipheriv(nodeName, key, iv).setAutoPadding(false)
      return required(mac).isEncryptThenMac
        ? new EncryptThenMacSealer(cipher, facts.blockSize, required(mac))
        : new EncryptAndMacSealer(cipher, facts.blockSize, required(mac))
    },
    createOpener(key, iv, mac) {
      const decipher = createDecipheriv(nodeName, key, iv).setAutoPadding(false)
      return required(mac).isEncryptThenMac
        ? new EncryptThenMacOpener(decipher, facts.blockSize, required(mac))
        : new EncryptAndMacOpener(decipher, facts.blockSize, required(mac))
    },
  }
}

function required(mac: KeyedMac | undefined): KeyedMac {
  if (mac === undefined) throw new TypeError('A cipher that is not an AEAD takes a MAC')
  return mac
}
