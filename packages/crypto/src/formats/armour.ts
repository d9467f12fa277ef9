/** Text armour: PEM (RFC 7468, with the headers of RFC 1421) and its older cousin RFC 4716. */

import { asBuffer, printable } from '@ssh/wire'
import { KeyImportError } from '../errors.js'

/** One armoured block. */
export interface ArmouredBlock {
  /** What BEGIN and END name, for instance `RSA PRIVATE KEY`. */
  readonly label: string
  /** Header lines between BEGIN and the base64; names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: Uint8Array
}

/**
 * Every armoured block in a text; what stands around them is skipped.
 * @throws KeyImportError for a block without an end, or with something else than base64 in it
 */
export function parseArmour(text: string): ArmouredBlock[] {
  const blocks: ArmouredBlock[] = []
  let offset = 0
  for (const match of text.matchAll(/-----BEGIN ([A-Z0-9 .]{1,64})-----|---- BEGIN (SSH2 [A-Z0-9 ]{1,64}) ----/g)) {
    // A BEGIN inside the block before belongs to that block, whose base64 is then refused.
    if (match.index < offset) continue
    const [beginLine] = match
    const endLine = beginLine.replace('BEGIN', 'END')
    const start = match.index + beginLine.length
    const end = text.indexOf(endLine, start)
    if (end < 0) throw new KeyImportError(`"${beginLine}" has no "${endLine}" after it: the key is cut short`)
    const label = match[1] ?? match[2] ?? ''
    blocks.push({ label, ...parseContent(label, text.slice(start, end)) })
    offset = end + endLine.length
  }
  return blocks
}

/** Lines of `lineLength` characters of base64 between a BEGIN and an END line, ending in a line feed. */
export function formatPem(label: string, body: Uint8Array, lineLength: number): string {
  return `-----BEGIN ${label}-----\n${base64Lines(body, lineLength)}-----END ${label}-----\n`
}

/** Base64 in lines, each ending in a line feed. */
export function base64Lines(body: Uint8Array, lineLength: number): string {
  return asBuffer(body)
    .toString('base64')
    .replace(new RegExp(`.{1,${lineLength}}`, 'g'), '$&\n')
}

function parseContent(label: string, content: string): Pick<ArmouredBlock, 'headers' | 'body'> {
  const headers = new Map<string, string>()
  // RFC 4716 §3.3: a header goes on after a backslash at the end of its line.
  const lines = content
    .replace(/\\\r?\n/g, '')
    .trim()
    .split(/\r\n|\n|\r/)
  let start = 0
  for (; ; start++) {
    const line = lines[start] ?? ''
    const colon = line.indexOf(':')
    if (colon < 0) break
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim())
  }
  const base64 = lines.slice(start).join('').replace(/\s+/g, '')
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(base64) || base64.length % 4 !== 0) {
    const hint = content.includes('\\n') ? ': its line ends became the two characters \\n, turn them back' : ''
    throw new KeyImportError(`What stands between BEGIN and END ${printable(label)} is not base64${hint}`)
  }
  return { headers, body: Buffer.from(base64, 'base64') }
}
