/** What lines of known_hosts and authorized_keys have in common: how a text falls into lines, and `type base64 comment`. */

import { printable, Reader } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'

/** A public key as a line of text names it. It stays bytes: files hold keys of types we need not know. */
export interface KeyFields {
  /** Key type, for instance `ssh-ed25519`; also the first string in `blob`. */
  readonly keyType: string
  /** Public key blob (RFC 4253 §6.6). */
  readonly blob: Uint8Array
  readonly comment: string
}

/** Longest line that is read, in characters. A certificate takes about 4 KiB. */
const maximumLineLength = 64 * 1024

/**
 * Calls `visit` with each line that is neither empty nor a comment, without surrounding blanks and line end.
 * A line that makes it throw a {@link LineFault} goes to `reject` and the next one is read. A private key is one fault,
 * and none of its lines is visited.
 */
export function forEachLine(
  text: string,
  visit: (content: string, line: number) => void,
  reject: (message: string, line: number) => void,
): void {
  let isInPrivateKey = false
  for (const [index, raw] of text.split('\n').entries()) {
    // Only the two blanks that OpenSSH knows: another space is part of a name, and must not split one.
    const content = raw.replace(/^[ \t]+/, '').replace(/\r$/, '')
    if (isInPrivateKey) {
      isInPrivateKey = !privateKeyEnd.test(content)
      continue
    }
    if (content === '' || content.startsWith('#')) continue
    if (privateKeyBegin.test(content)) {
      isInPrivateKey = true
      reject(privateKeyFault, index + 1)
      continue
    }
    try {
      if (content.length > maximumLineLength) throw new LineFault(`it is longer than ${maximumLineLength} characters`)
      visit(content, index + 1)
    } catch (error) {
      if (!(error instanceof LineFault)) throw error
      reject(error.message, index + 1)
    }
  }
}

/** What begins a private key: PEM of any kind (RFC 7468), OpenSSH's and ssh.com's alike, and PuTTY's. */
const privateKeyBegin = /^(?:-{4,5} ?BEGIN [\w ]*PRIVATE KEY|PuTTY-User-Key-File-\d+:)/
const privateKeyEnd = /^(?:-{4,5} ?END |Private-(?:MAC|Hash):)/

const privateKeyFault = 'this is a private key; give the public key (.pub)'

/**
 * Where public keys are wanted a private one is a mistake that must be heard of: it may be on its way to where others see it.
 * @param what whose option or file it is, for the error
 * @param file where the text comes from, if there is one
 * @throws ConfigParseError, which holds nothing of the text
 */
export function refusePrivateKey(text: string, what: string, file?: string): void {
  if (!text.split('\n').some((line) => privateKeyBegin.test(line.trim()))) return
  const where = file === undefined ? '' : `: ${printable(file)}`
  throw new ConfigParseError(`Cannot use ${what}${where}: ${privateKeyFault}`, { details: { file } })
}

/**
 * Whether what stands where a name should be may be quoted in messages. Anything else may be part of a secret that got
 * into the wrong file; base64 is in both cases, as nobody writes names.
 */
export function isPlausibleName(text: string): boolean {
  return /^(?:[a-z][a-z\d-]{0,31}|[A-Z][A-Z\d-]{0,31})$/.test(text)
}

/** Why a line is left out. Never leaves the parser that throws it. */
export class LineFault extends Error {}

/** Splits off the first field: all up to the first blank, and what follows the blanks. */
export function splitField(text: string): [field: string, rest: string] {
  const end = text.search(/[ \t]/)
  if (end < 0) return [text, '']
  let start = end
  while (text[start] === ' ' || text[start] === '\t') start++
  return [text.slice(0, end), text.slice(start)]
}

/** Reads `type base64 [comment]`. @throws LineFault */
export function parseKeyFields(text: string): KeyFields {
  const [keyType, afterType] = splitField(text)
  const [base64, comment] = splitField(afterType)
  if (base64 === '') throw new LineFault('a key type and a key in base64 are missing')
  const blob = decodeBase64(base64)
  if (blob === undefined) throw new LineFault('the key is not base64')
  if (nameInBlob(blob) !== keyType) throw new LineFault('the key is not of the type that the line names')
  return { keyType, blob, comment }
}

/** Bytes of padded base64; undefined for anything else. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined
}

/** The key type that a blob begins with. */
function nameInBlob(blob: Uint8Array): string | undefined {
  const reader = new Reader(blob)
  if (reader.remaining < 4) return undefined
  const length = reader.readUint32()
  if (length === 0 || length > Math.min(reader.remaining, 255)) return undefined
  return Buffer.from(reader.readBytes(length)).toString('latin1')
}
