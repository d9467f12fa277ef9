import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { dependencyClosure, installsCode } from '../../scripts/packages/dependency-closure.js'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'closure-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function install(folder: string, manifest: object): string {
  const target = join(root, folder)
  mkdirSync(target, { recursive: true })
  writeFileSync(join(target, 'package.json'), JSON.stringify({ version: '1.0.0', ...manifest }))
  return target
}

test('dependencies of dependencies are found, once each, even in a circle', () => {
  install('node_modules/a', { name: 'a', dependencies: { b: '*' } })
  install('node_modules/a/node_modules/b', { name: 'b', dependencies: { c: '*' } })
  install('node_modules/c', { name: 'c', dependencies: { a: '*' } })
  const ours = install('.', { name: 'ours', dependencies: { a: '*' }, optionalDependencies: { absent: '*' } })
  expect(dependencyClosure(ours).map(({ path }) => path.join(' > '))).toEqual([
    'ours > a',
    'ours > a > b',
    'ours > a > b > c',
  ])
})

test('a dependency that is not there is an error', () => {
  const ours = install('.', { name: 'ours', dependencies: { gone: '*' } })
  expect(() => dependencyClosure(ours)).toThrow('gone, which ours needs, is not installed')
})

test('an install script and a native build are told; a build script of its authors is not', () => {
  install('node_modules/a', { name: 'a', scripts: { postinstall: 'node steal.js' } })
  const native = install('node_modules/b', { name: 'b' })
  writeFileSync(join(native, 'binding.gyp'), '{}')
  install('node_modules/c', { name: 'c', scripts: { build: 'tsc', prepare: 'tsc' } })
  const ours = install('.', { name: 'ours', dependencies: { a: '*', b: '*', c: '*' } })
  expect(dependencyClosure(ours).map(installsCode)).toEqual([
    'it has the script "postinstall"',
    'it builds native code (binding.gyp)',
    undefined,
  ])
})
