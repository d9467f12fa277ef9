import { expect, test } from 'vitest'
import { environmentOf } from '../../src/process/environment.js'

const own = { LANG: 'de', LC_ALL: 'C', LC_TIME: 'x', PATH: '/bin', A1: '1', GONE: undefined }

test('sends what is named, with wildcards, and prefers what is given', () => {
  expect(environmentOf({ LANG: 'en' }, 'LANG LC_*', own)).toEqual({ LANG: 'en', LC_ALL: 'C', LC_TIME: 'x' })
  expect(environmentOf({}, ['A?', 'GONE'], own)).toEqual({ A1: '1' })
  expect(environmentOf({}, [], own)).toEqual({})
})

test('takes other characters of a name as they are', () => {
  expect(environmentOf({}, ['L.NG', '[A]1', 'P'], own)).toEqual({})
})
