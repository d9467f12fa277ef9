/** Frames of the agent protocol: a uint32 length and a payload (draft-ietf-sshm-ssh-agent §3). */

import { concatBytes, HeldChunks, Reader, Writer } from '@ssh/wire'
import { AgentError } from '../errors.js'

/** Longest payload that is sent or read, in bytes: what OpenSSH's agent takes, and more than any real one needs. */
export const maximumPayloadLength: number = 256 * 1024

const headerLength = 4

/** @throws AgentError `ERR_SSH_AGENT_REQUEST_TOO_LONG` for a payload that no agent takes */
export function frame(payload: Uint8Array): Uint8Array {
  if (payload.length > maximumPayloadLength) {
    throw new AgentError(
      'ERR_SSH_AGENT_REQUEST_TOO_LONG',
      `Agents take requests of up to ${maximumPayloadLength} bytes, and this one has ${payload.length}`,
      { details: { length: payload.length, maximum: maximumPayloadLength } },
    )
  }
  return new Writer(headerLength + payload.length).writeString(payload).finish()
}

/**
 * Puts the payloads together again, however their bytes are cut. What is held is near the number of bytes that came: they
 * are taken apart when a payload is asked for, and not before.
 */
export class FrameReader {
  /** What comes next, in one piece. */
  #front: Uint8Array = new Uint8Array(0)
  /** What comes behind it. */
  readonly #held = new HeldChunks()
  /** Bytes that must be there before it is worth to look. */
  #wanted = headerLength

  /** Whether bytes are left over: once no payload is complete, the beginning of one. */
  get isInFrame(): boolean {
    return this.#byteLength > 0
  }

  push(chunk: Uint8Array): void {
    this.#held.push(chunk)
  }

  /**
   * The next payload, if it is complete: a view of what was pushed.
   * @throws AgentError `ERR_SSH_AGENT_INVALID_REPLY` for a frame longer than any real one
   */
  next(): Uint8Array | undefined {
    if (!this.#gather()) return undefined
    if (this.#wanted === headerLength) {
      const length = new Reader(this.#front).readUint32()
      if (length > maximumPayloadLength) throw tooLong(length)
      this.#wanted = headerLength + length
      if (!this.#gather()) return undefined
    }
    const payload = this.#front.subarray(headerLength, this.#wanted)
    this.#front = this.#front.subarray(this.#wanted)
    this.#wanted = headerLength
    return payload
  }

  get #byteLength(): number {
    return this.#front.length + this.#held.byteLength
  }

  /** Brings what is wanted into one piece. @returns whether that much is there */
  #gather(): boolean {
    if (this.#byteLength < this.#wanted) return false
    if (this.#front.length >= this.#wanted) return true
    const pieces = this.#front.length > 0 ? [this.#front] : []
    let { length } = this.#front
    for (let chunk = this.#held.shift(); chunk !== undefined; chunk = this.#held.shift()) {
      pieces.push(chunk)
      length += chunk.length
      if (length >= this.#wanted) break
    }
    this.#front = concatBytes(pieces)
    return true
  }
}

function tooLong(length: number): AgentError {
  return new AgentError(
    'ERR_SSH_AGENT_INVALID_REPLY',
    `The agent announced a reply of ${length} bytes, more than the ${maximumPayloadLength} that any reply has; ` +
      'is this the socket of an agent?',
    { details: { length, maximum: maximumPayloadLength } },
  )
}
