/** What a key file holds at first sight: armoured blocks, one DER value, or other text. */

import { KeyImportError } from '../errors.js'
import { type ArmouredBlock, parseArmour } from './armour.js'
import { labelOfDer } from './der.js'

/** Longest key file that is read; OpenSSH's limit too. */
const maximumLength = 1 << 20

export interface KeySource {
  /** PEM and RFC 4716 blocks; a file of bare DER is one block. */
  readonly blocks: readonly ArmouredBlock[]
  /** The whole file as text; empty when it is binary. */
  readonly text: string
}

/** @throws KeyImportError for a file that is too long, or armour that is damaged */
export function openKeySource(data: string | Uint8Array): KeySource {
  if (data.length > maximumLength) {
    throw new KeyImportError(`A key file has at most ${maximumLength} bytes, found ${data.length}`)
  }
  if (typeof data !== 'string' && data[0] === derSequence) {
    return { blocks: [{ label: labelOfDer(data), headers: new Map(), body: data }], text: '' }
  }
  const text = typeof data === 'string' ? data : new TextDecoder().decode(data)
  return { blocks: parseArmour(text), text }
}

/** First byte of every DER container that holds a key. */
const derSequence = 0x30
