/** Which program of this machine holds pseudo-terminals for us. */

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { SshError } from '@ssh/wire'

export const ptyHelperNames = ['python3', 'script'] as const

export type PtyHelperName = (typeof ptyHelperNames)[number]

export interface PtyHelper {
  readonly name: PtyHelperName
  readonly path: string
}

/**
 * @param wanted undefined: Python, which tells more exactly how a program ended, or else `script`
 * @throws SshError `ERR_SSH_PTY_NO_HELPER`
 */
export function findPtyHelper(
  wanted: PtyHelperName | undefined,
  searchPath: string = process.env.PATH ?? '',
): PtyHelper {
  for (const name of wanted === undefined ? ptyHelperNames : [wanted]) {
    const path = findProgram(name, searchPath)
    if (path !== undefined && (name !== 'script' || isUtilLinux(path))) return { name, path }
  }
  const looked = wanted ?? 'python3 or script of util-linux 2.35 or later'
  throw new SshError(
    'ERR_SSH_PTY_NO_HELPER',
    `A pseudo-terminal needs ${looked}, which is not on PATH. Install Python 3 (apt install python3, apk add python3), or use child_process.spawn, which gives no terminal`,
    { details: { helper: wanted ?? null } },
  )
}

function findProgram(name: string, searchPath: string): string | undefined {
  return searchPath
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, name))
    .find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const known = new Map<string, boolean>()

/** Those of BSD, macOS and busybox take other options. */
function isUtilLinux(path: string): boolean {
  const before = known.get(path)
  if (before !== undefined) return before
  const { stdout } = spawnSync(path, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const [, major = 0, minor = 0] = /util-linux (\d+)\.(\d+)/.exec(stdout ?? '') ?? []
  const isOne = Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 35)
  // One that could not be started now may be another time.
  if (stdout !== null) known.set(path, isOne)
  return isOne
}
