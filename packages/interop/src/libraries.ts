/**
 * The SSH libraries of other languages: set up once, in a folder of the cache, by whoever needs them first. Each is made
 * under another name and moved into place, so that runs side by side do not meet half of one.
 */

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { LibraryPeer } from './library-peer.js'
import { arePeersRequired, findProgram, peerCache } from './peers.js'
import { mustRun } from './program.js'

export const libraries = ['asyncssh', 'paramiko', 'go'] as const
export type Library = (typeof libraries)[number]

const sources = join(import.meta.dirname, '../peers')
const slow = { timeoutMs: 600_000 }

/**
 * Starts the program of a library, after setting it up if that was not done yet.
 * @returns undefined when it cannot be had here
 * @throws Error when it must be here (SSH_INTEROP_REQUIRED=1) and cannot be had
 */
export async function startLibrary(library: Library): Promise<LibraryPeer | undefined> {
  try {
    return new LibraryPeer(library, await prepareLibrary(library))
  } catch (cause) {
    if (arePeersRequired())
      throw new Error(`${library} is required (SSH_INTEROP_REQUIRED=1) and not to be had`, { cause })
    // Said, because it may be a fault of the program here that should be mended.
    console.warn(`${library} is left out: ${cause instanceof Error ? cause.message : cause}`)
    return undefined
  }
}

/** @returns how to start the program. @throws Error when it cannot be set up */
export async function prepareLibrary(library: Library): Promise<string[]> {
  mkdirSync(peerCache, { recursive: true })
  if (library === 'go') return [await prepareGo()]
  return [join(await preparePython(), 'bin/python'), join(sources, `${library}_peer.py`)]
}

/** The newest AsyncSSH and Paramiko of PyPI. */
async function preparePython(): Promise<string> {
  return await once(join(peerCache, 'venv'), async (folder) => {
    await mustRun([must('python3'), '-m', 'venv', folder], slow)
    await mustRun([join(folder, 'bin/python'), '-m', 'pip', 'install', '--quiet', 'asyncssh', 'paramiko'], slow)
  })
}

/** A program per state of its sources. */
async function prepareGo(): Promise<string> {
  const module = join(sources, 'go')
  const digest = createHash('sha256')
  for (const file of readdirSync(module).sort()) digest.update(file).update(readFileSync(join(module, file)))
  const program = join(peerCache, `go-peer-${digest.digest('hex').slice(0, 16)}`)
  return await once(program, async (file) => {
    await mustRun([must('go'), 'build', '-o', file, '.'], { ...slow, cwd: module })
  })
}

async function once(path: string, make: (unfinished: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path
  const unfinished = `${path}.${randomBytes(4).toString('hex')}`
  try {
    await make(unfinished)
    // If somebody else was faster, theirs is as good as ours.
    if (!existsSync(path)) renameSync(unfinished, path)
  } finally {
    rmSync(unfinished, { recursive: true, force: true })
  }
  return path
}

function must(name: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}
