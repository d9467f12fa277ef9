import { EventEmitter, once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { createProcess } from '../../src/process/create-process.js'
import { lendTerminal, type OwnTerminal, ptyOptions } from '../../src/process/terminal.js'
import { sessionPair } from './session-pair.js'

function ownTerminal(isTTY: boolean) {
  const rawModes: boolean[] = []
  const stdin = Object.assign(new EventEmitter(), {
    isTTY,
    isRaw: false,
    setRawMode: (raw: boolean) => rawModes.push(raw),
  })
  const stdout = Object.assign(new EventEmitter(), isTTY ? { columns: 132, rows: 43 } : {})
  return { own: { stdin, stdout, env: { TERM: 'tmux' } } as unknown as OwnTerminal, rawModes, stdout }
}

describe('ptyOptions', () => {
  test('asks for none unless told to', () => {
    expect(ptyOptions({}, ownTerminal(true).own)).toBeUndefined()
  })

  test('asks for a terminal like ours', () => {
    expect(ptyOptions({ requestPty: true }, ownTerminal(true).own)).toMatchObject({
      term: 'tmux',
      columns: 132,
      rows: 43,
    })
  })

  test('falls back to 80 by 24, and prefers what the options say', () => {
    expect(ptyOptions({ requestPty: true }, ownTerminal(false).own)).toMatchObject({ columns: 80, rows: 24 })
    expect(
      ptyOptions(
        { requestPty: true, termType: 'vt100', termSize: [1, 2, 3, 4], termModes: { ECHO: 1 } },
        ownTerminal(true).own,
      ),
    ).toEqual({ term: 'vt100', columns: 1, rows: 2, widthPixels: 3, heightPixels: 4, modes: [['ECHO', 1]] })
  })
})

describe('lendTerminal', () => {
  test('is raw and relays sizes until the process is over', async () => {
    const { openSession } = sessionPair((remote) => {
      remote.on('resize', ({ columns, rows }) => {
        remote.stdout.write(`${columns}x${rows}`)
        remote.exit(0)
      })
    })
    const remote = await createProcess(openSession, 'x', { requestPty: true })
    const { own, rawModes, stdout } = ownTerminal(true)
    lendTerminal(remote, own)
    expect(rawModes).toEqual([true])
    Object.assign(stdout, { columns: 99, rows: 33 }).emit('resize')
    expect(String((await once(remote.stdout, 'data'))[0])).toBe('99x33')
    await remote.closed
    expect(rawModes).toEqual([true, false])
    expect(stdout.listenerCount('resize')).toBe(0)
  })

  test('does nothing where there is no terminal', async () => {
    const remote = await createProcess(sessionPair((process) => process.exit(0)).openSession, 'x')
    const { own, rawModes } = ownTerminal(false)
    lendTerminal(remote, own)
    await remote.closed
    expect(rawModes).toEqual([])
  })
})
