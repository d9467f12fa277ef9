/** util-linux's `script` as the holder of a pseudo-terminal, where there is no Python. */

import { quote } from '../../process/quote.js'

/** What a terminal begins with. */
export interface TerminalStart {
  readonly columns: number
  readonly rows: number
}

/**
 * Arguments of `script`. The shell it starts sets the size, tells its number and its terminal on descriptor 3, and
 * becomes the command, so that the number is the command's.
 * @param shell the variable SHELL of the command: `script` needs another
 */
export function scriptArguments(argv: readonly string[], { columns, rows }: TerminalStart, shell?: string): string[] {
  const line = [
    `stty rows ${rows} cols ${columns}`,
    shell === undefined ? 'unset SHELL' : `SHELL=${quote(shell)}`,
    `printf 'pid %s\\ntty %s\\n' "$$" "$(tty)" >&3`,
    'exec 3>&-',
    `exec ${argv.map(quote).join(' ')}`,
  ].join('; ')
  return ['--quiet', '--return', '--flush', '--echo', 'always', '--command', line, '/dev/null']
}
