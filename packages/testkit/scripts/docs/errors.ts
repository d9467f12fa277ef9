/** The page of errors: every class and every code, found in the sources that throw them. */

import { scanSource } from '../boundaries/scan-source.js'
import { code, page, paragraph, table } from './markdown.js'
import type { SourceText } from './source-files.js'

/** One place where a code is written down. */
interface Sighting {
  readonly code: string
  readonly path: string
  readonly className: string | undefined
  /** What the doc comment of a code says. */
  readonly meaning: string | undefined
  /** What the message says, with `…` for what varies. */
  readonly message: string | undefined
}

interface ErrorClass {
  readonly name: string
  readonly base: string
  readonly path: string
  readonly meaning: string
}

const longestMessage = 140
const mostMessages = 3

/** The page, from the sources of all packages. */
export function errorsPage(files: readonly SourceText[]): string {
  // An error that is no SshError never leaves the file it is in.
  const classes = files.flatMap(findClasses).filter(({ name, base }) => base !== 'Error' || name === 'SshError')
  const sightings = files.flatMap((file) => findCodes(file, classes))
  const codes = [...new Set(sightings.map((sighting) => sighting.code))].sort()
  const layers = [...new Set(codes.map(layerOf))].sort()
  const sections = layers.map((layer) => {
    const rows = codes.filter((name) => layerOf(name) === layer).map((name) => codeRow(name, sightings, classes))
    return `## ${layer}\n\n${table(['code', 'class', 'says', 'from'], rows)}`
  })
  return page(
    'Errors',
    'Every error is an `SshError` with a stable `code`, a `message` for people (what was found, what was expected, ' +
      'what to do), `details` for programs, and `cause` where another error is underneath. A code keeps its meaning; ' +
      'messages may be worded better at any time, so decide by `code` or class. `…` stands for what varies. ' +
      'Two copies of a package agree on `SshError.isSshError(error)` where `instanceof` does not.',
    'An `SftpError` has the codes of `node:fs` (`ENOENT`, `EACCES`, `EEXIST`, …) wherever `fs` has one; an aborted ' +
      "call rejects with an `AbortError`, whose code is Node's `ABORT_ERR`.",
    `## Classes\n\n${table(
      ['class', 'extends', 'when'],
      classes.map(({ name, base, meaning }) => [code(name), code(base), meaning]),
    )}`,
    ...sections,
  )
}

const classDeclaration = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*export class (\w+)(?:<[^{]*?>)? extends (\w*Error)\b/g

function findClasses({ path, source }: SourceText): ErrorClass[] {
  return [...source.matchAll(classDeclaration)].map(([, comment = '', name = '', base = '']) => ({
    name,
    base,
    path,
    meaning: firstPart(comment),
  }))
}

/** A doc comment up to its first blank line, tag or list. */
function firstPart(comment: string): string {
  return paragraph(comment.split(/\n\s*\*\s*(?:\n|@|-)/)[0] ?? '').replace(/ Else:$/, '')
}

function findCodes(file: SourceText, classes: readonly ErrorClass[]): Sighting[] {
  const { path, source } = file
  const scanned = scanSource(source).code
  const literals = [...source.matchAll(/'(ERR_(?:SSH|SFTP)_[A-Z0-9_]*[A-Z0-9])'/g)]
    // In comments everything is blank, quotes too.
    .filter(({ index }) => scanned[index] === "'")
    .map((match): Sighting => {
      const [literal, name = ''] = match
      const before = source.slice(0, match.index)
      return {
        code: name,
        path,
        className: classBefore(before, classes),
        meaning: /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(?:\|\s*)?$/.exec(before)?.slice(1).map(paragraph)[0],
        message: messageAfter(source, match.index + literal.length),
      }
    })
    .filter(
      ({ className, meaning, message }) => className !== undefined || meaning !== undefined || message !== undefined,
    )
  return [...literals, ...findListedCodes(file)]
}

/** Codes that the doc comment of a class lists: "- `CODE` meaning". */
function findListedCodes({ path, source }: SourceText): Sighting[] {
  return [...source.matchAll(classDeclaration)].flatMap(([, comment = '', className]) =>
    [...comment.matchAll(/- `(ERR_\w+)` ((?:(?!\n\s*\*\s*(?:\n|-|$))[\s\S])*)/g)].map(([, name = '', text = '']) => ({
      code: name,
      path,
      className,
      meaning: paragraph(text),
      message: undefined,
    })),
  )
}

/** The class that is constructed around the end of `before`. */
function classBefore(before: string, classes: readonly ErrorClass[]): string | undefined {
  if (/\|\s*$/.test(before)) return undefined
  const constructed = [...before.slice(-160).matchAll(/\bnew (\w+)(?:<[^(]*>)?\(|\bsuper\(/g)].at(-1)
  if (constructed === undefined) return undefined
  // Whoever calls super( is the class that was declared last.
  const name =
    constructed[1] ??
    before
      .match(/export class \w+/g)
      ?.at(-1)
      ?.slice('export class '.length)
  return classes.find((known) => known.name === name)?.name
}

const literal = /'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`/.source
const joined = `(?:${literal})(?:\\s*\\+\\s*(?:${literal}))*`

/** What stands after a code: a message, the name of one, or in a table of codes its meaning. */
function messageAfter(source: string, position: number): string | undefined {
  const after = source.slice(position, position + 800)
  const direct = new RegExp(`^,\\s*(?:meaning: )?(${joined})`).exec(after)?.[1]
  const name = /^,\s*(\w+)\b/.exec(after)?.[1]
  const text = direct ?? (name && textOf(name, source.slice(Math.max(0, position - 1500), position)))
  if (text === undefined || text === '') return undefined
  const said = [...text.matchAll(new RegExp(literal, 'g'))]
    .map(([part]) => part.slice(1, -1))
    .join('')
    .replace(/\$\{(?:[^{}]|\{[^}]*\})*(?:\}|$)/g, '…')
    .replace(/…[…\s]*…/g, '…')
    .replaceAll("\\'", "'")
    .trim()
  if (said === '…') return undefined
  return said.length > longestMessage ? `${said.slice(0, longestMessage).trimEnd()} …` : said
}

/** The text that a constant of this name was last given in `source`. */
function textOf(name: string, source: string): string | undefined {
  return [...source.matchAll(new RegExp(`const ${name} =\\s*(${joined})`, 'g'))].at(-1)?.[1]
}

function layerOf(name: string): string {
  return name.startsWith('ERR_SFTP_') ? 'sftp' : (/^ERR_SSH_([A-Z0-9]+)/.exec(name)?.[1]?.toLowerCase() ?? 'ssh')
}

function codeRow(name: string, sightings: readonly Sighting[], classes: readonly ErrorClass[]): string[] {
  const all = sightings.filter((sighting) => sighting.code === name)
  const classNames = [...new Set(all.flatMap(({ className }) => className ?? []))]
  if (classNames.length === 0 && name.startsWith('ERR_SFTP_')) classNames.push('SftpError')
  const meaning = all.find((sighting) => sighting.meaning !== undefined)?.meaning
  const messages = [...new Set(all.flatMap(({ message }) => message ?? []))].slice(0, mostMessages)
  const rooms = [...new Set(all.map(({ path }) => roomOf(path)))].sort()
  // Where every message is the thrower's own, the class says what they have in common.
  const common = classes.find((known) => known.name === classNames[0])?.meaning ?? ''
  return [code(name), classNames.map(code).join(', '), meaning ?? (messages.join(' · ') || common), rooms.join(', ')]
}

/** `conn/transport` for `packages/conn/src/transport/transport.ts`. */
function roomOf(path: string): string {
  const [, name = '', , ...inside] = path.split('/')
  return inside.length > 1 ? `${name}/${inside[0]}` : name
}
