/** Key files of the wrong kind: what they are, and what to do about it. */

import { KeyImportError } from '../errors.js'
import type { KeySource } from './key-source.js'

/** A pattern on the outline of a file, and what to tell its owner. */
export type WrongKind = readonly [pattern: RegExp, message: string]

/** Kinds that are of no use anywhere here. */
const foreign: readonly WrongKind[] = [
  [
    /^PuTTY-User-Key-File-/,
    'This is a PuTTY private key (PPK), which is not read; convert it: puttygen key.ppk -O private-openssh -o key',
  ],
  [
    /\[SSH2 (?:ENCRYPTED )?PRIVATE KEY\]/,
    'This is a private key of SSH.com, which is not read; try: ssh-keygen -i -f key',
  ],
  [/^SSH PRIVATE KEY FILE FORMAT 1/, 'This is a key of SSH protocol 1, which nobody uses any more; make a new key'],
  [/\[DSA PRIVATE KEY\]/, 'This is a DSA key, which is too weak to use; make a new key: ssh-keygen -t ed25519'],
  [
    /\[PKCS12\]/,
    'This is a PKCS#12 bundle, which is not read; take the key out: openssl pkcs12 -in bundle.p12 -nocerts -out key.pem',
  ],
]

/** An OpenSSH public key line, and a certificate line, at the start of any line. */
export const publicKeyLine = /^[ \t]*[\w@.-]+(?<!-cert-v01@openssh\.com)[ \t]+AAAA/m
export const certificateLine = /^[ \t]*[\w.-]+-cert-v01@openssh\.com[ \t]+AAAA/m

/**
 * The error for a file without what was looked for.
 * @param wanted for instance `private key`
 * @param kinds what it might be instead, likeliest first
 * @param formats what is understood
 */
export function wrongKindError(
  source: KeySource,
  wanted: string,
  kinds: readonly WrongKind[],
  formats: string,
): KeyImportError {
  const outline = outlineOf(source)
  const row = [...foreign, ...kinds].find(([pattern]) => pattern.test(outline))
  // What the file says is not repeated: whoever gives a password by mistake must not find it in a log.
  const found = row?.[1] ?? (source.blocks.length > 0 ? `Found ${outline}` : describeText(source.text))
  return new KeyImportError(`${found}. A ${wanted} is needed here: ${formats}`)
}

function outlineOf({ blocks, text }: KeySource): string {
  return blocks.length > 0 ? blocks.map(({ label }) => `[${label}]`).join(' ') : text
}

function describeText(text: string): string {
  if (text.trim() === '') return 'Found nothing: the file is empty'
  return `Found ${text.length} characters that are no key in any known format`
}
