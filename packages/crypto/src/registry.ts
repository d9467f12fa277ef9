/** An ordered, immutable, duplicate-checked table of algorithms: the order is the order of preference. */

import type { AlgorithmStatus } from './ciphers/cipher.js'

/** What every row of every registry has. */
export interface AlgorithmRow {
  readonly name: string
  readonly status: AlgorithmStatus
  /** Whether this runtime's crypto has the primitives; absent: every runtime has. */
  isAvailable?(): boolean
}

/**
 * Algorithms of one kind, in order of preference. A row that this runtime cannot compute is as if it were not declared,
 * except in `rows`. Availability is asked once, when a name is first needed.
 */
export interface Registry<Row extends AlgorithmRow> {
  /** Every row declared, for documentation and tests. */
  readonly rows: readonly Row[]
  /** Every name available, in order. */
  readonly names: readonly string[]
  /** Names offered when the user asks for nothing else, in order. */
  readonly defaultNames: readonly string[]
  get(name: string): Row | undefined
  has(name: string): boolean
}

/** Builds a registry. @throws Error when a name occurs twice */
export function registry<Row extends AlgorithmRow>(...rows: Row[]): Registry<Row> {
  const declared = new Set<string>()
  for (const { name } of rows) {
    if (declared.has(name)) throw new Error(`Algorithm ${name} is declared twice`)
    declared.add(name)
  }
  let index: AvailableRows<Row> | undefined
  const available = () => (index ??= indexAvailable(rows))
  return {
    rows: Object.freeze([...rows]),
    get names() {
      return available().names
    },
    get defaultNames() {
      return available().defaultNames
    },
    get: (name) => available().byName.get(name),
    has: (name) => available().byName.has(name),
  }
}

interface AvailableRows<Row> {
  /** A Map, because names come from the peer. */
  readonly byName: ReadonlyMap<string, Row>
  readonly names: readonly string[]
  readonly defaultNames: readonly string[]
}

function indexAvailable<Row extends AlgorithmRow>(rows: readonly Row[]): AvailableRows<Row> {
  const available = rows.filter((row) => row.isAvailable?.() ?? true)
  return {
    byName: new Map(available.map((row) => [row.name, row])),
    names: Object.freeze(available.map((row) => row.name)),
    defaultNames: Object.freeze(available.filter((row) => row.status === 'default').map((row) => row.name)),
  }
}
