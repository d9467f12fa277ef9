/** Text of a peer that a person is to read. */

import { printable } from '@ssh/wire'

/** Longest text that is shown, in characters. */
const maximumTextLength = 16 * 1024

/**
 * Text of a peer, safe to print on a terminal: lines and tabs stay, every other control, escape or
 * direction-changing character becomes visible, and what is too long is cut with a mark.
 */
export function displayText(text: string): string {
  const cut = text.length > maximumTextLength ? `${text.slice(0, maximumTextLength)}…` : text
  return cut
    .replaceAll('\r\n', '\n')
    .split(/([\n\t])/)
    .map((part) => (part === '\n' || part === '\t' ? part : printable(part, part.length)))
    .join('')
}
