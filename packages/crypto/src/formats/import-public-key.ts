/** Public keys from the text or bytes of a file, whatever its format. */

import { KeyImportError } from '../errors.js'
import type { PublicKey } from '../keys/key.js'
import { parsePublicKey } from '../keys/public-key.js'
import { importing } from '../keys/read-key-type.js'
import type { ArmouredBlock } from './armour.js'
import { openKeySource } from './key-source.js'
import { importPublicDer } from './node-keys.js'
import { parseOpensshPublicKey } from './openssh-public.js'
import { certificateLine, publicKeyLine, type WrongKind, wrongKindError } from './recognise.js'

/**
 * Reads one public key: an OpenSSH line (`type base64 comment`), RFC 4716, or PEM or DER of PKCS#8 or PKCS#1.
 * @throws KeyImportError `ERR_SSH_KEY_IMPORT` for anything else, and unless there is exactly one key
 * @example
 * const key = importPublicKey(await readFile('id_ed25519.pub'))
 */
export function importPublicKey(data: string | Uint8Array): PublicKey {
  const [key, ...more] = importPublicKeyList(data)
  if (key !== undefined && more.length === 0) return key
  throw new KeyImportError(`Expected one public key, found ${more.length + 1}; use importPublicKeyList`)
}

/**
 * Reads every public key of a file: OpenSSH lines (empty ones and those that start with `#` are skipped) or blocks.
 * @returns at least one key, in the order of the file
 * @throws KeyImportError `ERR_SSH_KEY_IMPORT` when one of them cannot be read, or there is none
 */
export function importPublicKeyList(data: string | Uint8Array): PublicKey[] {
  return importing('public key', () => {
    const source = openKeySource(data)
    const keys =
      source.blocks.length > 0
        ? source.blocks.flatMap((block) => readBlock(block) ?? [])
        : keyLines(source.text).map(parseOpensshPublicKey)
    if (keys.length === 0) throw wrongKindError(source, 'public key', wrongKinds, formats)
    return keys
  })
}

/** The lines of a text when all of them look like keys; none at all otherwise. */
function keyLines(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/).filter((line) => /^\s*[^\s#]/.test(line))
  return lines.every((line) => publicKeyLine.test(line)) ? lines : []
}

const formats = 'an OpenSSH line (type, base64, comment), RFC 4716, or PEM or DER of PKCS#8 or PKCS#1'

const wrongKinds: readonly WrongKind[] = [
  [
    /PRIVATE KEY\]/,
    'This is a private key; give its .pub file (ssh-keygen -y -f key > key.pub), or import it and use convertToPublic()',
  ],
  [certificateLine, 'This is an OpenSSH certificate; give the plain .pub file of the key'],
  [/\[[A-Z0-9 ]*CERTIFICATE\]/, 'This is an X.509 certificate; take the key out: openssl x509 -in file -noout -pubkey'],
]

function readBlock({ label, headers, body }: ArmouredBlock): PublicKey | undefined {
  switch (label) {
    case 'SSH2 PUBLIC KEY':
      return parsePublicKey(body, headers.get('comment')?.replace(/^"(.*)"$/, '$1'))
    case 'PUBLIC KEY':
      return importPublicDer(body, 'spki')
    case 'RSA PUBLIC KEY':
      return importPublicDer(body, 'pkcs1')
    default:
      return undefined
  }
}
