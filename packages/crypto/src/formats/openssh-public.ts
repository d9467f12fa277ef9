/** The public key line of OpenSSH: `type base64 comment`, as in `.pub` files (ssh-keygen(1)). */

import { printable } from '@ssh/wire'
import { KeyImportError } from '../errors.js'
import type { PublicKey } from '../keys/key.js'
import { parsePublicKey } from '../keys/public-key.js'

/** @throws KeyImportError unless the line is a type, the base64 of a blob of that type, and perhaps a comment */
export function parseOpensshPublicKey(line: string): PublicKey {
  const [, name, base64, comment] = /^(\S+)[ \t]+([A-Za-z0-9+/]+={0,2})(?:[ \t]+(.*))?$/s.exec(line.trim()) ?? []
  if (name === undefined || base64 === undefined) {
    throw new KeyImportError('Expected a public key line: a key type, base64, and perhaps a comment')
  }
  const key = parsePublicKey(Buffer.from(base64, 'base64'), comment)
  if (key.algorithm === name) return key
  throw new KeyImportError(`The line says "${printable(name, 64)}", but the key in it is of type ${key.algorithm}`)
}
