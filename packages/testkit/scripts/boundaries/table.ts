/** The walls of the house as data: which room may import what. Moving a wall means editing a row here. */

/** What a room may reach. */
export interface Room {
  /**
   * Folder below `src`, or one file; the longest that matches wins. `''` is files directly in `src`, `*` whatever no
   * other row names.
   */
  readonly path: string
  /** Other rooms of the same package. Its own files and `leaves` always may be imported. */
  readonly rooms?: readonly string[] | 'any'
  /** Other packages of the workspace, by folder name. */
  readonly packages?: readonly string[]
  /** Packages from the registry. */
  readonly dependencies?: readonly string[]
  /** Modules of Node, without `node:`. */
  readonly node?: readonly string[] | 'any'
  /** Speaks in calls and callbacks only: no promise, no timer, no clock, no randomness of its own. */
  readonly isCallsOnly?: boolean
}

export interface PackageRules {
  readonly name: string
  /** Files that every room of the package may import. */
  readonly leaves?: readonly string[]
  readonly rooms: readonly Room[]
}

const conn = { packages: ['wire', 'crypto'] }

export const boundaries: readonly PackageRules[] = [
  { name: 'wire', rooms: [{ path: '*', rooms: 'any', isCallsOnly: true }] },
  {
    name: 'crypto',
    rooms: [
      {
        path: '*',
        rooms: 'any',
        packages: ['wire'],
        dependencies: ['@noble/post-quantum', 'bcrypt-pbkdf', 'node-forge', 'tweetnacl'],
        node: ['crypto', 'util', 'zlib'],
      },
      ...['ciphers', 'macs', 'compression', 'kex'].map((path) => ({
        path,
        rooms: 'any' as const,
        packages: ['wire'],
        dependencies: ['@noble/post-quantum', 'tweetnacl'],
        node: ['crypto', 'util', 'zlib'],
        isCallsOnly: true,
      })),
    ],
  },
  {
    name: 'streams',
    rooms: [
      {
        path: '*',
        rooms: 'any',
        packages: ['wire'],
        node: ['buffer', 'events', 'stream', 'stream/web', 'string_decoder'],
      },
      { path: 'stdio.ts', rooms: 'any', packages: ['wire'], node: 'any' },
    ],
  },
  {
    name: 'conn',
    leaves: ['errors.ts', 'events.ts', 'log.ts'],
    rooms: [
      { path: '', rooms: 'any', packages: ['wire', 'crypto', 'streams'], dependencies: ['zod'], node: ['stream'] },
      { path: 'shared-signal.ts', node: ['events'] },
      { path: 'tracing.ts', rooms: ['transport', 'userauth'], node: ['diagnostics_channel'] },
      { path: 'transport', ...conn, node: ['crypto'], isCallsOnly: true },
      { path: 'userauth', ...conn, isCallsOnly: true },
      { path: 'connection', packages: ['wire'], isCallsOnly: true },
      { path: 'peer', ...conn, rooms: ['transport', 'userauth', 'connection'], isCallsOnly: true },
      { path: 'session', packages: ['wire'], rooms: ['connection'] },
      { path: 'forwarding', packages: ['wire'], rooms: ['connection', 'deferred.ts'], node: ['crypto'] },
      { path: 'deferred.ts' },
      { path: 'unless-aborted.ts', packages: ['wire'] },
      { path: 'agent', ...conn, rooms: ['connection'] },
      { path: 'config', ...conn, node: ['crypto'] },
      { path: 'trust', ...conn, rooms: ['config'] },
      { path: 'io', packages: ['wire', 'streams'], rooms: ['peer', 'unless-aborted.ts'], node: 'any' },
      // The files, and the machine, that configurations ask for.
      { path: 'io/config-files.ts', packages: ['wire'], rooms: ['config', 'io'], node: 'any' },
      { path: 'io/config-machine.ts', packages: ['wire'], rooms: ['config', 'io'], node: 'any' },
      {
        path: 'client',
        packages: ['wire', 'crypto', 'streams'],
        rooms: 'any',
        dependencies: ['zod'],
        node: ['stream', 'events'],
      },
      {
        path: 'server',
        packages: ['wire', 'crypto', 'streams'],
        rooms: 'any',
        dependencies: ['zod'],
        node: ['stream', 'events'],
      },
    ],
  },
  {
    name: 'sftp',
    leaves: [
      'block-memory.ts',
      'errors.ts',
      'local-path.ts',
      'local-times.ts',
      'reason-texts.ts',
      'system-errors.ts',
      'version.ts',
    ],
    rooms: [
      { path: '', rooms: 'any', packages: ['wire'] },
      { path: 'protocol', packages: ['wire'] },
      {
        path: 'client',
        rooms: ['protocol', 'client/local-files.ts', 'client/tracing.ts', 'client/transfer'],
        packages: ['wire'],
        dependencies: ['minimatch'],
        node: ['stream', 'stream/promises'],
      },
      { path: 'client/tracing.ts', node: ['diagnostics_channel'] },
      // One file of a transfer: where it begins, is written and is checked.
      {
        path: 'client/transfer',
        rooms: ['client', 'protocol'],
        packages: ['wire'],
        node: ['crypto', 'stream', 'stream/promises', 'stream/web'],
      },
      // The local side of transfers, and the server that serves real folders: the only files that touch a disk.
      { path: 'client/gathered-calls.ts', node: ['fs'] },
      {
        path: 'client/local-files.ts',
        rooms: [
          'client',
          'client/gathered-calls.ts',
          'client/transfer',
          'protocol',
          'local-names.ts',
          'local-data-ranges.ts',
        ],
        packages: ['wire'],
        node: 'any',
      },
      {
        path: 'server',
        rooms: ['protocol', 'server/check-file.ts', 'server/sftp-server.ts'],
        packages: ['wire'],
      },
      { path: 'server/check-file.ts', rooms: ['server', 'protocol'], packages: ['wire'], node: ['crypto'] },
      {
        path: 'server/sftp-server.ts',
        rooms: ['server', 'server/local', 'protocol', 'local-names.ts'],
        packages: ['wire'],
        node: 'any',
      },
      {
        path: 'server/local',
        rooms: ['protocol', 'local-names.ts', 'local-data-ranges.ts'],
        packages: ['wire'],
        node: 'any',
      },
      { path: 'local-names.ts', node: 'any' },
      { path: 'local-data-ranges.ts', rooms: ['protocol'], node: 'any' },
      { path: 'system-errors.ts', node: ['util'] },
      // The local side of the client, and any handler of the server, as SCP's two trees.
      {
        path: 'scp',
        rooms: ['protocol', 'client', 'client/local-files.ts', 'client/tracing.ts', 'server'],
        packages: ['wire'],
        dependencies: ['minimatch'],
      },
      { path: 'bin', rooms: 'any', packages: ['wire'], node: 'any' },
    ],
  },
  {
    name: 'sdk',
    rooms: [
      {
        path: '*',
        rooms: 'any',
        packages: ['wire', 'crypto', 'streams', 'conn', 'sftp'],
        dependencies: ['zod'],
        node: 'any',
      },
      // What a terminal shows: no promise, no stream, no process; `server-terminal` and `pty-process` are the doors.
      {
        path: 'terminal',
        packages: ['wire'],
        dependencies: ['get-east-asian-width'],
        isCallsOnly: true,
      },
      ...['terminal/server-terminal.ts', 'terminal/terminal-streams.ts', 'terminal/pty'].map((path) => ({
        path,
        rooms: 'any' as const,
        packages: ['wire', 'streams', 'conn'],
        dependencies: ['zod'],
        node: 'any' as const,
      })),
    ],
  },
  {
    name: 'testkit',
    rooms: [
      { path: '*', rooms: 'any', packages: ['wire'], dependencies: ['fast-check', 'rolldown', 'vitest'], node: 'any' },
    ],
  },
  {
    name: 'interop',
    rooms: [
      {
        path: '*',
        rooms: 'any',
        packages: ['wire', 'crypto', 'streams', 'conn', 'sftp', 'sdk', 'testkit'],
        dependencies: ['vitest'],
        node: 'any',
      },
    ],
  },
  {
    name: 'bench',
    rooms: [
      {
        path: '*',
        rooms: 'any',
        packages: ['sdk', 'testkit', 'interop'],
        dependencies: ['ssh2'],
        node: 'any',
      },
    ],
  },
  { name: 'examples', rooms: [{ path: '*', rooms: 'any', packages: ['sdk'], node: 'any' }] },
]

/** What a calls-only room must not say, and why. */
export const callsOnlyWords: readonly { readonly word: RegExp; readonly why: string }[] = [
  { word: /\b(?:async|await|Promise)\b/g, why: 'promises begin above this room' },
  { word: /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|nextTick)\b/g, why: 'time is passed in as ticks' },
  { word: /\b(?:Date\.now|new Date|performance\.now|hrtime)\b/g, why: 'the clock is passed in' },
  { word: /\bMath\.random\b/g, why: 'randomness is passed in' },
]
