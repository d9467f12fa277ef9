/** Values of every codec, derived from the declarations. */

import fc, { type Arbitrary } from 'fast-check'
import * as wire from '../src/index.js'

const bytes = (maxLength = 64): Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const uint32 = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
)
const uint64 = fc.oneof(
  fc.constantFrom(0n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
)
/** Names that are traps for whoever keeps a peer's names in a plain object. */
export const trapNames = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'type', '0'] as const
const utf8 = fc.oneof(
  fc.constantFrom(...trapNames, '', '\ufeffbom', '\u0000'),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
const ascii = fc.oneof(fc.constantFrom(...trapNames, ''), fc.string({ unit: 'grapheme-ascii', maxLength: 40 }))
const name = fc.oneof(fc.constantFrom(...trapNames), fc.stringMatching(/^[!-+\x2d-~]{1,64}$/))
/** Minimal: no leading zero. */
const magnitude = fc.oneof(
  fc.constant(new Uint8Array(0)),
  fc.tuple(fc.integer({ min: 1, max: 255 }), bytes(80)).map(([first, more]) => Uint8Array.of(first, ...more)),
)

const leaves = new Map<wire.Codec<never>, Arbitrary<unknown>>([
  [wire.byte, fc.integer({ min: 0, max: 255 })],
  [wire.boolean, fc.boolean()],
  [wire.uint32, uint32],
  [wire.uint64, uint64],
  [wire.string, bytes()],
  [wire.utf8, utf8],
  [wire.text, utf8],
  [wire.ascii, ascii],
  [wire.mpint, magnitude],
  [wire.nameList, fc.array(name, { maxLength: 8 })],
  [wire.rest, bytes()],
] as [wire.Codec<never>, Arbitrary<unknown>][])

/** Values that a codec can write and must read back. @throws Error for a codec this file does not know */
export function valuesOf(codec: wire.Codec<unknown>): Arbitrary<unknown> {
  const leaf = leaves.get(codec as wire.Codec<never>)
  if (leaf !== undefined) return leaf
  if ('fields' in codec) return valuesOfFields(codec.fields as wire.Fields)
  const fixed = /^byte\[(\d+)\]$/.exec(codec.typeName)
  if (fixed !== null) return fc.uint8Array({ minLength: Number(fixed[1]), maxLength: Number(fixed[1]) })
  const constant = /^(?:byte|boolean|uint32) (\S+)$/.exec(codec.typeName)
  if (constant !== null) return fc.constant(JSON.parse(constant[1] ?? ''))
  const { combination } = codec
  if (combination === undefined) throw new Error(`No test values are known for ${codec.typeName}`)
  const item = valuesOf(combination.item)
  switch (combination.kind) {
    case 'list':
    case 'repeated':
      return fc.array(item, { maxLength: 6 })
    case 'optionalTail':
      return item
    case 'optional':
      return fc.option(item, { nil: undefined })
  }
}

/** Objects that fit a field table. */
export function valuesOfFields(fields: wire.Fields): Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(Object.entries(fields).map(([field, codec]) => [field, valuesOf(codec)])))
}

/** The same value with its bytes as hexadecimal, so that a Buffer and a Uint8Array compare equal. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `0x${wire.toHex(value)}`
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).map(([key, field]) => [key, comparable(field)])
}
