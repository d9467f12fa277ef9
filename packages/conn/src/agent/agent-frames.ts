/** Frames of the agent protocol: a uint32 length and a payload (draft-ietf-sshm-ssh-agent §3). */

import { concatBytes, Reader, Writer } from '@ssh/wire'
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

/** Puts the payloads together again, however their bytes are cut. */
export class FrameReader {
  #chunks: Uint8Array[] = []
  #held = 0
  /** Bytes that must be there before it is worth to look. */
  #wanted = headerLength

  /** Whether the bytes so far end in the middle of a frame. */
  get isInFrame(): boolean {
    return this.#held > 0
  }

  /**
   * Takes bytes, and gives the payloads that are complete with them. They are views of what was taken.
   * @throws AgentError `ERR_SSH_AGENT_INVALID_REPLY` for a frame longer than any real one
   */
  *take(chunk: Uint8Array): Generator<Uint8Array> {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    while (this.#held >= this.#wanted) {
      const bytes = concatBytes(this.#chunks)
      const length = new Reader(bytes).readUint32()
      if (length > maximumPayloadLength) throw tooLong(length)
      const end = headerLength + length
      const rest = bytes.subarray(Math.min(end, bytes.length))
      const isComplete = bytes.length >= end
      this.#chunks = [isComplete ? rest : bytes]
      this.#held = isComplete ? rest.length : bytes.length
      this.#wanted = isComplete ? headerLength : end
      if (isComplete) yield bytes.subarray(headerLength, end)
    }
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
