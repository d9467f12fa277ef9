/** Private keys as PEM, written by node:crypto. */

import type { KeyObject } from 'node:crypto'
import { printable } from '@ssh/wire'
import { KeyExportError } from '../errors.js'
import type { KeyExportOptions, PrivateKeyFormat } from '../keys/export-options.js'

/**
 * A private key in a PEM format, ending in a line feed. PKCS#1 and SEC1 have an old and weak encryption of their own;
 * PKCS#8 uses PBES2.
 * @throws KeyExportError for a format that has no room for such keys, or a cipher that is not for PEM
 */
export function writePrivatePem(
  algorithm: string,
  key: KeyObject,
  format: PrivateKeyFormat,
  { passphrase, cipher: cipherName = 'aes256-cbc' }: KeyExportOptions,
): string {
  const row = pemFormats.get(format)
  if (row === undefined) {
    const known = ['openssh', ...pemFormats.keys()].join(', ')
    throw new KeyExportError(`Private keys are written as one of ${known}, not "${printable(format, 64)}"`)
  }
  if (row.only !== undefined && row.only !== key.asymmetricKeyType) {
    throw new KeyExportError(`${format} has no room for a key of type ${algorithm}; use openssh or pkcs8-pem`)
  }
  const pem = { type: row.type, format: 'pem' } as const
  if (passphrase === undefined) return key.export(pem).toString()
  const cipher = pemCiphers.get(cipherName)
  if (cipher === undefined) {
    const known = [...pemCiphers.keys()].join(', ')
    throw new KeyExportError(`PEM is encrypted with one of ${known}, not "${printable(cipherName, 64)}"`)
  }
  return key.export({ ...pem, cipher, passphrase: passphrase as string | Buffer }).toString()
}

/** What each PEM format is called by node:crypto, and the one kind of key it has room for. */
const pemFormats = new Map<string, { readonly type: 'pkcs1' | 'pkcs8' | 'sec1'; readonly only?: 'rsa' | 'ec' }>([
  ['pkcs1-pem', { type: 'pkcs1', only: 'rsa' }],
  ['pkcs8-pem', { type: 'pkcs8' }],
  ['sec1-pem', { type: 'sec1', only: 'ec' }],
])

/** node:crypto's names of the ciphers for PEM. */
const pemCiphers = new Map([
  ['aes256-cbc', 'aes-256-cbc'],
  ['aes192-cbc', 'aes-192-cbc'],
  ['aes128-cbc', 'aes-128-cbc'],
])
