/** Every layout that `@ssh/wire` declares, found by walking its exports: a new row is tested without a new test. */

import * as wire from '../src/index.js'

/** A message, a named payload or a struct: fields, and bytes both ways. */
export interface Declaration {
  readonly name: string
  readonly fields: wire.Fields
  encode(values: never): Uint8Array
  decode(bytes: Uint8Array): unknown
}

type AnySet = wire.MessageSet<readonly wire.MessageDefinition[]>
type AnyTable = wire.PayloadTable<Record<string, wire.PayloadRow>>

const exported: readonly [string, unknown][] = Object.entries(wire)
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

export const messageSets = exported.filter(
  (entry): entry is [string, AnySet] => isObject(entry[1]) && 'definitions' in entry[1],
)
export const payloadTables = exported.filter(
  (entry): entry is [string, AnyTable] => isObject(entry[1]) && 'rows' in entry[1],
)
const isStruct = (value: unknown): value is Declaration =>
  isObject(value) && 'fields' in value && 'decode' in value && !('number' in value)
const structs = [...exported, ...Object.entries(wire.userauthMethods)].filter((entry): entry is [string, Declaration] =>
  isStruct(entry[1]),
)

export const declarations: readonly Declaration[] = [
  ...messageSets.flatMap(([set, { definitions }]) =>
    definitions.map((message) => ({ ...message, name: `${set} ${message.name}` })),
  ),
  ...payloadTables.flatMap(([table, { rows }]) =>
    Object.entries(rows).map(([name, { payload }]) => ({
      name: `${table} ${name}`,
      fields: payload.fields,
      encode: payload.encode,
      decode: payload.decode,
    })),
  ),
  ...structs.map(([name, { fields, encode, decode }]) => ({ name: `struct ${name}`, fields, encode, decode })),
]

/** Whether a codec may read fewer bytes than it wrote without noticing: what is left over, or absent. */
export function hasOpenEnd(codec: wire.Codec<unknown>): boolean {
  return codec === wire.rest || (codec.combination !== undefined && codec.combination.kind !== 'list')
}
