/** Hex in, decoded message out: `pnpm explain 5e 00 00 00 03 00 00 00 02 68 69`, or hex on standard input. */

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { explainBytes } from './explain/explain-bytes.js'
import { readHex } from './explain/read-hex.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { agent: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } },
})

if (values.help || (positionals.length === 0 && process.stdin.isTTY)) {
  console.log(`Usage: pnpm explain [--agent] <hex>…     or hex on standard input

Decodes a payload, or an unencrypted packet, with all its fields. Where a number means different things
(30 to 49, 60 to 79), every reading is shown. --agent reads the agent protocol.`)
} else {
  try {
    const hex = positionals.length > 0 ? positionals.join(' ') : readFileSync(0, 'utf8')
    for (const line of explainBytes(readHex(hex), { isAgent: values.agent })) console.log(line)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
