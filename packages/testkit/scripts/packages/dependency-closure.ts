/** Every package from the registry that a user of ours installs, and whether it would run code while doing so. */

import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The parts of a package.json that matter here. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly exports?: Readonly<Record<string, unknown>>
  readonly files?: readonly string[]
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

export interface InstalledPackage {
  readonly folder: string
  readonly manifest: Manifest
  /** From the package of ours that needs it, down. */
  readonly path: readonly string[]
}

export function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}

/** What `folder` depends on, and what that depends on, each once. @throws Error when one is not installed */
export function dependencyClosure(folder: string): InstalledPackage[] {
  const found = new Map<string, InstalledPackage>()
  const visit = (from: string, path: readonly string[]): void => {
    const { dependencies, optionalDependencies } = readManifest(from)
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const installed = resolve(from, name)
      if (installed === undefined) {
        if (optionalDependencies?.[name] !== undefined) continue
        throw new Error(`${name}, which ${path.join(' > ')} needs, is not installed`)
      }
      if (found.has(installed)) continue
      const entry = { folder: installed, manifest: readManifest(installed), path: [...path, name] }
      found.set(installed, entry)
      visit(installed, entry.path)
    }
  }
  visit(folder, [readManifest(folder).name])
  return [...found.values()]
}

/** Node's search for a package, from `folder` upwards. */
function resolve(folder: string, name: string): string | undefined {
  for (let at = realpathSync(folder); ; at = dirname(at)) {
    const candidate = join(at, 'node_modules', name)
    if (existsSync(join(candidate, 'package.json'))) return realpathSync(candidate)
    if (dirname(at) === at) return undefined
  }
}

/** Why installing this package would run its code, or undefined when it would not. */
export function installsCode({ folder, manifest }: InstalledPackage): string | undefined {
  for (const script of ['preinstall', 'install', 'postinstall']) {
    if (manifest.scripts?.[script] !== undefined) return `it has the script "${script}"`
  }
  if (existsSync(join(folder, 'binding.gyp'))) return 'it builds native code (binding.gyp)'
  return undefined
}
