/**
 * Identification strings: the one line of text each side sends before binary packets begin (RFC 4253 §4.2).
 * The bytes matter, not the text: both strings go into the exchange hash as they were sent.
 */

import { asBuffer, disconnectReasons, printable, toUtf8 } from '@ssh/wire'
import { OptionsError, ProtocolError } from '../errors.js'
import type { Role } from './role.js'

/** Longest identification string with its line end. */
const maximumLength = 255
/** What a server may say before it, which a client skips. */
const preamble = { lines: 1024, lineLength: 8192 } as const
const lineFeed = 0x0a
const carriageReturn = 0x0d
const prefix = toUtf8('SSH-')

/** What a peer said it is. */
export interface Identification {
  /** The line without its end, as it enters the exchange hash. */
  readonly bytes: Uint8Array
  /** The same for people: control characters escaped. */
  readonly text: string
}

/**
 * Our own line, without its end.
 * @param software softwareversion, and after a space comments
 * @throws OptionsError when it is not what RFC 4253 §4.2 allows
 */
export function identificationBytes(software: string): Uint8Array {
  const line = `SSH-2.0-${software}`
  if (!/^[\x21-\x2c\x2e-\x7e]+( [\x20-\x7e]*)?$/.test(software) || line.length + 2 > maximumLength) {
    throw new OptionsError(
      `"${printable(software, 64)}" cannot be an SSH software version: up to ${maximumLength - 10} printable ASCII ` +
        'characters, no hyphen before the first space (RFC 4253 §4.2)',
      { details: { software } },
    )
  }
  return toUtf8(line)
}

/** Finds the peer's identification string in its first bytes, however they are cut. */
export class IdentificationReader {
  readonly #role: Role
  readonly #line: Buffer
  #length = 0
  #skipped = 0
  /** Start of the first line, to show when it was not SSH. */
  #firstLine: string | undefined

  constructor(role: Role) {
    this.#role = role
    this.#line = Buffer.allocUnsafe(role === 'client' ? preamble.lineLength : maximumLength)
  }

  /**
   * @returns the string and the bytes after it, or undefined while it is not complete
   * @throws ProtocolError when this is not SSH, or not a version that is spoken here
   */
  push(chunk: Uint8Array): { readonly identification: Identification; readonly rest: Uint8Array } | undefined {
    let offset = 0
    while (offset < chunk.length) {
      const end = chunk.indexOf(lineFeed, offset)
      this.#append(chunk.subarray(offset, end < 0 ? chunk.length : end + 1))
      if (end < 0) return undefined
      offset = end + 1
      const identification = this.#finishLine()
      if (identification !== undefined) return { identification, rest: chunk.subarray(offset) }
    }
    return undefined
  }

  /** The error for a peer that went away, or went on, without saying that it speaks SSH. */
  notSsh(what: string): ProtocolError {
    const found = this.#firstLine ?? this.#lineStart()
    const shown = found === '' ? '' : `: found "${printable(found)}"`
    return new ProtocolError(
      'ERR_SSH_TRANSPORT_NOT_SSH',
      `The peer does not speak SSH: ${what}${shown}. ${hint(found)}`,
      {
        details: { found },
      },
    )
  }

  /** Whether the peer has said anything. */
  get hasFound(): boolean {
    return this.#length > 0 || this.#skipped > 0
  }

  #lineStart(): string {
    return this.#line.toString('latin1', 0, Math.min(this.#length, 64)).trimEnd()
  }

  #append(segment: Uint8Array): void {
    const fits = this.#line.length - this.#length
    this.#line.set(segment.subarray(0, fits), this.#length)
    this.#length += Math.min(segment.length, fits)
    const known = Math.min(this.#length, prefix.length)
    const isCandidate = this.#line.subarray(0, known).equals(prefix.subarray(0, known))
    if (!isCandidate && this.#role === 'server') throw this.notSsh('expected an identification string beginning "SSH-"')
    if (segment.includes(0)) throw this.#malformed('contains a NUL byte')
    const isTooLong = segment.length > fits || (isCandidate && this.#length > maximumLength)
    if (isTooLong) throw this.#malformed(`is longer than ${isCandidate ? maximumLength : preamble.lineLength} bytes`)
  }

  /** @returns the identification, or undefined when the line was one to skip */
  #finishLine(): Identification | undefined {
    const end = this.#line.subarray(0, this.#length)
    const hasCarriageReturn = end.at(-2) === carriageReturn
    const line = end.subarray(0, this.#length - (hasCarriageReturn ? 2 : 1))
    if (!line.subarray(0, prefix.length).equals(prefix)) {
      this.#firstLine ??= this.#lineStart()
      if (/^HTTP\//.test(line.toString('latin1', 0, 8))) throw this.notSsh('it answers like a web server')
      if (++this.#skipped > preamble.lines) {
        throw this.notSsh(`more than ${preamble.lines} lines came before an identification string`)
      }
      this.#length = 0
      return undefined
    }
    if (this.#role === 'server' && !hasCarriageReturn) throw this.#malformed('does not end in CR LF')
    const bytes = Uint8Array.from(line)
    const text = printable(asBuffer(bytes).toString('latin1'))
    const isSpoken = /^SSH-2\.0-/.test(text) || (this.#role === 'client' && /^SSH-1\.99-/.test(text))
    if (!isSpoken) {
      throw new ProtocolError(
        'ERR_SSH_TRANSPORT_VERSION_UNSUPPORTED',
        `The peer speaks another version of SSH ("${text}"), but only 2.0 is supported; update the peer`,
        { disconnectReason: disconnectReasons.protocolVersionNotSupported, details: { found: text } },
      )
    }
    return { bytes, text }
  }

  #malformed(what: string): ProtocolError {
    const found = this.#lineStart()
    return new ProtocolError(
      'ERR_SSH_TRANSPORT_IDENTIFICATION_MALFORMED',
      `What the peer sent for its identification string ${what}: "${printable(found)}". ${hint(found)}`,
      { details: { found } },
    )
  }
}

function hint(found: string): string {
  if (/^(HTTP\/|[A-Z]+ \S+ HTTP\/|GET |POST |HEAD )/.test(found)) return 'That is HTTP: check host and port'
  // A TLS record: content type 20 to 23, then version 3.x.
  const [type = 0, version] = Buffer.from(found, 'latin1')
  if (type >= 20 && type <= 23 && version === 3) return 'That is TLS: check host and port'
  return 'Check host and port'
}
