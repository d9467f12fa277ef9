/**
 * Payloads chosen by name: global requests, channel types, channel requests, extensions.
 * A name nobody declared has no row, and its payload stays bytes.
 */

import type { Fields, FieldValues, Struct } from './codec.js'

/** One named payload. */
export interface PayloadRow<F extends Fields = Fields> {
  /** Document and section. */
  readonly source: string
  readonly payload: Struct<F>
}

/** Named payloads of one kind. */
export interface PayloadTable<Rows extends Readonly<Record<string, PayloadRow>>> {
  readonly rows: Rows
  /** Names in the order of declaration. */
  readonly names: readonly (keyof Rows & string)[]
  /** Whether `name` has a row; narrows the name. */
  has(name: string): name is keyof Rows & string
  /** Bytes of a named payload. */
  encode<N extends keyof Rows & string>(name: N, values: FieldValues<Rows[N]['payload']['fields']>): Uint8Array
  /**
   * Reads a named payload.
   * @throws WireError when the fields do not fit
   */
  decode<N extends keyof Rows & string>(name: N, payload: Uint8Array): FieldValues<Rows[N]['payload']['fields']>
}

/** Declares a table of named payloads. */
export function payloadTable<const Rows extends Readonly<Record<string, PayloadRow>>>(rows: Rows): PayloadTable<Rows> {
  // A Map, because names come from the peer: `__proto__` must be an unknown name like any other.
  const byName = new Map<string, PayloadRow>(Object.entries(rows))
  const row = (name: string): PayloadRow => {
    const found = byName.get(name)
    if (found === undefined) throw new Error(`No payload is declared for "${name}"`)
    return found
  }
  return {
    rows,
    names: Object.keys(rows),
    has: (name): name is keyof Rows & string => byName.has(name),
    encode: (name, values) => row(name).payload.encode(values),
    decode: (name, payload) => row(name).payload.decode(payload) as never,
  }
}
