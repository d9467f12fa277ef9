/** The whole file system: the system itself follows links, and a client's path is this machine's. */

import * as fs from 'node:fs'
import * as fsp from 'node:fs/promises'
import { promisify } from 'node:util'
import { toLocalPath, toNamePath } from '../../local-path.js'
import { lastPart } from '../../protocol/last-part.js'
import type { LocalDirectory, LocalEntry, LocalPath, LocalTree } from './local-tree.js'

const openFile = promisify(fs.open)

const { O_NOFOLLOW = 0 } = fs.constants

export class WholeTree implements LocalTree {
  withEntry<R>(path: string, task: (entry: LocalEntry) => Promise<R>): Promise<R> {
    return task({ path: toLocalPath(path), isRoot: false })
  }

  withTarget<R>(path: string, task: (path: LocalPath) => Promise<R>): Promise<R> {
    return task(toLocalPath(path))
  }

  stat(path: string, isExact: boolean): Promise<fs.Stats | fs.BigIntStats> {
    return fsp.stat(toLocalPath(path), { bigint: isExact })
  }

  open(path: string, flags: number, mode: number, followLast: boolean): Promise<number> {
    return openFile(toLocalPath(path), followLast ? flags : flags | O_NOFOLLOW, mode)
  }

  async openDirectory(path: string): Promise<LocalDirectory> {
    return { path, entry: (name) => toLocalPath(`${path}/${name}`), close: () => {} }
  }

  async resolve(path: string): Promise<string> {
    return path
  }

  /** As realpath(3), but the last part need not exist. */
  async canonical(path: string): Promise<string> {
    try {
      return toNamePath(await fsp.realpath(toLocalPath(path), 'buffer'))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      const { parent, name } = lastPart(path)
      if (name === '' || name === '..') throw error
      const above = toNamePath(await fsp.realpath(toLocalPath(parent), 'buffer'))
      return above === '/' ? `/${name}` : `${above}/${name}`
    }
  }

  toVirtual(localPath: string): string {
    return localPath
  }

  virtualTarget(target: string): string {
    return target
  }

  localTarget(target: string): string {
    return target
  }

  end(): void {}
}
