/** Properties of every message, named payload and struct there is. Covers A24, A26, H3 and H5 of the threat list. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Codec, WireError, Writer } from '../src/index.js'
import { comparable, valuesOfFields } from './arbitraries.js'
import { type Declaration, declarations, hasOpenEnd, messageSets, payloadTables } from './declarations.js'

const runs = { numRuns: 60 }

/** The value, or that it is a WireError; anything else that is thrown fails the test. */
function valueOrWireError(decode: () => unknown): unknown {
  try {
    return decode()
  } catch (error) {
    if (error instanceof WireError) return error
    throw error
  }
}

/** The bytes before field number `index`, with whatever values. */
function bytesBefore(declaration: Declaration, index: number): Uint8Array {
  const writer = new Writer()
  if ('number' in declaration) writer.writeByte(declaration.number as number)
  const before = Object.fromEntries(Object.entries(declaration.fields).slice(0, index))
  const values = fc.sample(valuesOfFields(before), { numRuns: 1, seed: 1 })[0] ?? {}
  for (const [field, codec] of Object.entries(before)) codec.write(writer, values[field])
  return writer.finish()
}

/** Whether the codec starts with a uint32 that says how much follows. */
const startsWithLength = (codec: Codec<unknown>): boolean =>
  codec.typeName.startsWith('string') ||
  ['mpint', 'name-list'].includes(codec.typeName) ||
  codec.typeName.startsWith('uint32 count')

test('the walk finds what is there', () => {
  expect(messageSets.length).toBeGreaterThanOrEqual(10)
  expect(payloadTables.length).toBeGreaterThanOrEqual(4)
  expect(declarations.length).toBeGreaterThan(100)
})

describe.each(declarations.map((declaration) => [declaration.name, declaration] as const))('%s', (_, declaration) => {
  const values = valuesOfFields(declaration.fields)
  const fields = Object.entries(declaration.fields)
  const decode = (bytes: Uint8Array) => declaration.decode(bytes)

  test('reads back what it wrote', () => {
    fc.assert(
      fc.property(values, (written) => {
        const bytes = declaration.encode(written as never)
        const { type: _type, ...read } = decode(bytes) as Record<string, unknown>
        // A field named `type` would be taken for the message's.
        expect(Object.keys(declaration.fields)).not.toContain('type')
        expect(comparable(read)).toEqual(comparable(written))
        expect(comparable(declaration.encode(read as never))).toBe(comparable(bytes))
      }),
      runs,
    )
  })

  test('cut short anywhere, it is a WireError or, where the last fields may be absent, a value', () => {
    const mayEndEarly = fields.some(([, codec]) => hasOpenEnd(codec))
    fc.assert(
      fc.property(values, (written) => {
        const bytes = declaration.encode(written as never)
        for (let length = 0; length < bytes.length; length++) {
          const result = valueOrWireError(() => decode(bytes.subarray(0, length)))
          if (!mayEndEarly) expect(result).toBeInstanceOf(WireError)
        }
      }),
      { numRuns: 10 },
    )
  })

  test('bytes after the last field are refused, unless the last field takes them', () => {
    if (fields.some(([, codec]) => hasOpenEnd(codec) && codec.combination?.kind !== 'optionalTail')) return
    fc.assert(
      fc.property(values, fc.uint8Array({ minLength: 1, maxLength: 8 }), (written, extra) => {
        const bytes = Buffer.concat([declaration.encode(written as never), extra])
        expect(() => decode(bytes)).toThrow(expect.objectContaining({ code: 'ERR_SSH_WIRE_TRAILING_BYTES' }))
      }),
      { numRuns: 10 },
    )
  })

  test('any bytes are a value or a WireError', () => {
    const number = 'number' in declaration ? [declaration.number as number] : []
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        valueOrWireError(() => decode(body))
        valueOrWireError(() => decode(Uint8Array.of(...number, ...body)))
      }),
      runs,
    )
  })

  test('one changed byte is a value or a WireError', () => {
    fc.assert(
      fc.property(values, fc.nat(), fc.integer({ min: 0, max: 255 }), (written, position, value) => {
        const bytes = Uint8Array.from(declaration.encode(written as never))
        if (bytes.length > 0) bytes[position % bytes.length] = value
        valueOrWireError(() => decode(bytes))
      }),
      runs,
    )
  })

  test('a length or count of 2^32-1 before a short body is refused at once', () => {
    for (const [index, [, codec]] of fields.entries()) {
      if (!startsWithLength(codec)) continue
      const bytes = Buffer.concat([bytesBefore(declaration, index), Buffer.from('ffffffff61626364', 'hex')])
      const before = process.cpuUsage()
      expect(() => decode(bytes)).toThrow(WireError)
      // Allocating or looping for four thousand million items would take seconds, of the processor, not of a busy machine.
      const { user, system } = process.cpuUsage(before)
      expect(user + system).toBeLessThan(1_000_000)
    }
  })
})

describe.each(messageSets)('%s', (_, set) => {
  test('tells its messages apart by number and refuses every other number', () => {
    const known = new Set(set.definitions.map((definition) => definition.number))
    expect(known.size).toBe(set.definitions.length)
    for (let number = 0; number < 256; number++) {
      expect(set.has(number)).toBe(known.has(number))
      expect(set.get(number)?.number).toBe(known.has(number) ? number : undefined)
      if (known.has(number)) continue
      expect(() => set.decode(Uint8Array.of(number))).toThrow(
        expect.objectContaining({ code: 'ERR_SSH_WIRE_UNKNOWN_MESSAGE', details: expect.objectContaining({ number }) }),
      )
    }
  })

  test('refuses an empty payload', () => {
    expect(() => set.decode(new Uint8Array(0))).toThrow(WireError)
  })

  test('names every message, its source and its number', () => {
    for (const { name, number, source } of set.definitions) {
      expect(name).toMatch(/^[a-z][A-Za-z]+$/)
      expect(source).toMatch(/^(RFC|OpenSSH|draft-)/)
      expect(number).toBeGreaterThan(0)
      expect(number).toBeLessThan(256)
    }
  })
})

describe.each(payloadTables)('%s', (_, table) => {
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', ''])('knows no payload named "%s"', (name) => {
    expect(table.has(name)).toBe(false)
    expect(() => table.decode(name, new Uint8Array(0))).toThrow(`No payload is declared for "${name}"`)
    expect(() => table.encode(name, {})).toThrow(`No payload is declared for "${name}"`)
  })

  test('encodes and decodes by name as the row does', () => {
    for (const name of table.names) {
      expect(table.has(name)).toBe(true)
      const row = table.rows[name]!
      const [written] = fc.sample(valuesOfFields(row.payload.fields), { numRuns: 1, seed: 7 })
      const bytes = table.encode(name, written as never)
      expect(comparable(bytes)).toBe(comparable(row.payload.encode(written as never)))
      expect(comparable(table.decode(name, bytes))).toEqual(comparable(written))
    }
  })
})

test('no decoding changed what every object inherits', () => {
  expect(Object.keys(Object.prototype)).toEqual([])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
})
