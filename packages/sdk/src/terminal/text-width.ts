/** How many cells of a terminal text takes: characters as users see them, wide ones, marks that take none. */

import { eastAsianWidth } from 'get-east-asian-width'

let segmenter: Intl.Segmenter | undefined

/** Characters as users see them (UAX #29): a letter with its accents, a flag, a family. */
export function clustersOf(text: string): string[] {
  if (isAscii(text)) return [...text]
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

/** A prompt's clusters. Colours and the like (ECMA-48, SGR) come with the cluster that follows them. */
export function promptClusters(prompt: string): string[] {
  const clusters: string[] = []
  let style = ''
  for (const [index, part] of prompt.split(styles).entries()) {
    const isStyle = index % 2 === 1
    const [first, ...rest] = isStyle ? [] : clustersOf(part.replace(undrawable, ''))
    if (isStyle) style += part
    if (first === undefined) continue
    clusters.push(style + first, ...rest)
    style = ''
  }
  return style === '' ? clusters : [...clusters, style]
}

/** Text without control characters, tabs excepted: what a line can hold. */
export function drawable(text: string): string {
  return text.replace(undrawable, '')
}

/** How a cluster is drawn at a column, and how many cells that takes. Nothing drawn moves the cursor in other ways. */
export function drawingOf(cluster: string, column: number): { readonly text: string; readonly width: number } {
  const code = cluster.charCodeAt(0)
  const styled = stylesBefore.exec(cluster)
  if (styled !== null) {
    const [style] = styled
    const plain = cluster.slice(style.length)
    if (plain === '') return { text: style, width: 0 }
    const { text, width } = drawingOf(plain, column)
    return { text: style + text, width }
  }
  if (code === 0x09) {
    const width = tabWidth - (column % tabWidth)
    return { text: ' '.repeat(width), width }
  }
  if (code < 0x20 || code === 0x7f) return { text: `^${String.fromCharCode(code ^ 0x40)}`, width: 2 }
  return { text: cluster, width: widthOf(cluster) }
}

const styles = /(\x1b\[[\d;:]*m)/
const stylesBefore = /^(?:\x1b\[[\d;:]*m)+/

const undrawable = /[\x00-\x08\x0a-\x1f\x7f-\x9f]/g

/** Distance of tab stops. */
export const tabWidth = 8

/** Cells that a cluster without control characters takes. */
export function widthOf(cluster: string): number {
  if (cluster.length === 1 && cluster < '\x7f') return 1
  const codePoints = Array.from(cluster, (character) => character.codePointAt(0) ?? 0)
  if (isPictogram.test(cluster)) return codePoints.some(isWide) || cluster.includes(emojiStyle) ? 2 : 1
  if (flag.test(cluster)) return 2
  return codePoints.reduce((width, codePoint) => width + widthOfCodePoint(codePoint), 0)
}

/** U+FE0F asks for the picture in place of the text form of a character that has both. */
const emojiStyle = '\ufe0f'
const isPictogram = /\p{Extended_Pictographic}/u
const flag = /^\p{Regional_Indicator}{2}/u
/** Marks on other characters, and what only says how others are to be shown. */
const takesNoRoom = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff\ud7b0-\ud7ff\u2028\u2029]$/u

function widthOfCodePoint(codePoint: number): number {
  if (takesNoRoom.test(String.fromCodePoint(codePoint))) return 0
  return isWide(codePoint) ? 2 : 1
}

function isWide(codePoint: number): boolean {
  return eastAsianWidth(codePoint) === 2
}

function isAscii(text: string): boolean {
  // No control characters but those that are drawn: "\r\n" would be one cluster, and is never part of a line.
  return /^[\x20-\x7e]*$/.test(text)
}
