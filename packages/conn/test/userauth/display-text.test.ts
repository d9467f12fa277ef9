import { expect, it } from 'vitest'
import { displayText } from '../../src/userauth/display-text.js'

it('keeps lines and tabs, makes every other control character visible', () => {
  expect(displayText('a\r\n\tb\u001b[2J\rc\u2028\u202e')).toBe('a\n\tb\\x1b[2J\\x0dc\\u2028\\u202e')
})

it('cuts what is too long, with a mark', () => {
  const shown = displayText('x'.repeat(1 << 20))
  expect(shown).toBe(`${'x'.repeat(16 * 1024)}…`)
})

it('changes nothing in what it has made', () => {
  const shown = displayText('\u001b\u0000 ü')
  expect(displayText(shown)).toBe(shown)
})
