/**
 * Commands that test servers know, ours and the foreign ones alike:
 * - `echo TEXT` writes TEXT
 * - `both TEXT` writes TEXT, and TEXT backwards to standard error
 * - `cat` and `sha256` read to the end
 * - `env NAME` writes the variable
 * - `exit N`, `signal NAME` end that way
 * - `eof-first` writes `bye`, ends its output, reads its input to the end and exits with the count modulo 256
 * - `terminal` writes type and size of the terminal, and when it is resized the new size
 * - `trap` writes `ready`, and the next signal's name
 * Every other command exits with 127.
 */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import type { ServerProcess } from '@ssh/sdk'

/** The commands as a `processFactory`. */
export async function runBuiltin(process: ServerProcess): Promise<void> {
  const { stdin, stdout, stderr } = process
  const [name = '', argument = ''] = (process.command ?? '').split(/ (.*)/s)
  switch (name) {
    case 'echo':
      stdout.write(`${argument}\n`)
      break
    case 'both':
      stdout.write(`${argument}\n`)
      stderr.write(`${[...argument].reverse().join('')}\n`)
      break
    case 'cat':
      await pipeline(stdin, stdout)
      break
    case 'sha256': {
      const digest = createHash('sha256')
      await pipeline(stdin, digest)
      stdout.write(`${digest.digest('hex')}\n`)
      break
    }
    case 'env':
      stdout.write(`${process.env.get(argument) ?? ''}\n`)
      break
    case 'exit':
      return process.exit(Number(argument))
    case 'signal':
      return process.exitWithSignal(argument, { message: 'asked to', lang: 'en' })
    case 'eof-first': {
      stdout.end('bye\n')
      let count = 0
      for await (const chunk of stdin) count += chunk.length
      return process.exit(count % 256)
    }
    case 'terminal': {
      const { columns, rows } = process.termSize ?? { columns: 0, rows: 0 }
      stdout.write(`${process.termType} ${columns}x${rows}\n`)
      const [size] = await once(process, 'resize')
      stdout.write(`${size.columns}x${size.rows}\n`)
      break
    }
    case 'trap': {
      const signal = once(process, 'signal')
      stdout.write('ready\n')
      const [signalName] = await signal
      stdout.write(`${signalName.replace(/^SIG/, '')}\n`)
      break
    }
    default:
      return process.exit(127)
  }
  process.exit(0)
}
