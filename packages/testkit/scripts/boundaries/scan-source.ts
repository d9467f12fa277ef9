/** Reads a TypeScript file just far enough to know what it imports and which words its code uses. */

/** One import, export-from, dynamic import or `import()` type. */
export interface ImportFound {
  readonly specifier: string
  /** Counted from 1. */
  readonly line: number
}

export interface SourceScan {
  readonly imports: readonly ImportFound[]
  /** The code without comments and contents of strings, with the same lines. */
  readonly code: string
}

/** Scans `source`. Type-only imports count like any other. */
export function scanSource(source: string): SourceScan {
  const { code, strings } = blankStringsAndComments(source)
  const imports: ImportFound[] = []
  // A blanked string is two quotes with spaces between, at the same place as in the source.
  const reference = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+|\brequire\s*\(\s*)(['"`])/g
  for (const match of code.matchAll(reference)) {
    const quoteAt = match.index + match[0].length - 1
    const specifier = strings.get(quoteAt)
    if (specifier === undefined) continue
    imports.push({ specifier, line: lineOf(source, quoteAt) })
  }
  return { imports, code }
}

/** The line of a position, counted from 1. */
export function lineOf(source: string, position: number): number {
  let line = 1
  for (let index = source.indexOf('\n'); index !== -1 && index < position; index = source.indexOf('\n', index + 1))
    line++
  return line
}

/** Comments, strings, templates and regular expressions; the longest alternatives first. */
const token =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`|\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[dgimsuvy]*/g

/** A slash after one of these begins a regular expression; after anything else it divides. */
const beforeRegExp = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|void|delete))\s*$/

function blankStringsAndComments(source: string): { code: string; strings: Map<number, string> } {
  const strings = new Map<number, string>()
  let code = ''
  let position = 0
  token.lastIndex = 0
  for (let match = token.exec(source); match !== null; match = token.exec(source)) {
    const [text] = match
    const first = text[0]
    code += source.slice(position, match.index)
    if (first === '/' && text[1] !== '/' && text[1] !== '*' && !beforeRegExp.test(code)) {
      // A division: step over the slash alone.
      code += '/'
      position = match.index + 1
      token.lastIndex = position
      continue
    }
    if (first !== '/') strings.set(match.index, text.slice(1, -1))
    const blank = text.slice(1, -1).replace(/[^\n]/g, ' ')
    code +=
      first === '/' ? text.replace(/[^\n]/g, ' ') : `${first}${first === '`' ? interpolations(text) : blank}${first}`
    position = match.index + text.length
  }
  return { code: code + source.slice(position), strings }
}

/** A template's content with its text blanked and the code inside `${…}` kept. */
function interpolations(template: string): string {
  let depth = 0
  let kept = ''
  const content = template.slice(1, -1)
  for (let index = 0; index < content.length; index++) {
    const character = content[index] ?? ''
    if (depth === 0 && character === '$' && content[index + 1] === '{') depth = 1
    else if (depth > 0 && character === '{' && content[index - 1] !== '$') depth++
    else if (depth > 0 && character === '}') depth--
    else if (depth > 0 && character !== '{') {
      kept += character
      continue
    }
    kept += character === '\n' ? '\n' : ' '
  }
  return kept
}
