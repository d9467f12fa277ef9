/** A directory as the root of a tree, without races: every call of `fs` starts in a directory that is held open. */

import * as fs from 'node:fs'
import * as fsp from 'node:fs/promises'
import { promisify } from 'node:util'
import { toLocalPath } from '../../local-path.js'
import { DescriptorWalk } from './descriptor-walk.js'
import { closePlace, entryOf, openDirectoryAt, openPlaceAt, pathOf } from './descriptors.js'
import { isOneOf } from './error-codes.js'
import { JailNames, tooManyLinks } from './jail-names.js'
import type { LocalDirectory, LocalEntry, LocalPath, LocalTree } from './local-tree.js'
import { RootDescriptor } from './root-descriptor.js'

const openFile = promisify(fs.open)
const statFile = promisify(fs.fstat)

const { O_NOFOLLOW = 0 } = fs.constants

/** Where a walk has come to: the name it ends in; undefined: the root. */
interface Arrival {
  readonly walk: DescriptorWalk
  readonly last: string | undefined
}

/** What a task found out: its result, or that a link stands there. */
type Outcome<R> = { readonly result: R } | 'is a link'

export class DescriptorJail implements LocalTree {
  readonly #names: JailNames
  readonly #root: RootDescriptor

  /** @param root canonical absolute path of the directory */
  constructor(root: string) {
    this.#names = new JailNames(root)
    this.#root = new RootDescriptor(toLocalPath(root))
  }

  withEntry<R>(path: string, task: (entry: LocalEntry) => Promise<R>): Promise<R> {
    return this.#arrive(path, false, async ({ walk, last }) => ({
      result: await task({ path: walk.entry(last), isRoot: last === undefined }),
    }))
  }

  withTarget<R>(path: string, task: (path: LocalPath) => Promise<R>): Promise<R> {
    return this.#arrive(path, true, async ({ walk, last }) => {
      const place = await openPlaceAt(walk.entry(last))
      try {
        if ((await statFile(place)).isSymbolicLink()) return 'is a link'
        return { result: await task(pathOf(place)) }
      } finally {
        closePlace(place)
      }
    })
  }

  stat(path: string, isExact: boolean): Promise<fs.Stats | fs.BigIntStats> {
    return this.#arrive(path, true, async ({ walk, last }) => {
      const stats = await fsp.lstat(walk.entry(last), { bigint: isExact })
      return stats.isSymbolicLink() ? 'is a link' : { result: stats }
    })
  }

  open(path: string, flags: number, mode: number, followLast: boolean): Promise<number> {
    return this.#arrive(path, followLast, async ({ walk, last }) => {
      try {
        return { result: await openFile(walk.entry(last), flags | O_NOFOLLOW, mode) }
      } catch (error) {
        if (isOneOf(error, 'ELOOP')) return 'is a link'
        throw error
      }
    })
  }

  openDirectory(path: string): Promise<LocalDirectory> {
    return this.#arrive(path, true, async ({ walk, last }) => {
      try {
        const fd = await openDirectoryAt(walk.entry(last))
        const directory = { path: pathOf(fd), entry: (name: string) => entryOf(fd, name), close: () => closePlace(fd) }
        return { result: directory }
      } catch (error) {
        if (last !== undefined && isOneOf(error, 'ENOTDIR', 'ELOOP') && (await isLink(walk.entry(last)))) {
          return 'is a link'
        }
        throw error
      }
    })
  }

  resolve(path: string, followLast: boolean): Promise<string> {
    return this.#arrive(path, followLast, async ({ walk, last }) => {
      if (last === undefined) return { result: this.#names.join([]) }
      if (followLast && (await isLink(walk.entry(last)))) return 'is a link'
      return { result: this.#names.join([...walk.names, last]) }
    })
  }

  canonical(path: string): Promise<string> {
    return this.resolve(path, true)
  }

  toVirtual(localPath: string): string {
    return this.#names.toVirtual(localPath)
  }

  virtualTarget(target: string): string {
    return this.#names.virtualTarget(target)
  }

  localTarget(target: string): string {
    return this.#names.localTarget(target)
  }

  end(): void {
    this.#root.end()
  }

  /** Walks to the end of a path and runs `task` there; again where it leads, when it finds a link that is followed. */
  #arrive<R>(path: string, followLast: boolean, task: (arrival: Arrival) => Promise<Outcome<R>>): Promise<R> {
    return this.#root.use(async (root) => {
      const walk = new DescriptorWalk(root, this.#names, path)
      // What ends in a slash is a directory, so a link there is followed.
      const isDirectory = path.endsWith('/')
      try {
        for (;;) {
          const last = await walk.toLast()
          if (!followLast && isDirectory && last !== undefined && (await walk.follow(last))) continue
          const outcome = await task({ walk, last })
          if (outcome !== 'is a link') return outcome.result
          if (last === undefined || !(followLast || isDirectory)) throw tooManyLinks(path)
          await walk.followLast(last)
        }
      } finally {
        walk.close()
      }
    })
  }
}

async function isLink(path: LocalPath): Promise<boolean> {
  return fsp.lstat(path).then(
    (stats) => stats.isSymbolicLink(),
    (error) => {
      if (isOneOf(error, 'ENOENT')) return false
      throw error
    },
  )
}
