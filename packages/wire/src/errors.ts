/**
 * The error base that every package extends, and the faults of the wire format itself.
 *
 * A code is API: `ERR_SSH_<LAYER>_<FACT>`, never reused for another meaning. A message says what happened,
 * what was expected and what can be done about it; secrets never appear in one.
 */

/** Recognises errors of this SDK even when two copies of a package are loaded in one process. */
const brand: unique symbol = Symbol.for('@ssh/wire.SshError') as never

/** Structured facts of an error: what a program (not a person) needs in order to react. */
export type ErrorDetails = Readonly<Record<string, unknown>>

export interface SshErrorOptions {
  /** Facts for programs, for instance `{ ours, theirs }` of a failed negotiation. */
  readonly details?: ErrorDetails
  /** The error underneath, for instance a system error. */
  readonly cause?: unknown
  /**
   * The SSH_DISCONNECT reason code (RFC 4253 §11.1) to tell the peer when this error ends the connection.
   * Absent: the error does not end a connection, or nothing is left to tell the peer.
   */
  readonly disconnectReason?: number
}

/**
 * Base class of every error of this SDK.
 *
 * `code` is stable and meant for `switch`; `layer` is its second part in lower case.
 */
export class SshError extends Error {
  /** What happened, for programs: `ERR_SSH_…` or `ERR_SFTP_…`, stable from version to version. */
  readonly code: string
  /** Facts about it; which ones the class or the code says. */
  readonly details: ErrorDetails
  /** What a peer is told when this ends the connection (RFC 4253 §11.1). */
  readonly disconnectReason: number | undefined
  readonly [brand] = true

  constructor(code: string, message: string, options: SshErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    // Not enumerable: it is plumbing for the transport, not a fact for whoever prints the error.
    Object.defineProperty(this, 'disconnectReason', { value: options.disconnectReason, enumerable: false })
    Object.defineProperty(this, brand, { value: true, enumerable: false })
  }

  /** Name of the class, so that a printed error tells its kind. */
  override get name(): string {
    return this.constructor.name
  }

  /** The room the error comes from, for instance `wire`, `transport`, `auth`. */
  get layer(): string {
    return /^ERR_(?:SSH|SFTP)_([A-Z0-9]+)/.exec(this.code)?.[1]?.toLowerCase() ?? 'ssh'
  }

  /** Whether `value` is an error of this SDK, whichever copy of the package made it. */
  static isSshError(value: unknown): value is SshError {
    return typeof value === 'object' && value !== null && brand in value
  }
}

/**
 * The caller's AbortSignal fired: the operation is over and left nothing open. `cause` is the signal's reason.
 * Shaped like Node's own (`name` and `code`), so code written for `fs` or `child_process` recognises it.
 */
export class AbortError extends SshError {
  declare readonly code: 'ABORT_ERR'

  constructor(reason?: unknown, message = 'The operation was aborted') {
    super('ABORT_ERR', message, reason === undefined ? {} : { cause: reason })
  }
}

/** Codes of {@link WireError}. */
export type WireErrorCode =
  | 'ERR_SSH_WIRE_TRUNCATED'
  | 'ERR_SSH_WIRE_TRAILING_BYTES'
  | 'ERR_SSH_WIRE_INVALID_VALUE'
  | 'ERR_SSH_WIRE_UNKNOWN_MESSAGE'

/**
 * Bytes that are not what RFC 4251 §5 or the message's layout says, or a value that cannot be written in it.
 *
 * Ends the connection with SSH_DISCONNECT_PROTOCOL_ERROR when the bytes came from a peer.
 */
export class WireError extends SshError {
  declare readonly code: WireErrorCode

  constructor(code: WireErrorCode, message: string, details?: ErrorDetails) {
    super(code, message, { ...(details && { details }), disconnectReason: 2 })
  }
}

/** Control, format and line-separating characters (escapes, bells, direction changes, invisible marks), half surrogates. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

/**
 * Text from a peer made safe to put into an error, a log line or a terminal: control, escape and
 * direction-changing characters become `\xNN` or `\uNNNN`, and long text is cut with a mark.
 *
 * @param text what the peer sent
 * @param maximumLength characters kept; default 256
 */
export function printable(text: string, maximumLength = 256): string {
  const cut = text.length > maximumLength ? `${text.slice(0, maximumLength)}…` : text
  return cut.replace(unprintable, (character) => {
    const code = character.codePointAt(0) ?? 0
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`
  })
}
