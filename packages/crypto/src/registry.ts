/** An ordered, immutable, duplicate-checked table of algorithms: the order is the order of preference. */

import type { AlgorithmStatus } from './ciphers/cipher.js'

/** What every row of every registry has. */
export interface AlgorithmRow {
  readonly name: string
  readonly status: AlgorithmStatus
}

/** Algorithms of one kind, in order of preference. */
export interface Registry<Row extends AlgorithmRow> {
  readonly rows: readonly Row[]
  /** Every name, in order. */
  readonly names: readonly string[]
  /** Names offered when the user asks for nothing else, in order. */
  readonly defaultNames: readonly string[]
  get(name: string): Row | undefined
  has(name: string): boolean
}

/** Builds a registry. @throws Error when a name occurs twice */
export function registry<Row extends AlgorithmRow>(...rows: Row[]): Registry<Row> {
  const byName = new Map<string, Row>()
  for (const row of rows) {
    if (byName.has(row.name)) throw new Error(`Algorithm ${row.name} is declared twice`)
    byName.set(row.name, row)
  }
  const names = rows.map((row) => row.name)
  const defaultNames = rows.filter((row) => row.status === 'default').map((row) => row.name)
  return {
    rows: Object.freeze([...rows]),
    names: Object.freeze(names),
    defaultNames: Object.freeze(defaultNames),
    get: (name) => byName.get(name),
    has: (name) => byName.has(name),
  }
}
