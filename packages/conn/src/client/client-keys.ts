/** Private keys in the usual places, for a user who names none. */

import type { Signer } from '@ssh/crypto'
import { readFileIfThere } from '../io/files.js'
import { type PassphraseSource, readKey } from '../key-source.js'

/** Tried in this order. */
const defaultFiles = ['~/.ssh/id_ed25519', '~/.ssh/id_ecdsa', '~/.ssh/id_rsa']

/** A key that is ready, or why it is not. */
export type LoadedKey = { readonly signer: Signer } | { readonly skipped: string }

/** Reads the keys that are there. One that cannot be used is passed over, with the reason for the failure report. */
export async function loadDefaultKeys(passphrase: PassphraseSource | undefined): Promise<LoadedKey[]> {
  const keys: LoadedKey[] = []
  for (const file of defaultFiles) {
    try {
      const content = await readFileIfThere(file)
      if (content !== undefined) keys.push({ signer: await readKey(content, file, passphrase) })
    } catch (error) {
      keys.push({ skipped: error instanceof Error ? error.message : String(error) })
    }
  }
  return keys
}
