import { channelRequests, type TerminalModeName } from '@ssh/wire'
import { expect, test } from 'vitest'
import { decodePtyRequest, decodeWindowChange, encodePtyRequest, encodeWindowChange } from '../../src/session/pty.js'

test('a terminal is carried whole', () => {
  const modes: [TerminalModeName, number][] = [
    ['ECHO', 0],
    ['TTY_OP_ISPEED', 38400],
  ]
  const size = { columns: 120, rows: 40, widthPixels: 1200, heightPixels: 800 }
  expect(decodePtyRequest(encodePtyRequest({ term: 'xterm', ...size, modes }))).toEqual({
    term: 'xterm',
    ...size,
    modes: new Map(modes),
  })
})

test('a size that is not given is 80 by 24', () => {
  const size = { columns: 80, rows: 24, widthPixels: 0, heightPixels: 0 }
  expect(decodePtyRequest(encodePtyRequest({ term: 'vt100' }))).toEqual({ term: 'vt100', ...size, modes: new Map() })
  expect(decodeWindowChange(encodeWindowChange({}))).toEqual(size)
})

test.each([-1, 1.5, 65_536, Number.NaN, 2 ** 32])('%d columns are refused before they are sent', (columns) => {
  const error = expect.objectContaining({ code: 'ERR_SSH_CHANNEL_TERMINAL_SIZE' })
  expect(() => encodePtyRequest({ term: 'xterm', columns })).toThrow(error)
  expect(() => encodeWindowChange({ columns })).toThrow(error)
})

test('sizes that no terminal has read as nothing [D10]', () => {
  const size = { columns: 0xffffffff, rows: 24, widthPixels: 0, heightPixels: 0 }
  expect(decodeWindowChange(channelRequests.encode('window-change', size))).toBeUndefined()
  const pty = { term: 'xterm', ...size, terminalModes: new Uint8Array([0]) }
  expect(decodePtyRequest(channelRequests.encode('pty-req', pty))).toBeUndefined()
})

test('requests that are cut short throw a typed error [D10]', () => {
  const whole = encodePtyRequest({ term: 'xterm', modes: [['ECHO', 1]] })
  for (let length = 0; length < whole.length; length++) {
    expect(() => decodePtyRequest(whole.subarray(0, length))).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_SSH_WIRE_/) }),
    )
  }
  const cutModes = {
    term: 'x',
    columns: 1,
    rows: 1,
    widthPixels: 0,
    heightPixels: 0,
    terminalModes: new Uint8Array([53, 0]),
  }
  expect(() => decodePtyRequest(channelRequests.encode('pty-req', cutModes))).toThrow(
    expect.objectContaining({ code: 'ERR_SSH_WIRE_TRUNCATED' }),
  )
})
