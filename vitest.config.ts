import { defineConfig } from 'vitest/config'

// Tests read the packages' sources, so no build is needed before them.
const conditions = ['@ssh/source', 'module', 'node', 'development|production']
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: ['@ssh/source', 'node'] } },
}

export default defineConfig({
  test: {
    reporters: ['default', './packages/testkit/src/summary-reporter.ts'],
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['packages/{wire,crypto,conn,sftp,streams,sdk,testkit}/test/**/*.test.ts'],
          setupFiles: [
            'packages/testkit/src/property-seed.ts',
            'packages/testkit/src/empty-home.ts',
            'packages/testkit/src/patience.ts',
          ],
          // Few tests here take a second; a machine that is slow or busy with other things needs many.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 45_000 } },
        },
      },
      {
        ...shared,
        test: {
          name: 'interop',
          include: ['packages/interop/test/**/*.test.ts'],
          setupFiles: ['packages/testkit/src/empty-home.ts', 'packages/testkit/src/patience.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 90_000 } },
          // Half of the work is done by the programs on the other side.
          maxWorkers: 2,
          // Behind the unit tests, not beside them: some of these tests look at what happens when a peer is slow.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
