/**
 * TypeScript in Markdown, as programs of its own. A block may use what an earlier block of its page imported.
 * A block that is fenced with "ts run" can also be run as it stands.
 */

export interface CodeBlock {
  /** The page, from the workspace root. */
  readonly path: string
  /** Line of its first line of code, counted from 1. */
  readonly line: number
  readonly isRunnable: boolean
  /** A program whose lines have the numbers that they have on the page. */
  readonly program: string
}

/** The TypeScript blocks of a page. */
export function codeBlocks(path: string, markdown: string): CodeBlock[] {
  const imported = new Map<string, string>()
  return [...markdown.matchAll(/^```ts( run)?\n([\s\S]*?)^```$/gm)].map(({ index, 1: run, 2: code = '' }) => {
    const own = importsIn(code)
    const carried = [...imported].filter(([name]) => !own.has(name) && new RegExp(`\\b${name}\\b`).test(code))
    for (const [name, statement] of own) imported.set(name, statement)
    const line = markdown.slice(0, index).split('\n').length + 1
    const head = carried.map(([, statement]) => statement).join('; ')
    return { path, line, isRunnable: run !== undefined, program: `${head}\n${'\n'.repeat(line - 2)}${code}export {}\n` }
  })
}

/** Each imported name, with an import statement for it alone. */
function importsIn(code: string): Map<string, string> {
  const imports = new Map<string, string>()
  for (const [, names = '', module = ''] of code.matchAll(/^import \{([^}]*)\} from ('[^']*')/gm)) {
    for (const name of names.split(',').map((part) => part.trim())) {
      if (name !== '') imports.set(name.replace(/^type /, ''), `import { ${name} } from ${module}`)
    }
  }
  return imports
}
