/** Keys made by OpenSSH's own ssh-keygen, so that reading them is part of the test. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { peer } from './peers.js'
import { mustRun } from './program.js'

export const keyTypes = ['ed25519', 'ecdsa', 'rsa'] as const
export type KeyType = (typeof keyTypes)[number]

/** A type of key, with its size where there are several. Default: as ssh-keygen has it. */
export type KeySpec = KeyType | { readonly type: KeyType; readonly bits: number }

export interface KeyFile {
  /** The private key, in OpenSSH's format. */
  readonly path: string
  /** `type base64 comment`, as in authorized_keys. */
  readonly publicLine: string
}

export interface KeyFileOptions {
  readonly bits?: number
  readonly passphrase?: string
  readonly comment?: string
}

/** Makes a key pair at `<folder>/<name>` and `<folder>/<name>.pub`. */
export async function makeKey(
  folder: string,
  name: string,
  spec: KeySpec,
  options: KeyFileOptions = {},
): Promise<KeyFile> {
  const path = join(folder, name)
  const { type, bits = undefined } = typeof spec === 'string' ? { type: spec, ...options } : spec
  const size = bits === undefined ? [] : ['-b', String(bits)]
  const { passphrase = '', comment = name } = options
  await mustRun([peer('ssh-keygen'), '-q', '-t', type, ...size, '-N', passphrase, '-C', comment, '-f', path])
  return { path, publicLine: readFileSync(`${path}.pub`, 'utf8').trim() }
}

/** Key type and base64 of a public line, without the comment. */
export function withoutComment(publicLine: string): string {
  return publicLine.split(' ', 2).join(' ')
}
