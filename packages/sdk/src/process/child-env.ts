/** Variables for programs of this machine that run for a client: those that sshd sets (sshd(8), ssh(1) ENVIRONMENT). */

import { toPattern } from './environment.js'

export interface ChildEnvFacts {
  /** What the client set. */
  readonly clientEnv: ReadonlyMap<string, string>
  /** What the server set: keys, `setOptions`, a display, an agent. */
  readonly imposedEnv: ReadonlyMap<string, string>
  readonly originalCommand: string | undefined
  readonly termType: string | undefined
  /** Facts of the connection, where there are any. */
  readonly info: object
}

/** How to make the variables of a child. */
export interface ChildEnvOptions {
  /**
   * Begins with these. Default: of this process's those that every program needs, which are `PATH`, `HOME`, `USER`,
   * `LOGNAME`, `SHELL`, `LANG`, `LC_*`, `TZ` and `TMPDIR`, and on Windows `SystemRoot`, `ComSpec`, `PATHEXT`,
   * `USERPROFILE`, `TEMP` and `TMP`. What else this process has, tokens and passwords among it, is not the client's;
   * `process.env` gives all.
   */
  readonly base?: Readonly<Record<string, string | undefined>> | undefined
  /** Names of variables that are taken from the client, in which `*` and `?` are wildcards. Default: none. */
  readonly accept?: readonly string[] | undefined
}

const basicNames = ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LC_*', 'TZ', 'TMPDIR'].map(toPattern)

/** Windows writes a name as whoever set it did. */
const windowsNames = new Set(['PATH', 'SYSTEMROOT', 'COMSPEC', 'PATHEXT', 'USERPROFILE', 'TEMP', 'TMP'])

function ownBasics(): Record<string, string | undefined> {
  const isWindows = process.platform === 'win32'
  const isBasic = (name: string) =>
    basicNames.some((pattern) => pattern.test(name)) || (isWindows && windowsNames.has(name.toUpperCase()))
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => isBasic(name)))
}

export function childEnv(facts: ChildEnvFacts, options: ChildEnvOptions = {}): Record<string, string> {
  const { base = ownBasics(), accept = [] } = options
  const patterns = accept.map(toPattern)
  const accepted = [...facts.clientEnv].filter(([name]) => patterns.some((pattern) => pattern.test(name)))
  const variables = [
    ...Object.entries(base),
    ...accepted,
    ...facts.imposedEnv,
    ['SSH_ORIGINAL_COMMAND', facts.originalCommand] as const,
    ['TERM', facts.termType] as const,
    ...addresses(facts.info),
  ]
  // The last of a name counts, and one that is undefined is none: this process's own are not the client's.
  const given = new Map(variables)
  return Object.fromEntries([...given].filter((entry): entry is [string, string] => entry[1] !== undefined))
}

function addresses(info: object): [name: string, value: string | undefined][] {
  const fact = (name: string): unknown => Reflect.get(info, name)
  const [from, fromPort] = [fact('remoteAddress'), fact('remotePort')]
  const [to, toPort] = [fact('localAddress'), fact('localPort')]
  const isKnown = typeof from === 'string' && typeof to === 'string'
  return [
    ['SSH_CLIENT', isKnown ? `${from} ${fromPort} ${toPort}` : undefined],
    ['SSH_CONNECTION', isKnown ? `${from} ${fromPort} ${to} ${toPort}` : undefined],
  ]
}
