import { expect, test } from 'vitest'
import { type ExitSignal, exitResult, signalName, signalNumber } from '../../src/session/exit-status.js'

const signal = (name: string): ExitSignal => ({ name, coreDumped: false, message: '', lang: '' })

test('the return code is the status, or minus the signal\u2019s number, or -99, or null', () => {
  expect(exitResult(3, null)).toEqual({ exitStatus: 3, exitSignal: null, returncode: 3 })
  expect(exitResult(0, null).returncode).toBe(0)
  expect(exitResult(null, signal('TERM')).returncode).toBe(-15)
  expect(exitResult(null, signal('KILL')).returncode).toBe(-9)
  expect(exitResult(null, signal('ODD@example.com')).returncode).toBe(-99)
  expect(exitResult(null, signal('__proto__')).returncode).toBe(-99)
  expect(exitResult(null, null)).toEqual({ exitStatus: null, exitSignal: null, returncode: null })
})

test('signals are named with SIG, without it, or by number', () => {
  for (const given of ['SIGTERM', 'TERM', 15]) expect(signalName(given)).toBe('TERM')
  expect(signalName('ODD@example.com')).toBe('ODD@example.com')
  expect(signalName('SIG')).toBe('SIG')
  expect([signalNumber('SIGINT'), signalNumber('INT'), signalNumber('NO')]).toEqual([2, 2, undefined])
})

test.each([0, 99, -1, '', 'TE RM', 'T\u0000', 'TÉRM', 'T'.repeat(65)])('%j is not a signal', (given) => {
  expect(() => signalName(given)).toThrow(expect.objectContaining({ code: 'ERR_SSH_CHANNEL_UNKNOWN_SIGNAL' }))
})
