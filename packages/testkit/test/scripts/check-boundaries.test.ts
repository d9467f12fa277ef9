import { describe, expect, test } from 'vitest'
import { findViolations } from '../../scripts/boundaries/check-imports.js'
import { scanSource } from '../../scripts/boundaries/scan-source.js'
import { boundaries } from '../../scripts/boundaries/table.js'

const found = (path: string, source: string): string[] =>
  findViolations([{ path: `packages/${path}`, source }], boundaries).map(({ line, text }) => `${line}: ${text}`)

describe('what a file imports', () => {
  test.each([
    ['an import', `import { a } from 'x'`],
    ['a type-only import', `import type { A } from 'x'`],
    ['an import over several lines', `import {\n  a,\n  type B,\n} from 'x'`],
    ['an import for its effect', `import 'x'`],
    ['a re-export', `export { a } from 'x'`],
    ['a dynamic import', `const a = await import('x')`],
    ['an import type', `type A = import('x').A`],
    ['a require', `const a = require('x')`],
    ['double quotes', `import { a } from "x"`],
    ['an import after a regular expression with quotes', `const r = /['"\`]/g\nimport 'x'`],
    ['an import after a division', `const r = a / b / c\nimport 'x'`],
  ])('%s is seen', (_, source) => {
    expect(scanSource(source).imports.map(({ specifier }) => specifier)).toContain('x')
  })

  test.each([
    ['a comment', `// import 'x'\n/* import 'x' */`],
    ['a string', `const text = "import 'x'"`],
    ['a template', 'const text = `from "x"`'],
  ])('%s is not', (_, source) => {
    expect(scanSource(source).imports).toEqual([])
  })

  test('lines are counted through comments and templates', () => {
    expect(scanSource(`/*\n\n*/\nconst a = \`\n\`\nimport 'x'`).imports).toEqual([{ specifier: 'x', line: 6 }])
  })
})

describe('the walls', () => {
  test('a sans-I/O room may not import a socket, not even its type', () => {
    expect(found('conn/src/transport/x.ts', `\nimport type { Socket } from 'node:net'`)).toEqual([
      '2: imports node:net: conn/transport may use of Node: crypto',
    ])
  })

  test.each([
    ['connection knows crypto', 'conn/src/connection/x.ts', `import { kex } from '@ssh/crypto'`],
    ['transport knows channels', 'conn/src/transport/x.ts', `import { Mux } from '../connection/mux.js'`],
    ['userauth knows transport', 'conn/src/userauth/x.ts', `import { T } from '../transport/transport.js'`],
    ['session knows the peer', 'conn/src/session/x.ts', `import { Peer } from '../peer/peer.js'`],
    ['config knows sockets', 'conn/src/config/x.ts', `import { readFile } from 'node:fs/promises'`],
    ['a room knows a client', 'conn/src/peer/x.ts', `import { c } from '../client/client.js'`],
    ['sftp knows conn', 'sftp/src/client/x.ts', `import { Channel } from '@ssh/conn'`],
    ['wire depends on anything', 'wire/src/x.ts', `import { z } from 'zod'`],
    ['crypto knows conn', 'crypto/src/x.ts', `import { connect } from '@ssh/conn'`],
    ['a published package knows the test kit', 'streams/src/x.ts', `import { FakeClock } from '@ssh/testkit'`],
    ['zod leaves the edge', 'conn/src/transport/x.ts', `import { z } from 'zod'`],
    ['a file reaches into another package', 'conn/src/x.ts', `import { a } from '../../wire/src/bytes.js'`],
    ['a relative import has no suffix', 'wire/src/x.ts', `import { a } from './bytes'`],
    ['a folder has no row', 'conn/src/attic/x.ts', ''],
    ['a package has no row', 'attic/src/x.ts', ''],
  ])('it is told when %s', (_, path, source) => {
    expect(found(path, source)).toHaveLength(1)
  })

  test.each([
    ['async function', 'async function f() {}'],
    ['promise', 'let p: Promise<void>'],
    ['timer', 'setTimeout(() => {}, 1)'],
    ['clock', 'const now = Date.now()'],
    ['dice', 'Math.random()'],
  ])('a calls-only room has no %s', (_, source) => {
    expect(found('conn/src/peer/x.ts', source)).toHaveLength(1)
    expect(found('conn/src/peer/x.ts', `// ${source}\n`)).toEqual([])
    expect(found('conn/src/client/x.ts', source)).toEqual([])
  })

  test('what the table allows passes', () => {
    expect(
      found(
        'conn/src/peer/x.ts',
        `import { T } from '../transport/transport.js'\nimport { printable } from '@ssh/wire'`,
      ),
    ).toEqual([])
    expect(
      found('conn/src/io/x.ts', `import { connect } from 'node:net'\nimport { Peer } from '../peer/peer.js'`),
    ).toEqual([])
    expect(found('conn/src/transport/x.ts', `import { ProtocolError } from '../errors.js'`)).toEqual([])
  })
})
