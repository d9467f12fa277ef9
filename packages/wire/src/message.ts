/**
 * Messages and message sets: one declaration that encodes, decodes, types, names and documents.
 *
 * A set, not one global map: numbers 30–49 and 60–79 mean different messages for each key exchange and
 * authentication method (RFC 4251 §7, RFC 4252 §6), so whoever runs the method brings its set to the decoder.
 */

import type { Fields, FieldValues } from './codec.js'
import { WireError } from './errors.js'
import { Reader } from './reader.js'
import { Writer } from './writer.js'

/** One message: its number, where it is specified, and its fields in wire order. */
export interface MessageDefinition<N extends string = string, F extends Fields = Fields> {
  /** The RFC's name in camelCase: SSH_MSG_CHANNEL_OPEN_CONFIRMATION is `channelOpenConfirmation`. */
  readonly name: N
  /** First byte of the payload. */
  readonly number: number
  /** Document and section. */
  readonly source: string
  readonly fields: F
  /** The whole payload, number first. */
  encode(values: FieldValues<F>): Uint8Array
  /**
   * Reads a payload of this message.
   * @throws WireError when the number is another one or the fields do not fit
   */
  decode(payload: Uint8Array): Message<N, F>
}

/** A decoded message: its name as `type`, and its fields. */
export type Message<N extends string, F extends Fields> = { readonly type: N } & FieldValues<F>

/** The decoded form of a definition. */
export type MessageOf<D> = D extends MessageDefinition<infer N, infer F> ? Message<N, F> : never

/** Declares a message. */
export function message<const N extends string, const F extends Fields>(
  name: N,
  number: number,
  source: string,
  fields: F,
): MessageDefinition<N, F> {
  const entries = Object.entries(fields)
  return {
    name,
    number,
    source,
    fields,
    encode(values) {
      const writer = new Writer()
      writer.writeByte(number)
      for (const [key, codec] of entries) codec.write(writer, values[key])
      return writer.finish()
    },
    decode(payload) {
      const reader = new Reader(payload)
      const found = reader.readByte()
      if (found !== number) throw unknownMessage(found, `${name} (${number})`)
      const decoded: Record<string, unknown> = { type: name }
      for (const [key, codec] of entries) decoded[key] = codec.read(reader)
      reader.expectEnd(name)
      return decoded as Message<N, F>
    },
  }
}

// biome-ignore lint/suspicious/noExplicitAny: a set holds definitions of any field table; inference recovers each
type AnyDefinition = MessageDefinition<any, any>

/** Messages that can occur together, told apart by number. */
export interface MessageSet<D extends readonly AnyDefinition[]> {
  readonly definitions: D
  /** Whether `number` is one of this set. */
  has(number: number): boolean
  /** The definition with this number, if it is one of this set. */
  get(number: number): D[number] | undefined
  /**
   * Reads one payload of any message of the set.
   * @throws WireError `ERR_SSH_WIRE_UNKNOWN_MESSAGE` for another number, or when the fields do not fit
   */
  decode(payload: Uint8Array): MessageOf<D[number]>
}

/** The union of a set's decoded messages, for an exhaustive switch on `type`. */
export type MessagesOf<S> = S extends MessageSet<infer D> ? MessageOf<D[number]> : never

/** Declares a set. @throws Error when two definitions share a number */
export function messageSet<const D extends readonly AnyDefinition[]>(...definitions: D): MessageSet<D> {
  const byNumber = new Map<number, D[number]>()
  for (const definition of definitions) {
    const other = byNumber.get(definition.number)
    if (other) throw new Error(`${definition.name} and ${other.name} share message number ${definition.number}`)
    byNumber.set(definition.number, definition)
  }
  return {
    definitions,
    has: (number) => byNumber.has(number),
    get: (number) => byNumber.get(number),
    decode(payload) {
      const number = payload[0]
      const definition = number === undefined ? undefined : byNumber.get(number)
      if (definition === undefined) throw unknownMessage(number, definitions.map((known) => known.name).join(', '))
      return definition.decode(payload) as MessageOf<D[number]>
    },
  }
}

function unknownMessage(number: number | undefined, expected: string): WireError {
  const found = number === undefined ? 'an empty payload' : `message number ${number}`
  return new WireError('ERR_SSH_WIRE_UNKNOWN_MESSAGE', `Expected ${expected}, found ${found}`, { number, expected })
}
