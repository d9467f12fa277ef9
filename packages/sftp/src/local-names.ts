/** Names that this machine's file system tells, read as bytes: not every name is UTF-8. What Bun and Deno lack is here. */

import type { OpenDirOptions } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { toLocalPath, toNamePath } from './local-path.js'

/**
 * The names in `path` without `.` and `..`, a few at a time.
 * @param bufferSize how many are read ahead
 * @throws Error of `fs`
 */
export async function* localNames(path: string, bufferSize: number): AsyncGenerator<string> {
  const options = { encoding: 'buffer', bufferSize } as unknown as OpenDirOptions
  for await (const { name } of await fsp.opendir(toLocalPath(path), options)) {
    // Bun and Deno know `buffer` only where they read all names at once.
    if (!((name as unknown) instanceof Uint8Array)) return yield* allNames(path)
    yield toNamePath(name as unknown as Uint8Array)
  }
}

/**
 * What a symbolic link says.
 * @throws Error of `fs`
 */
export async function linkTarget(path: string | Buffer): Promise<string> {
  const local = typeof path === 'string' ? toLocalPath(path) : path
  // Deno knows `buffer` only in an object.
  return toNamePath(await fsp.readlink(local, { encoding: 'buffer' }))
}

async function* allNames(path: string): AsyncGenerator<string> {
  for (const name of await fsp.readdir(toLocalPath(path), 'buffer')) yield toNamePath(name)
}
