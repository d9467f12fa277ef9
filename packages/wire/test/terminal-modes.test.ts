import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  decodeTerminalModes,
  encodeTerminalModes,
  type TerminalModeName,
  terminalModeOpcodes,
  toHex,
  WireError,
} from '../src/index.js'

const modeNames = Object.keys(terminalModeOpcodes) as TerminalModeName[]
const invalidValue = expect.objectContaining({ code: 'ERR_SSH_WIRE_INVALID_VALUE' })

test('opcodes, values and the end marker are laid out as RFC 4254 §8 says', () => {
  expect(
    toHex(
      encodeTerminalModes([
        ['ECHO', 1],
        ['TTY_OP_OSPEED', 38400],
        [100, 7],
      ]),
    ),
  ).toBe('3500000001' + '8100009600' + '6400000007' + '00')
})

test('modes are read back by name, unknown ones by opcode', () => {
  const opcode = fc.integer({ min: 1, max: 159 })
  const mode = fc.oneof(fc.constantFrom(...modeNames), opcode)
  fc.assert(
    fc.property(fc.array(fc.tuple(mode, fc.integer({ min: 0, max: 2 ** 32 - 1 }))), (modes) => {
      const byOpcode = new Map(
        modes.map(([name, value]) => [typeof name === 'number' ? name : terminalModeOpcodes[name], value]),
      )
      const read = decodeTerminalModes(encodeTerminalModes(modes))
      const readByOpcode = new Map(
        [...read].map(([name, value]) => [typeof name === 'number' ? name : terminalModeOpcodes[name], value]),
      )
      expect(readByOpcode).toEqual(byOpcode)
      for (const name of read.keys())
        if (typeof name === 'number') expect(Object.values(terminalModeOpcodes)).not.toContain(name)
    }),
  )
})

test('a list without its end marker is taken', () => {
  expect(decodeTerminalModes(Buffer.from('3500000001', 'hex'))).toEqual(new Map([['ECHO', 1]]))
  expect(decodeTerminalModes(new Uint8Array(0))).toEqual(new Map())
})

test('what follows the end marker or an opcode from 160 on is not read', () => {
  expect(decodeTerminalModes(Buffer.from('00ff', 'hex'))).toEqual(new Map())
  expect(decodeTerminalModes(Buffer.from('3500000001a0ff', 'hex'))).toEqual(new Map([['ECHO', 1]]))
})

test('a value cut short is a WireError', () => {
  expect(() => decodeTerminalModes(Buffer.from('35000000', 'hex'))).toThrow(WireError)
})

test.each([
  [0, 1],
  [160, 1],
  [-1, 1],
  [1.5, 1],
  ['ECHO', -1],
  ['ECHO', 2 ** 32],
] as [TerminalModeName | number, number][])('mode %s with value %d cannot be written', (mode, value) => {
  expect(() => encodeTerminalModes([[mode, value]])).toThrow(invalidValue)
})

test.each(['__proto__', 'constructor', 'NOPE'])('the name %s is not a mode', (name) => {
  expect(() => encodeTerminalModes([[name as TerminalModeName, 1]])).toThrow(invalidValue)
})
