/** Logs in by answering the server's questions on the terminal. */

import { createInterface } from 'node:readline/promises'
import { connect, type KeyboardPrompt } from '@ssh/sdk'

const [destination = 'localhost'] = process.argv.slice(2)

async function ask(name: string, instructions: string, prompts: readonly KeyboardPrompt[]): Promise<string[]> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  if (name || instructions) console.error([name, instructions].filter(Boolean).join(': '))
  const answers: string[] = []
  for (const { prompt } of prompts) answers.push(await terminal.question(prompt))
  terminal.close()
  return answers
}

await using conn = await connect(destination, { preferredAuth: 'keyboard-interactive', keyboardInteractive: ask })
console.log(`logged in as ${conn.info.username}`)
