/** A terminal that somebody sits at: tmux emulates it, types, and tells what its screen shows. */

import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { atExit } from './at-exit.js'
import { peer } from './peers.js'
import { mustRun, runProgram } from './program.js'

export interface TmuxOptions {
  readonly columns: number
  readonly rows: number
  readonly env?: Readonly<Record<string, string>>
}

export interface Tmux {
  /** Types text as it is. */
  type(text: string): Promise<void>
  /** Presses keys by tmux's names: `Left`, `C-c`, `Enter`. */
  press(...keys: readonly string[]): Promise<void>
  /** Rows of the screen, blanks at ends and empty rows at the end left out. */
  screen(): Promise<string[]>
  /** The row in which the cursor is, with `|` at its place. */
  cursorRow(): Promise<string>
  resize(columns: number, rows: number): Promise<void>
  /** How the program ended; undefined while it runs. */
  exitStatus(): Promise<number | undefined>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** The screen stays, and says how the program ended: tmux itself does not always know. */
const tellStatus = '"$@"; printf "\\n[ended with %s]" $?; exec sleep 100000'

/** Runs a program in a terminal of a tmux of its own. */
export async function startTmux(argv: readonly string[], options: TmuxOptions): Promise<Tmux> {
  const socket = `ssh-interop-${process.pid}-${randomBytes(4).toString('hex')}`
  const tmux = [peer('tmux'), '-L', socket, '-f', '/dev/null']
  const ask = async (...command: readonly string[]): Promise<string> => (await mustRun([...tmux, ...command])).trimEnd()
  const { columns, rows, env = {} } = options
  const forget = atExit(() => void spawnSync(peer('tmux'), ['-L', socket, 'kill-server']))
  const stop = async (): Promise<void> => {
    forget()
    await runProgram([...tmux, 'kill-server'])
  }
  try {
    await mustRun(
      [
        ...tmux,
        ...['set', '-g', 'status', 'off', ';', 'set', '-g', 'default-terminal', 'screen-256color', ';'],
        ...['set', '-g', 'escape-time', '0', ';'],
        ...['new-session', '-d', '-x', String(columns), '-y', String(rows), 'sh', '-c', tellStatus, 'sh', ...argv],
      ],
      { env: { LC_ALL: 'C.UTF-8', ...env } },
    )
  } catch (error) {
    await stop()
    throw error
  }
  return {
    type: async (text) => void (await ask('send-keys', '-l', '--', text)),
    press: async (...keys) => void (await ask('send-keys', ...keys)),
    screen: async () =>
      (await mustRun([...tmux, 'capture-pane', '-p']))
        .trimEnd()
        .split('\n')
        .map((row) => row.trimEnd()),
    cursorRow: async () => {
      const [x = 0, y = 0] = (await ask('display-message', '-p', '#{cursor_x} #{cursor_y}')).split(' ').map(Number)
      const row = (await mustRun([...tmux, 'capture-pane', '-p', '-S', String(y), '-E', String(y)])).replace(/\n$/, '')
      let before = ''
      // Places are counted in cells, of which Chinese characters take two.
      for (let cells = 0, rest = [...row.padEnd(x)]; cells < x; ) {
        const character = rest.shift() ?? ' '
        before += character
        cells += /^[\u2e80-\ud7a3\uff00-\uff60]/.test(character) ? 2 : 1
      }
      return `${before}|${row.slice(before.length).trimEnd()}`
    },
    resize: async (width, height) => void (await ask('resize-window', '-x', String(width), '-y', String(height))),
    exitStatus: async () => {
      const [, status] = /\[ended with (\d+)\]/.exec(await ask('capture-pane', '-p', '-J')) ?? []
      return status === undefined ? undefined : Number(status)
    },
    stop,
    [Symbol.asyncDispose]: stop,
  }
}
