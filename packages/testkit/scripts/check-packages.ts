/**
 * Fails when a published package would not work for those who install it: packs each one, looks at the tarball with
 * publint and attw, loads it in plain Node, and makes sure that no dependency runs code when installed.
 * Needs `tsc -b` before. `pnpm run check:packages`.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { dependencyClosure, installsCode, type Manifest, readManifest } from './packages/dependency-closure.js'

const root = join(import.meta.dirname, '../../..')
const workspace = mkdtempSync(join(tmpdir(), 'check-packages-'))
const faults: string[] = []

interface Packed {
  readonly manifest: Manifest
  readonly folder: string
  readonly tarball: string
}

try {
  const packages = readdirSync(join(root, 'packages'))
    .map((name) => join(root, 'packages', name))
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => ({ folder, manifest: readManifest(folder) }))
    .filter(({ manifest }) => manifest.private !== true)
  const versions = new Set(packages.map(({ manifest }) => manifest.version))
  if (versions.size > 1) faults.push(`All packages share one version, found ${[...versions].join(', ')}`)

  const packed = packages.map(({ folder, manifest }) => pack(folder, manifest))
  for (const one of packed) {
    checkFiles(one)
    checkDependencies(one)
    await checkWithPublint(one)
    checkWithAttw(one)
  }
  checkLoading(packed)
  for (const fault of faults) console.error(fault)
  if (faults.length > 0) process.exitCode = 1
  else console.log(`${packed.length} packages are fit to publish`)
} finally {
  rmSync(workspace, { recursive: true, force: true })
}

function run(command: string, args: readonly string[], cwd: string): { ok: boolean; output: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}`.trim() }
}

function pack(folder: string, manifest: Manifest): Packed {
  const destination = join(workspace, manifest.name)
  mkdirSync(destination, { recursive: true })
  const { ok, output } = run('pnpm', ['pack', '--pack-destination', destination], folder)
  const tarball = readdirSync(destination).find((file) => file.endsWith('.tgz'))
  if (!ok || tarball === undefined) throw new Error(`Packing ${manifest.name} failed:\n${output}`)
  return { manifest, folder, tarball: join(destination, tarball) }
}

/** A tarball holds what was built, and nothing else. */
function checkFiles({ manifest, tarball }: Packed): void {
  const files = run('tar', ['-tzf', tarball], root)
    .output.split('\n')
    .map((file) => file.replace(/^package\//, ''))
  const isExpected =
    /^(package\.json|README\.md|LICENSE|dist\/.+\.(js|cjs|d\.ts|js\.map|d\.ts\.map)|src\/.+\.ts|docs\/.+\.md)$/
  for (const file of files) if (!isExpected.test(file)) faults.push(`${manifest.name} would publish ${file}`)
  for (const file of ['README.md', 'LICENSE', 'package.json', 'dist/index.js', 'dist/index.d.ts']) {
    if (!files.includes(file)) faults.push(`${manifest.name} would not publish ${file}`)
  }
}

function checkDependencies({ manifest, folder }: Packed): void {
  for (const dependency of dependencyClosure(folder)) {
    const why = installsCode(dependency)
    if (why !== undefined)
      faults.push(`${dependency.path.join(' > ')} runs code when ${manifest.name} is installed: ${why}`)
  }
}

async function checkWithPublint({ manifest, tarball }: Packed): Promise<void> {
  const { buffer, byteOffset, byteLength } = readFileSync(tarball)
  const bytes = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
  const { messages, pkg } = await publint({ pack: { tarball: bytes }, level: 'warning', strict: true })
  for (const message of messages)
    faults.push(`${manifest.name} (publint): ${formatMessage(message, pkg, { color: false })}`)
}

function checkWithAttw({ manifest, tarball }: Packed): void {
  const attw = join(root, 'node_modules/.bin/attw')
  const args = [
    tarball,
    '--profile',
    'esm-only',
    '--format',
    'ascii',
    '--no-color',
    '--no-emoji',
    '--no-definitely-typed',
  ]
  const { ok, output } = run(attw, args, root)
  if (!ok) faults.push(`${manifest.name} (attw):\n${output}`)
}

/** Unpacks the tarballs beside their dependencies and loads every entry in plain Node, as a user's program does. */
function checkLoading(packed: readonly Packed[]): void {
  const modules = join(workspace, 'consumer/node_modules')
  const entries: string[] = []
  for (const { manifest, folder, tarball } of packed) {
    const target = join(modules, manifest.name)
    mkdirSync(target, { recursive: true })
    const { ok, output } = run('tar', ['-xzf', tarball, '--strip-components', '1', '-C', target], root)
    if (!ok) throw new Error(`Unpacking ${manifest.name} failed: ${output}`)
    for (const dependency of Object.keys(manifest.dependencies ?? {})) {
      const link = join(modules, dependency)
      if (dependency.startsWith('@ssh/') || existsSync(link)) continue
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(join(folder, 'node_modules', dependency), link, 'dir')
    }
    const subpaths = Object.keys(readManifest(target).exports ?? {}).filter((subpath) => !subpath.endsWith('.json'))
    entries.push(...subpaths.map((subpath) => `${manifest.name}${subpath.slice(1)}`))
  }
  for (const entry of entries) {
    const program = `await import(${JSON.stringify(entry)})`
    const { ok, output } = run(
      process.execPath,
      ['--input-type=module', '--eval', program],
      join(workspace, 'consumer'),
    )
    if (!ok) faults.push(`${entry} does not load in plain Node:\n${output}`)
  }
}
