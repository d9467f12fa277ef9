/** Codecs and how they combine: one value describes both directions and the TypeScript type. */

import { WireError } from './errors.js'
import { Reader } from './reader.js'
import { Writer } from './writer.js'

/** Reads and writes one kind of value. `read` is total: it returns a value or throws a {@link WireError}. */
export interface Codec<T> {
  /** How documentation names the type, for instance `uint32`. */
  readonly typeName: string
  read(reader: Reader): T
  write(writer: Writer, value: T): void
  /** What a combined codec is made of, for whatever walks declarations: documentation, generators of test values. */
  readonly combination?: Combination
}

/** How one codec was made from another. */
export interface Combination {
  readonly kind: 'list' | 'repeated' | 'optionalTail' | 'optional'
  readonly item: Codec<unknown>
}

/** The value type of a codec. */
export type ValueOf<C> = C extends Codec<infer T> ? T : never

/** Field names and their codecs, in wire order. */
// biome-ignore lint/suspicious/noExplicitAny: a field table holds codecs of any value type; inference recovers each
export type Fields = Readonly<Record<string, Codec<any>>>

/** The object type that a field table describes. */
export type FieldValues<F extends Fields> = { [K in keyof F]: ValueOf<F[K]> }

/** Named fields one after another. */
export interface Struct<F extends Fields> extends Codec<FieldValues<F>> {
  readonly fields: F
  /** Decodes all of `bytes`; @throws WireError when they are not exactly one value */
  decode(bytes: Uint8Array): FieldValues<F>
  encode(value: FieldValues<F>): Uint8Array
}

/**
 * A struct of named fields, in wire order.
 * @param name how errors and documentation call it
 */
export function struct<const F extends Fields>(name: string, fields: F): Struct<F> {
  const entries = Object.entries(fields)
  const read = (reader: Reader): FieldValues<F> => {
    const value: Record<string, unknown> = {}
    for (const [key, codec] of entries) value[key] = codec.read(reader)
    return value as FieldValues<F>
  }
  const write = (writer: Writer, value: FieldValues<F>): void => {
    for (const [key, codec] of entries) codec.write(writer, value[key])
  }
  return {
    typeName: name,
    fields,
    read,
    write,
    decode(bytes) {
      const reader = new Reader(bytes)
      const value = read(reader)
      reader.expectEnd(name)
      return value
    },
    encode(value) {
      const writer = new Writer()
      write(writer, value)
      return writer.finish()
    },
  }
}

/**
 * A uint32 count and that many items.
 *
 * The count is hostile: it is checked against the bytes that are left before anything is allocated.
 * @param minimumItemSize bytes the smallest item takes on the wire, at least 1
 */
export function list<T>(item: Codec<T>, minimumItemSize: number): Codec<T[]> {
  return {
    typeName: `uint32 count, ${item.typeName}[]`,
    combination: { kind: 'list', item },
    read(reader) {
      const count = reader.readUint32()
      if (count > reader.remaining / minimumItemSize) {
        throw new WireError(
          'ERR_SSH_WIRE_INVALID_VALUE',
          `A count of ${count} items cannot fit the ${reader.remaining} bytes that are left`,
          { count, available: reader.remaining },
        )
      }
      const items: T[] = []
      for (let index = 0; index < count; index++) items.push(item.read(reader))
      return items
    },
    write(writer, items) {
      writer.writeUint32(items.length)
      for (const value of items) item.write(writer, value)
    },
  }
}

/** Items until the bytes end, without a count. */
export function repeated<T>(item: Codec<T>): Codec<T[]> {
  return {
    typeName: `${item.typeName} until the end`,
    combination: { kind: 'repeated', item },
    read(reader) {
      const items: T[] = []
      while (reader.remaining > 0) {
        const before = reader.offset
        items.push(item.read(reader))
        if (reader.offset === before)
          throw new WireError('ERR_SSH_WIRE_INVALID_VALUE', 'An empty item repeats for ever')
      }
      return items
    },
    write(writer, items) {
      for (const value of items) item.write(writer, value)
    },
  }
}

/** A last field that older peers leave out: absent reads as `fallback`, and is always written. */
export function optionalTail<T>(codec: Codec<T>, fallback: T): Codec<T> {
  return {
    typeName: `${codec.typeName} (may be absent)`,
    combination: { kind: 'optionalTail', item: codec },
    read: (reader) => (reader.remaining === 0 ? fallback : codec.read(reader)),
    write: (writer, value) => codec.write(writer, value),
  }
}

/** A field that is there only when there are bytes left and only written when it has a value. */
export function optional<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    typeName: `${codec.typeName} (optional)`,
    combination: { kind: 'optional', item: codec },
    read: (reader) => (reader.remaining === 0 ? undefined : codec.read(reader)),
    write(writer, value) {
      if (value !== undefined) codec.write(writer, value)
    },
  }
}
