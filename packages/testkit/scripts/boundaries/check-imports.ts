/** Compares what files import with what their rooms may. */

import { dirname, join, normalize } from 'node:path/posix'
import { lineOf, scanSource } from './scan-source.js'
import { callsOnlyWords, type PackageRules, type Room } from './table.js'

/** One source file; `path` is from the workspace root, with forward slashes. */
export interface SourceFile {
  readonly path: string
  readonly source: string
}

export interface Violation {
  readonly path: string
  readonly line: number
  /** What was found and which rule it breaks. */
  readonly text: string
}

/** Every breach in `files`, which lie at `packages/<name>/src/…`. */
export function findViolations(files: readonly SourceFile[], rules: readonly PackageRules[]): Violation[] {
  return files.flatMap((file) => checkFile(file, rules))
}

function checkFile({ path, source }: SourceFile, rules: readonly PackageRules[]): Violation[] {
  const [, packageName = '', , ...inside] = path.split('/')
  const packageRules = rules.find((rule) => rule.name === packageName)
  if (packageRules === undefined)
    return [{ path, line: 1, text: `package ${packageName} has no row in boundaries/table.ts` }]
  const file = inside.join('/')
  const room = roomOf(file, packageRules)
  if (room === undefined) {
    return [{ path, line: 1, text: `no room of ${packageName} in boundaries/table.ts holds this file` }]
  }
  const { imports, code } = scanSource(source)
  const violations: Violation[] = []
  for (const { specifier, line } of imports) {
    const fault = faultOf(specifier, file, room, packageRules)
    if (fault !== undefined) violations.push({ path, line, text: `imports ${specifier}: ${fault}` })
  }
  for (const { word, why } of room.isCallsOnly ? callsOnlyWords : []) {
    for (const match of code.matchAll(word)) {
      violations.push({ path, line: lineOf(code, match.index), text: `uses ${match[0]}: ${why}` })
    }
  }
  return violations
}

function faultOf(specifier: string, file: string, room: Room, rules: PackageRules): string | undefined {
  const here = `${rules.name}/${room.path}`
  if (specifier.startsWith('.')) {
    if (!specifier.endsWith('.js')) return 'a relative import ends in .js'
    const target = normalize(join(dirname(file), specifier)).replace(/\.js$/, '.ts')
    if (target.startsWith('..')) return 'another package is imported by its name'
    if (rules.leaves?.includes(target)) return undefined
    const targetRoom = roomOf(target, rules)
    if (targetRoom === undefined) return `no room of ${rules.name} holds ${target}`
    if (targetRoom === room || room.rooms === 'any' || room.rooms?.includes(targetRoom.path)) return undefined
    return `${here} may not know ${rules.name}/${targetRoom.path || '(root)'}; it may know ${list(room.rooms)}`
  }
  if (specifier.startsWith('node:')) {
    if (room.node === 'any' || room.node?.includes(specifier.slice('node:'.length))) return undefined
    return `${here} may use of Node: ${list(room.node)}`
  }
  const [scope = '', name = ''] = specifier.split('/')
  if (scope === '@ssh') {
    return room.packages?.includes(name) ? undefined : `${here} may import of this workspace: ${list(room.packages)}`
  }
  const dependency = scope.startsWith('@') ? `${scope}/${name}` : scope
  return room.dependencies?.includes(dependency) ? undefined : `${here} may depend on: ${list(room.dependencies)}`
}

function roomOf(file: string, rules: PackageRules): Room | undefined {
  const holds = ({ path }: Room): boolean =>
    path === '*' || file === path || (path === '' ? !file.includes('/') : file.startsWith(`${path}/`))
  return rules.rooms.filter(holds).sort((a, b) => specificity(b) - specificity(a))[0]
}

/** `*` yields to the root, the root to every name, a name to a longer one. */
function specificity({ path }: Room): number {
  return path === '*' ? -1 : path.length
}

function list(names: 'any' | readonly string[] | undefined): string {
  return names === undefined || names.length === 0 ? 'nothing' : [names].flat().join(', ')
}
