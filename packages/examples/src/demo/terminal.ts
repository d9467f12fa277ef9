/** What the demo prints: headings, facts, and a progress bar that also reads well in a log file. */

import type { SftpProgress } from '@ssh/sdk'

const isTerminal = process.stdout.isTTY === true
const paint = (code: number) => (text: string) => (isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text)
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
  for (const line of text.trimEnd().split('\n')) console.log(`  ${green('│')} ${line}`)
}

/** An error that the step meant to show. */
export function shown(error: Error & { code?: string }): void {
  console.log(`  ${red('✗')} ${error.name} ${dim(error.code ?? '')}`)
  for (const line of error.message.split('\n')) console.log(`  ${red('│')} ${line}`)
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

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MiB`
}
