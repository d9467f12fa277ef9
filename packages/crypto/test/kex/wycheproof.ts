/** Vectors of Project Wycheproof, which lie beside the repository; a suite without its file is skipped and says so. */

import { existsSync, readFileSync } from 'node:fs'
import { describe } from 'vitest'

const folder = new URL('../../../../../shared/vectors/wycheproof/', import.meta.url)

/** One test of a file, with whatever fields its schema has, as hexadecimal text. */
export interface WycheproofTest {
  readonly tcId: number
  readonly comment?: string
  readonly flags: readonly string[]
  readonly result: 'valid' | 'acceptable' | 'invalid'
}

/** What the tests of one group share, by the names of the file's schema. */
export type WycheproofGroup = Readonly<Record<string, unknown>>

/** Runs `suite` with the tests of one file, each with its group, or skips it when the file is not there. */
export function describeWycheproof<Test extends WycheproofTest>(
  file: string,
  suite: (tests: (Test & { readonly group: WycheproofGroup })[]) => void,
): void {
  const url = new URL(file, folder)
  if (!existsSync(url)) {
    describe.skip(`Wycheproof ${file} (not found beside the repository, skipped)`, () => {})
    return
  }
  const { testGroups } = JSON.parse(readFileSync(url, 'utf8')) as {
    testGroups: ({ tests: Test[] } & WycheproofGroup)[]
  }
  const tests = testGroups.flatMap((group) => group.tests.map((test) => ({ ...test, group })))
  describe(`Wycheproof ${file}`, () => suite(tests))
}
