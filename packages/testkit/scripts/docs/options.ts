/** The page of options: names and kinds from the schemas that check them, words from the comments beside them. */

import {
  localPathOptionsSchema,
  localPortOptionsSchema,
  openConnectionOptionsSchema,
  openUnixConnectionOptionsSchema,
  remotePathOptionsSchema,
  remotePortOptionsSchema,
  socksOptionsSchema,
} from '../../../conn/src/client/client-forwarding-options.js'
import { clientOptionsSchema } from '../../../conn/src/client/client-options.js'
import { reverseListenOptionsSchema } from '../../../conn/src/client/reverse-listen-options.js'
import { reverseServerOptionsSchema } from '../../../conn/src/server/connect-reverse.js'
import { serverOptionsSchema } from '../../../conn/src/server/server-options.js'
import { userOptionsSchema } from '../../../conn/src/server/user-settings.js'
import { sessionDefaultsSchema } from '../../../sdk/src/client/client-options.js'
import { scpTransferSchema } from '../../../sdk/src/client/scp-options.js'
import {
  readPrivateKeyOptionsSchema,
  writePrivateKeyOptionsSchema,
  writePublicKeyOptionsSchema,
} from '../../../sdk/src/keys/key-files.js'
import { expectOptionsSchema } from '../../../sdk/src/process/expect.js'
import {
  processOptionsSchema,
  redirectOptionsSchema,
  runOptionsSchema,
  waitOptionsSchema,
} from '../../../sdk/src/process/process-options.js'
import { closeOptionsSchema, sessionOptionsSchema } from '../../../sdk/src/server/server-options.js'
import { spawnPtyOptionsSchema } from '../../../sdk/src/terminal/pty/spawn-pty.js'
import { readLineOptionsSchema } from '../../../sdk/src/terminal/server-terminal.js'
import { hostsOptionsSchema } from '../../../sdk/src/work/hosts-options.js'
import { poolCloseOptionsSchema, poolOptionsSchema } from '../../../sdk/src/work/pool-options.js'
import { reconnectOptionsSchema } from '../../../sdk/src/work/reconnect-options.js'
import { code, page, paragraph, table } from './markdown.js'
import type { SourceText } from './source-files.js'

/** As much of a zod schema as this page reads. */
interface Schema {
  readonly def: {
    readonly type: string
    readonly innerType?: Schema
    readonly options?: readonly Schema[]
    readonly element?: Schema
    readonly items?: readonly Schema[]
    readonly keyType?: Schema
    readonly valueType?: Schema
    readonly shape?: Shape
    readonly in?: Schema
    readonly entries?: Readonly<Record<string, string | number>>
    readonly values?: readonly unknown[]
  }
  meta(): Readonly<Record<string, unknown>> | undefined
  safeParse(value: unknown): {
    readonly error?: { readonly issues: readonly { readonly message: string }[] } | undefined
  }
}

type Shape = Readonly<Record<string, Schema>>

/** The page. @param files sources of the packages, for the comments and the interfaces of SFTP */
export function optionsPage(files: readonly SourceText[]): string {
  const sourceOf = (path: string) => {
    const file = files.find((candidate) => candidate.path === `packages/${path}`)
    if (file === undefined) throw new Error(`There is no packages/${path}; gen-docs reads options there`)
    return file.source
  }
  const both = sourceOf('conn/src/protocol-options.ts')
  const client = commentsIn(
    sourceOf('conn/src/client/client-options.ts'),
    sourceOf('conn/src/client/agent-options.ts'),
    sourceOf('conn/src/client/config-options.ts'),
    sourceOf('conn/src/client/dial-options.ts'),
    sourceOf('conn/src/client/x11-forwarding.ts'),
    sourceOf('sdk/src/client/client-options.ts'),
    both,
  )
  const server = commentsIn(
    sourceOf('conn/src/server/server-options.ts'),
    sourceOf('conn/src/server/forwarding/forward-options.ts'),
    sourceOf('conn/src/server/x11-options.ts'),
    sourceOf('sdk/src/server/server-options.ts'),
    both,
  )
  const process = commentsIn(
    sourceOf('conn/src/client/x11-forwarding.ts'),
    sourceOf('sdk/src/process/process-options.ts'),
  )
  const terminal = commentsIn(
    sourceOf('sdk/src/terminal/server-terminal.ts'),
    sourceOf('sdk/src/terminal/pty/spawn-pty.ts'),
  )
  const user = commentsIn(sourceOf('conn/src/server/user-settings.ts'))
  const keys = commentsIn(sourceOf('sdk/src/keys/key-files.ts'))
  const { serverFactory: _, ...protocol } = serverOptionsSchema.shape
  const { shape: processShape } = processOptionsSchema
  const runOnly = Object.fromEntries(Object.entries(runOptionsSchema.shape).filter(([name]) => !(name in processShape)))
  const sftp = interfacesIn(sourceOf('sftp/src/client/options.ts'))
  return page(
    'Options',
    'Options are checked once, at the edge; an unknown option is an `OptionsError` that names it. Every option may be ' +
      "left out. A *duration* is milliseconds or text like `'30s'`, `'5m'`, `'1w2d3h'`; a *size* is bytes or text like " +
      "`'64k'`, `'2.5m'`, `'1g'`. Where keys, `authorized_keys` or `known_hosts` are given as text, text that holds a " +
      'key is one and anything else is a path.',
    section('`connect`', { ...clientOptionsSchema.shape, ...sessionDefaultsSchema.shape }, client),
    section('`createProcess`', processShape, process, 'processOptionsSchema'),
    section('`run`: those of `createProcess`, and', runOnly, process, 'runOptionsSchema'),
    section('`wait` of a process', waitOptionsSchema.shape, process, 'waitOptionsSchema'),
    section('`redirect` of a process', redirectOptionsSchema.shape, process, 'redirections'),
    section('`expect`', expectOptionsSchema.shape, commentsIn(sourceOf('sdk/src/process/expect.ts'))),
    section(
      '`scp`: those of `connect`, and',
      scpTransferSchema.shape,
      commentsIn(sourceOf('sdk/src/client/scp-options.ts')),
    ),
    ...workSections(sourceOf),
    ...forwardingSections(sourceOf('conn/src/client/client-forwarding-options.ts')),
    section('`listen`', { ...sessionOptionsSchema.shape, ...protocol }, server),
    section('`readLine` of a terminal', readLineOptionsSchema.shape, terminal, 'readLineOptionsSchema'),
    section('`spawnPty`', spawnPtyOptionsSchema.shape, terminal, 'spawnPtyOptionsSchema'),
    section('`setOptions` of a connection of a server', userOptionsSchema.shape, user),
    ...reverseSections(sourceOf),
    section('`close` of a server', closeOptionsSchema.shape, server),
    section('`readPrivateKey`', readPrivateKeyOptionsSchema.shape, keys, 'readPrivateKeyOptionsSchema'),
    section('`writePrivateKey`', writePrivateKeyOptionsSchema.shape, keys, 'writePrivateKeyOptionsSchema'),
    section('`writePublicKey`', writePublicKeyOptionsSchema.shape, keys, 'writePublicKeyOptionsSchema'),
    ...sftp.map(({ name, base, rows }) => {
      const inherited = base === undefined ? '' : `, and those of ${base.split(', ').map(code).join(', ')}`
      const body = rows.length === 0 ? '' : `\n\n${table(['option', 'takes', 'what'], rows)}`
      return `## SFTP: ${code(name)}${inherited}${body}`
    }),
  )
}

function forwardingSections(source: string): string[] {
  const comments = commentsIn(source)
  const [openConnection, openUnixConnection] = [
    openConnectionOptionsSchema.shape,
    openUnixConnectionOptionsSchema.shape,
  ]
  const [remotePort, remotePath] = [remotePortOptionsSchema.shape, remotePathOptionsSchema.shape]
  const of = (names: readonly string[], shape: Shape, owner: string) =>
    section(names.map(code).join(', '), shape, comments, owner)
  return [
    of(['openConnection', 'openTcpChannel'], openConnection, 'openConnectionOptionsSchema'),
    of(['openUnixConnection', 'openUnixChannel'], openUnixConnection, 'openUnixConnectionOptionsSchema'),
    of(['forwardLocalPort', 'forwardLocalPortToPath'], localPortOptionsSchema.shape, 'localPortOptionsSchema'),
    of(['forwardLocalPath', 'forwardLocalPathToPort'], localPathOptionsSchema.shape, 'localPortOptionsSchema'),
    of(['forwardSocks'], socksOptionsSchema.shape, 'socksOptionsSchema'),
    of(['startServer', 'forwardRemotePort', 'forwardRemotePortToPath'], remotePort, 'remotePortOptionsSchema'),
    of(['startUnixServer', 'forwardRemotePath', 'forwardRemotePathToPort'], remotePath, 'remotePathOptionsSchema'),
  ]
}

/** Connections at work: pools, links that come back, many hosts. */
function workSections(sourceOf: (path: string) => string): string[] {
  const pool = commentsIn(sourceOf('sdk/src/work/pool-options.ts'))
  const reconnect = commentsIn(sourceOf('sdk/src/work/reconnect-options.ts'))
  const hosts = commentsIn(sourceOf('sdk/src/work/hosts-options.ts'))
  return [
    section('`createPool`', poolOptionsSchema.shape, pool, 'poolOptionsSchema'),
    section('`close` of a pool', poolCloseOptionsSchema.shape, pool, 'poolCloseOptionsSchema'),
    section(
      '`createReconnecting`: those of `connect`, and',
      reconnectOptionsSchema.shape,
      reconnect,
      'reconnectOptionsSchema',
    ),
    section('`runOnHosts`: those of `connect` and `run`, and', hostsOptionsSchema.shape, hosts, 'hostsOptionsSchema'),
  ]
}

/** Options with TCP turned around: only those that its calls do not share with `connect` and `listen`. */
function reverseSections(sourceOf: (path: string) => string): string[] {
  const serverComments = commentsIn(
    sourceOf('conn/src/server/connect-reverse.ts'),
    sourceOf('conn/src/client/dial-options.ts'),
  )
  const clientComments = commentsIn(sourceOf('conn/src/client/reverse-listen-options.ts'))
  const where = ['host', 'port', 'tunnel', 'signal']
  const ofClient = Object.entries(reverseListenOptionsSchema.shape).filter(
    ([name]) => where.includes(name) || !(name in clientOptionsSchema.shape),
  )
  const ofServer = Object.entries(reverseServerOptionsSchema.shape).filter(
    ([name]) => where.includes(name) || !(name in serverOptionsSchema.shape),
  )
  return [
    section(
      '`listenReverse`: those of `connect`, without those about how a server is reached, and',
      Object.fromEntries(ofClient),
      clientComments,
    ),
    section(
      '`connectReverse`: those of `listen`, without those about where it listens, and',
      Object.fromEntries(ofServer),
      serverComments,
    ),
  ]
}

/** Comments of properties by the constant they stand in. */
type Comments = readonly { readonly owner: string; readonly name: string; readonly text: string }[]

function section(title: string, shape: Shape, comments: Comments, owner?: string): string {
  const rows = Object.entries(shape).map(([name, schema]) => {
    const known = comments.filter((comment) => comment.name === name)
    const comment = known.find((candidate) => candidate.owner === owner) ?? known[0]
    if (comment === undefined) throw new Error(`The option ${name} of ${title} has no comment beside its schema`)
    return [code(name), kindOf(schema), comment.text]
  })
  return `## ${title}\n\n${table(['option', 'takes', 'what'], rows)}`
}

function commentsIn(...sources: readonly string[]): Comments {
  return sources.flatMap((source) => {
    const owners = [...source.matchAll(/^(?:export )?const (\w+)/gm)]
    return [...source.matchAll(/^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*(\w+):/gm)].map(
      ({ index, 1: text = '', 2: name = '' }) => ({
        owner: owners.findLast((owner) => owner.index < index)?.[1] ?? '',
        name,
        text: paragraph(text),
      }),
    )
  })
}

/** What a schema accepts, in a reader's words. */
function kindOf(schema: Schema): string {
  const unit = schema.meta()?.unit
  if (unit !== undefined) return unit === 'ms' ? 'duration' : 'size'
  const {
    type,
    innerType,
    options = [],
    element,
    items,
    keyType,
    valueType,
    shape,
    entries,
    values,
    ...def
  } = schema.def
  if (innerType !== undefined) return kindOf(innerType)
  if (def.in !== undefined) return kindOf(def.in)
  if (options.length > 0) return [...new Set(options.map(kindOf))].join(' or ')
  if (element !== undefined) return `list of ${grouped(kindOf(element))}`
  if (items !== undefined) return `[${items.map(kindOf).join(', ')}]`
  if (keyType && valueType) return `{ ${kindOf(keyType)}: ${kindOf(valueType)} }${type === 'map' ? ' as a Map' : ''}`
  if (shape !== undefined) return `{ ${Object.keys(shape).join(', ')} }`
  if (entries !== undefined) return oneOf(Object.values(entries))
  if (values !== undefined) return oneOf(values)
  if (type === 'custom') return expectedBy(schema)
  return type === 'null' ? code('null') : type
}

function grouped(kind: string): string {
  return kind.includes(' or ') ? `(${kind})` : kind
}

/** Many values are names out of a table that has its own page. */
function oneOf(values: readonly unknown[]): string {
  if (values.length > 12) return 'name'
  return values.map((value) => code(typeof value === 'string' ? `'${value}'` : String(value))).join(' or ')
}

/** A check written by hand says what it wants when it is given nothing. */
function expectedBy(schema: Schema): string {
  const message = schema.safeParse(undefined).error?.issues[0]?.message ?? ''
  return message.replace(/^expected (?:an? )?/, '')
}

interface Interface {
  readonly name: string
  readonly base: string | undefined
  readonly rows: readonly (readonly string[])[]
}

/** Options that are plain interfaces, with the types as they are written. */
function interfacesIn(source: string): Interface[] {
  return [...source.matchAll(/^export interface (\w+Options)(?: extends ([\w, ]+))? \{(\}|\n[\s\S]*?^\})$/gm)].map(
    ([, name = '', base, body = '']) => ({
      name,
      base,
      rows: [...body.matchAll(/(?:\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*)?readonly (\w+)\??: ([^\n]+)/g)].map(
        ([, text = '', option = '', type = '']) => [
          code(option),
          code(type.replace(/ \| undefined$/, '').replaceAll('|', '\\|')),
          paragraph(text),
        ],
      ),
    }),
  )
}
