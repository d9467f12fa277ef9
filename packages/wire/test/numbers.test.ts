import { expect, test } from 'vitest'
import { disconnectReasons, kexInit, messageSet, newKeys, openFailureReasons, reasonName } from '../src/index.js'

test('a reason is named, and an unknown one is its number', () => {
  expect(reasonName(disconnectReasons, 2)).toBe('protocolError')
  expect(reasonName(openFailureReasons, 1)).toBe('administrativelyProhibited')
  expect(reasonName(disconnectReasons, 4)).toBe('4')
  expect(reasonName(disconnectReasons, 2 ** 32 - 1)).toBe('4294967295')
})

test('two messages of one set cannot share a number', () => {
  expect(() => messageSet(newKeys, kexInit, newKeys)).toThrow('newKeys and newKeys share message number 21')
})
