import { toUtf8 } from '@ssh/wire'
import { expect, test } from 'vitest'
import { Environment } from '../../src/session/environment.js'

test.each(['', 'A=B', 'A\0', 'A\nB', '\u001b', '-x', '=', '\x85'])('%j cannot be a name [D11]', (name) => {
  expect(new Environment().admit(toUtf8(name), toUtf8('x'))).toBeUndefined()
})

test('a name that is not UTF-8 and a value with NUL are not admitted', () => {
  expect(new Environment().admit(new Uint8Array([0xff]), toUtf8('x'))).toBeUndefined()
  expect(new Environment().admit(toUtf8('A'), toUtf8('x\0y'))).toBeUndefined()
})

test('names are only names: none is special', () => {
  const environment = new Environment()
  for (const name of ['__proto__', 'constructor', 'LC_ALL']) {
    expect(environment.admit(toUtf8(name), toUtf8('x'))).toBe(name)
    environment.set(name, toUtf8('x'))
  }
  expect([...environment.variables.keys()]).toEqual(['__proto__', 'constructor', 'LC_ALL'])
})

test('number and size are bounded, and replacing a variable frees what it took', () => {
  const environment = new Environment({ variables: 2, byteCount: 20 })
  const put = (name: string, value: string): boolean => {
    const admitted = environment.admit(toUtf8(name), toUtf8(value))
    if (admitted !== undefined) environment.set(admitted, toUtf8(value))
    return admitted !== undefined
  }
  expect(put('A', 'x'.repeat(20))).toBe(false)
  expect(put('A', 'x'.repeat(17))).toBe(true)
  expect(put('B', 'xx')).toBe(false)
  expect(put('A', 'x')).toBe(true)
  expect(put('B', 'xx')).toBe(true)
  expect(put('C', '')).toBe(false)
})

test('keeps copies, not views of packets', () => {
  const environment = new Environment()
  const packet = toUtf8('value')
  environment.set('A', packet)
  packet.fill(0)
  expect(environment.variables.get('A')).toEqual(new Uint8Array(Buffer.from('value')))
})
