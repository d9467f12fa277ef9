/** The files of this machine. */

import type { SourceBlock, TargetFile } from '../client/file-tree.js'
import { LocalTree } from '../client/local-files.js'
import { assertSafeLocalName } from '../client/paths.js'
import { SftpStats } from '../client/stats.js'
import { SftpError } from '../errors.js'
import { fileTypes, type SftpAttrs } from '../protocol/attrs.js'
import type { NewEntry, ScpFiles, ScpSourceFile, ScpTargetFile } from './scp-files.js'

type Signal = AbortSignal | undefined

export class LocalScpFiles implements ScpFiles {
  readonly #tree = new LocalTree()

  join(directory: string, name: string): string {
    return this.#tree.join(directory, name)
  }

  baseName(path: string): string {
    return this.#tree.baseName(path)
  }

  assertName(name: string, directory: string): void {
    assertSafeLocalName(name, directory)
  }

  stat(path: string, followSymlinks: boolean): Promise<SftpStats> {
    return this.#tree.stat(path, followSymlinks)
  }

  scandir(path: string): AsyncIterable<{ readonly name: string; readonly attrs: SftpStats }> {
    return this.#tree.scandir(path)
  }

  openSource(path: string): Promise<ScpSourceFile> {
    return this.#tree.openSource(path)
  }

  async openTarget(
    path: string,
    { permissions, preserved, isGiven }: NewEntry,
    signal: Signal,
  ): Promise<ScpTargetFile> {
    const attrs = new SftpStats({ permissions: fileTypes.file | permissions, ...preserved })
    const preserve = preserved !== undefined
    const options = { attrs, preserve, isGiven, permissions, mode: 'extend', signal } as const
    return new LocalScpTarget(await this.#tree.openTarget(path, options))
  }

  makeDirectory(path: string, { permissions, isGiven }: NewEntry): Promise<void> {
    return this.#tree.ensureDirectory(path, isGiven, undefined, permissions)
  }

  setAttrs(path: string, attrs: SftpAttrs): Promise<void> {
    return this.#tree.setAttrs(path, attrs)
  }
}

class LocalScpTarget implements ScpTargetFile {
  readonly writesAtOnce = 4
  readonly releasesBlocks = true
  readonly #file: TargetFile

  constructor(file: TargetFile) {
    this.#file = file
  }

  write(position: number, block: SourceBlock, signal: Signal): Promise<void> {
    return this.#file.write(position, block, signal)
  }

  async finish(size: number): Promise<void> {
    try {
      await this.#file.truncate(size)
    } catch (error) {
      // A device has no size.
      if (!(error instanceof SftpError && error.code === 'EINVAL')) throw error
    }
    await this.#file.finish()
  }

  discard(): Promise<void> {
    return this.#file.discard(undefined)
  }
}
