import { expect, test } from 'vitest'
import { unknownOptions } from '../src/unknown-options.js'

const known = ['port', 'password', 'recurse', 'readOnly', 'root']

test.each([
  ['pasword', 'password'],
  ['prot', 'port'],
  ['recursive', 'recurse'],
  ['readonly', 'readOnly'],
  ['rot', 'root'],
])('%j is taken for %j', (name, meant) => {
  expect(unknownOptions([name], known)).toBe(`unknown option "${name}"; did you mean "${meant}"?`)
})

test.each(['x', 'privateKey', 'p'.repeat(100), '', '__proto__'])('%j is like none of them', (name) => {
  expect(unknownOptions([name], known)).not.toContain('did you mean')
})

test('several are named together', () => {
  expect(unknownOptions(['prot', 'x', 'ports'], known)).toBe(
    'unknown option "prot", "x", "ports"; did you mean "port"?',
  )
})

test('they are called what they are', () => {
  expect(unknownOptions(['prot'], known, 'field')).toBe('unknown field "prot"; did you mean "port"?')
})
