/** Bytes from what people paste: hex with or without spaces, colons, commas, `0x`, line breaks or dump offsets. */

/** @throws Error that shows what is not hexadecimal */
export function readHex(text: string): Uint8Array {
  const digits = text
    // A dump's offset column, `0000:` or `00000010  `, and its text column.
    .replace(/^\s*[0-9a-f]{4,8}(?::\s|\s{2,})/gim, '')
    .replace(/\s+[|].*[|]\s*$/gm, '')
    .replace(/0x/gi, '')
    .replace(/[\s:,;_-]/g, '')
  const stray = /[^0-9a-f]/i.exec(digits)
  if (stray !== null) throw new Error(`Expected hexadecimal, found "${digits.slice(stray.index, stray.index + 10)}"`)
  if (digits.length % 2 === 1) throw new Error(`Expected whole bytes, found ${digits.length} hexadecimal digits`)
  return Buffer.from(digits, 'hex')
}
