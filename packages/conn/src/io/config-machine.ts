/** This machine, as ssh_config may ask about it: names, variables, networks, a shell, the name service. */

import { spawn } from 'node:child_process'
import { lookup, resolveCname } from 'node:dns/promises'
import { homedir, hostname, networkInterfaces, userInfo } from 'node:os'
import { AbortError, printable } from '@ssh/wire'
import type { ConfigMachine, HostLookup } from '../config/ssh-config.js'
import { ConfigParseError } from '../errors.js'

export interface MachineOptions {
  /** Whether `Match exec` may run commands. */
  readonly mayExecute: boolean
  /** Ends a command that is running. */
  readonly signal?: AbortSignal | undefined
}

/** This machine. */
export function configMachine({ mayExecute, signal }: MachineOptions): ConfigMachine {
  const { username, uid } = userInfo()
  return {
    homeDirectory: homedir(),
    userName: username,
    userId: String(uid),
    hostName: hostname(),
    variables: process.env,
    localAddresses: () =>
      Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address)),
    lookUp: lookUpHost,
    ...(mayExecute && { execute: (command: string) => execute(command, signal) }),
  }
}

/** Address of a network interface to connect from; undefined when it has none. */
export function addressOfInterface(name: string, family: 4 | 6 | undefined): string | undefined {
  const addresses = Object.hasOwn(networkInterfaces(), name) ? (networkInterfaces()[name] ?? []) : []
  const usable = addresses.filter(({ scopeid }) => scopeid === undefined || scopeid === 0)
  return usable.find((each) => family === undefined || each.family === `IPv${family}`)?.address
}

/**
 * Runs a command in the user's shell, without input, and without anywhere to write to.
 * @returns whether it ended with status 0
 * @throws ConfigParseError when there is no shell, or the command was ended by a signal
 */
async function execute(command: string, signal: AbortSignal | undefined): Promise<boolean> {
  const shell = process.env.SHELL ?? '/bin/sh'
  const { status, endedBy } = await run(
    process.platform === 'win32'
      ? [process.env.ComSpec ?? 'cmd.exe', '/d', '/s', '/c', command]
      : [shell, '-c', command],
    0,
    signal,
  )
  if (endedBy !== undefined) throw new ConfigParseError(`"${printable(command, 256)}" was ended by ${endedBy}`)
  return status === 0
}

/** Largest output that is read, in bytes. */
const maximumOutput = 1024 * 1024

/**
 * Runs a program without a shell.
 * @returns what it wrote
 * @throws ConfigParseError when it cannot be run, ends with another status than 0, or writes more than any real one
 */
export async function outputOf(argv: readonly string[], signal?: AbortSignal): Promise<string> {
  const { output, status, endedBy } = await run(argv, maximumOutput, signal)
  if (status === 0) return output
  const how = endedBy === undefined ? `ended with status ${status}` : `was ended by ${endedBy}`
  throw new ConfigParseError(`${printable(argv[0] ?? '', 256)} ${how}`)
}

interface Outcome {
  readonly status: number | null
  readonly endedBy: string | undefined
  readonly output: string
}

/** @param limit bytes of output that are read; 0: none is wanted */
function run(argv: readonly string[], limit: number, signal: AbortSignal | undefined): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new AbortError(signal.reason)
    const [program = '', ...args] = argv
    const child = spawn(program, args, { stdio: ['ignore', limit === 0 ? 'ignore' : 'pipe', 'ignore'] })
    const output: Buffer[] = []
    let length = 0
    const end = (): void => void child.kill('SIGKILL')
    signal?.addEventListener('abort', end, { once: true })
    const settle = (action: () => void): void => {
      signal?.removeEventListener('abort', end)
      action()
    }
    const fail = (why: string, cause?: unknown): void => {
      const text = `${printable(program, 256)} ${why}`
      settle(() => reject(new ConfigParseError(text, cause === undefined ? {} : { cause })))
    }
    child.stdout?.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) output.push(chunk)
      else end()
    })
    child.once('error', (cause) => fail(`cannot be run: ${cause.message}`, cause))
    child.once('close', (status, endedBy) => {
      if (signal?.aborted) settle(() => reject(new AbortError(signal.reason)))
      else if (length > limit) fail(`wrote more than ${limit} bytes`)
      else settle(() => resolve({ status, endedBy: endedBy ?? undefined, output: Buffer.concat(output).toString() }))
    })
  })
}

const lookUpHost: HostLookup = async (host, wantsCanonicalName) => {
  try {
    await lookup(host)
  } catch {
    return undefined
  }
  return { canonicalName: wantsCanonicalName ? await canonicalName(host.replace(/\.$/, '')) : undefined }
}

/** Aliases in a row above which they are taken for a circle. */
const maximumAliases = 16

async function canonicalName(host: string): Promise<string | undefined> {
  let name = host
  for (let aliases = 0; aliases < maximumAliases; aliases++) {
    const [next] = await resolveCname(name).catch(() => [])
    if (next === undefined) break
    name = next
  }
  return name === host ? undefined : name
}
