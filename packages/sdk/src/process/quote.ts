/**
 * Command lines for a POSIX shell. SSH has no argument lists: `exec` carries one string, which the server hands to the
 * user's login shell (RFC 4254 §6.5), so whoever has arguments must quote them.
 */

import { OptionsError } from '@ssh/conn'

/** What a shell leaves alone wherever it stands. No `~`, no `=` (assignments), no glob or brace characters. */
const plain = /^[\w@%+:,./-]+$/

/** A command: text for the remote shell as it is, or a list of arguments that is quoted for a POSIX shell. */
export type Command = string | readonly string[]

/**
 * Quotes one argument so that a POSIX shell reads it back unchanged, whatever is in it.
 * @throws OptionsError when it contains NUL, which no argument can
 */
export function quote(argument: string): string {
  if (argument.includes('\0'))
    throw new OptionsError('An argument contains a NUL character, which no program can be given')
  return plain.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`
}

/**
 * Writes a command with quoted values: ``sh`tar -cf - ${directory}` ``. A list becomes several arguments; a number is
 * written out. The text between is shell text as you typed it: backslashes reach the shell, as with `String.raw`.
 *
 * @throws OptionsError for a value within quotes of the text (the tag quotes it, so leave yours out), or of another type
 */
export function sh(
  text: TemplateStringsArray,
  ...values: readonly (string | number | readonly (string | number)[])[]
): string {
  const context: Context[] = []
  let command = ''
  for (const [index, piece] of text.raw.entries()) {
    command += piece
    if (index === values.length) break
    readContext(piece, context)
    if (context.at(-1) === "'" || context.at(-1) === '"') {
      throw new OptionsError(
        `The value after ${JSON.stringify(piece.slice(-20))} is inside quotes; leave them out, the value is quoted for you`,
      )
    }
    const value = values[index]
    command += Array.isArray(value) ? value.map(word).join(' ') : word(value)
  }
  return command
}

/**
 * The command line that is sent.
 *
 * With a working directory, a list runs as `cd -- <dir> && exec …` and text as `cd -- <dir> && eval …`, so nothing of
 * the command runs when the directory cannot be entered: the exit status is that of `cd`.
 *
 * @param cwd relative to the directory of the login; `~` is not expanded
 * @throws OptionsError when the command is an empty list, or an argument contains NUL or is no text
 */
export function commandLine(command: Command, cwd?: string): string {
  const isText = typeof command === 'string'
  if (!isText && !Array.isArray(command)) {
    throw new OptionsError(`A command is text or a list of arguments, not ${typeof command}`)
  }
  if (!isText && command.length === 0)
    throw new OptionsError('The command is an empty list; it needs a program at least')
  const line = isText ? command : command.map(word).join(' ')
  if (cwd === undefined) return line
  // CDPATH and `cd -` would lead elsewhere.
  const directory = /^\.{0,2}\//.test(cwd) ? cwd : `./${cwd}`
  return `cd -- ${quote(directory)} && ${isText ? `eval ${quote(command)}` : `exec ${line}`}`
}

function word(value: unknown): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number' && Number.isFinite(value)) return quote(String(value))
  throw new OptionsError(
    `A command can hold text, numbers and lists of them, not ${value === null ? 'null' : typeof value}`,
  )
}

/** What surrounds a place in shell text, innermost last: quotes, or a `$(…)` in which quoting starts afresh. */
type Context = "'" | '"' | '('

/**
 * Follows quoting through `text`. Catches the common slip, not every shell text: it knows no comments, no here-documents
 * and no `case` patterns.
 */
function readContext(text: string, context: Context[]): void {
  for (let index = 0; index < text.length; index++) {
    const character = text[index]
    const inside = context.at(-1)
    if (inside === "'") {
      if (character === "'") context.pop()
    } else if (character === '\\') index += 1
    else if (character === '"') {
      if (inside === '"') context.pop()
      else context.push('"')
    } else if (character === "'" && inside !== '"') context.push("'")
    else if (character === '(' && (inside !== '"' || text[index - 1] === '$')) context.push('(')
    else if (character === ')' && inside === '(') context.pop()
  }
}
