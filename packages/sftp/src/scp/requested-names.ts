/**
 * What was asked for, and so what may come: the side that has the files chooses the names, and one that lies would else
 * write whatever it likes (CVE-2019-6111).
 */

import { printable } from '@ssh/wire'
import { baseName } from '../client/paths.js'
import { SftpError } from '../errors.js'
import { NamePattern, unescapePattern } from './name-pattern.js'
import type { DirectoryRecord, FileRecord } from './records.js'

/** What a name at the top may be. */
type Expectation =
  /** This one, once. */
  | { readonly kind: 'name'; readonly name: string }
  /** Any that match, each once. */
  | { readonly kind: 'pattern'; readonly pattern: NamePattern }
  /** What is in a directory that has no name of its own (`.`, `..`, `/`): any, each once, or one directory of that name. */
  | { readonly kind: 'contents' }
  /** One name that only the other side knows: of a home directory. */
  | { readonly kind: 'one' }

/** Where something goes that was asked for. */
export interface Admitted {
  /** Whether the caller wrote this very name. */
  readonly isGiven: boolean
  /** Whether it is the directory without a name, whose contents go where it would go. */
  readonly isNameless: boolean
}

export class RequestedNames {
  readonly #path: string
  readonly #expected: Expectation
  readonly #seen = new Set<string>()

  private constructor(path: string, expected: Expectation) {
    this.#path = path
    this.#expected = expected
  }

  /**
   * What may come for a path.
   * @param path as the caller wrote it, which is a pattern where a shell would see one
   * @param isLiteral whether it is a path and nothing else
   */
  static of(path: string, isLiteral = false): RequestedNames {
    const last = baseName(path)
    if (last === '' || last === '.' || last === '..') return new RequestedNames(path, { kind: 'contents' })
    if (isLiteral) return new RequestedNames(path, { kind: 'name', name: last })
    if (/^~[\w.-]*\/*$/.test(path)) return new RequestedNames(path, { kind: 'one' })
    const pattern = new NamePattern(last)
    if (pattern.isMagic || new NamePattern(path.slice(0, -last.length)).isMagic) {
      return new RequestedNames(path, { kind: 'pattern', pattern })
    }
    return new RequestedNames(path, { kind: 'name', name: pattern.literal })
  }

  /** Whether more than one name may come. */
  get mayBeMany(): boolean {
    return this.#expected.kind === 'pattern' || this.#expected.kind === 'contents'
  }

  /** Names that have come. */
  get count(): number {
    return this.#seen.size
  }

  /**
   * Lets a record in that nothing surrounds.
   * @throws SftpError `ERR_SFTP_UNREQUESTED` for what nobody asked for; `EEXIST` for a name that came before
   */
  admit({ name, type }: FileRecord | DirectoryRecord): Admitted {
    const expected = this.#expected
    const isNameless = expected.kind === 'contents' && type === 'directory' && ['', '.', '..'].includes(name)
    const isExpected =
      expected.kind === 'name'
        ? name === expected.name
        : expected.kind === 'pattern'
          ? expected.pattern.matches(name) || name === unescapePattern(baseName(this.#path))
          : isNameless || expected.kind === 'contents' || this.#seen.size === 0
    if (!isExpected || (expected.kind === 'name' && this.#seen.size > 0)) throw this.#unrequested(name)
    if (this.#seen.has(name)) {
      throw new SftpError('EEXIST', 'EEXIST: two sources have one name; copy them into different directories', {
        path: this.#path,
        details: { name },
      })
    }
    this.#seen.add(name)
    return { isGiven: expected.kind === 'name', isNameless }
  }

  #unrequested(name: string): SftpError {
    return new SftpError(
      'ERR_SFTP_UNREQUESTED',
      `The server sends "${printable(name)}", which was not asked for; it was not used`,
      { path: this.#path, details: { name } },
    )
  }
}
