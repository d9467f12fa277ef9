/** What the demo prints and asks: headings, facts, errors, a progress bar that also reads well in a log file. */

import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { SftpProgress } from '@ssh/sdk'

const isTerminal = process.stdout.isTTY === true
const hasColours = isTerminal && process.env.NO_COLOR === undefined
const paint = (code: number) => (text: string) => (hasColours ? `\u001b[${code}m${text}\u001b[0m` : text)
const bold = paint(1)
const dim = paint(2)
const green = paint(32)
const red = paint(31)

/** Announces a step, with the line of code it shows. */
export function step(title: string, code?: string): void {
  console.log(`\n${bold(title)}`)
  if (code !== undefined) console.log(dim(`  ${code}`))
}

/** Something that went as it should. */
export function fact(text: string): void {
  for (const line of wrapped(text)) console.log(`  ${green('│')} ${line}`)
}

/** An error, by its class, its code and its message. */
export function shown(error: Error & { code?: string }): void {
  console.log(`  ${red('✗')} ${error.name} ${dim(error.code ?? '')}`)
  for (const line of wrapped(error.message)) console.log(`  ${red('│')} ${line}`)
}

/** A progress bar on one line; on anything but a terminal, only its last state is printed. */
export function progressBar(label: string): { update(event: SftpProgress): void; done(): void } {
  const width = 30
  let line = ''
  return {
    update({ bytes, files }) {
      const share = bytes.total === 0 ? 1 : Math.min(1, bytes.done / bytes.total)
      const filled = Math.round(share * width)
      const bar = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`
      const percent = `${Math.floor(share * 100)}%`.padStart(4)
      line = `  ${green('│')} ${label} ${bar} ${percent}  ${mebibytes(bytes.done)} of ${mebibytes(bytes.total)}, ${files.done}/${files.total} files`
      if (isTerminal) process.stdout.write(`\r${line}`)
    },
    done() {
      process.stdout.write(isTerminal ? '\n' : `${line}\n`)
    },
  }
}

/** Asks for something nobody should read over the shoulder; undefined when nobody is there to be asked. */
export async function askSecret(question: string): Promise<string | undefined> {
  if (process.stdin.isTTY !== true) return undefined
  const silence = new Writable({ write: (_chunk, _encoding, done) => done() })
  const keyboard = createInterface({ input: process.stdin, output: silence, terminal: true })
  process.stderr.write(question)
  try {
    return await keyboard.question('')
  } finally {
    keyboard.close()
    process.stderr.write('\n')
  }
}

/** Lines of at most the terminal's width, broken between words. */
function wrapped(text: string): string[] {
  const width = Math.max(40, (process.stdout.columns || 120) - 6)
  const piece = new RegExp(`\\S.{0,${width - 1}}(?!\\S)|\\S+`, 'g')
  return text.split('\n').flatMap((line) => (line.match(piece) ?? []).map((part) => part.trimEnd()))
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
