/** Where agents listen: Unix sockets, and on Windows the pipes of OpenSSH and of PuTTY's Pageant. */

import { readdir } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { userInfo } from 'node:os'
import type { Duplex } from 'node:stream'
import { AbortError, printable, SshError } from '@ssh/wire'
import { AgentError } from '../errors.js'
import { expandHome } from './files.js'

/** A way to an agent. */
export interface AgentTransport {
  /** For errors: which agent it is. */
  readonly name: string
  /**
   * Makes a connection of its own.
   * @throws AgentError `ERR_SSH_AGENT_UNAVAILABLE` when there is no agent; `cause` is the system's error
   * @throws AbortError
   */
  connect(signal?: AbortSignal): Promise<Duplex>
}

/** What of the operating system this file uses. */
export interface AgentPlatform {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  userName(): string
  /** Names in a folder. @throws Error the system's */
  listFolder(path: string): Promise<readonly string[]>
  /** Connects to a socket or pipe. @throws Error the system's, or the signal's reason */
  connect(path: string, signal: AbortSignal | undefined): Promise<Duplex>
}

/** The agent of OpenSSH for Windows. */
const windowsPipe = '\\\\.\\pipe\\openssh-ssh-agent'
/** The folder of all named pipes. */
const pipeFolder = '\\\\.\\pipe\\'

/**
 * An agent by its path: a Unix socket or a pipe, or `pageant`, on Windows, for that of PuTTY (0.78 and later).
 * @param path `~/` is the home directory. Default: SSH_AUTH_SOCK; on Windows without it, OpenSSH's pipe
 * @returns undefined when no path is given and none is known
 */
export function agentAt(path?: string, platform: AgentPlatform = thisMachine): AgentTransport | undefined {
  const found = path ?? (platform.env.SSH_AUTH_SOCK || (platform.platform === 'win32' ? windowsPipe : undefined))
  if (found === undefined) return undefined
  if (found === 'pageant') return pageant(platform)
  const expanded = expandHome(found)
  return { name: printable(found), connect: (signal) => open(expanded, platform, signal) }
}

/**
 * Pageant listens at `\\.\pipe\pageant.<user>.<hash>`, and the hash is made with a key that only Windows has: the pipe is
 * found by looking through all of them.
 */
function pageant(platform: AgentPlatform): AgentTransport {
  return {
    name: 'pageant',
    async connect(signal) {
      if (platform.platform !== 'win32') {
        throw unavailable('pageant', 'its pipe is there on Windows only; elsewhere its socket is in SSH_AUTH_SOCK')
      }
      const prefix = `pageant.${platform.userName()}.`.toLowerCase()
      const names = await platform.listFolder(pipeFolder).catch((cause: unknown) => {
        throw unavailable('pageant', 'the pipes of this machine cannot be listed', cause)
      })
      const name = names.find((candidate) => candidate.toLowerCase().startsWith(prefix))
      if (name === undefined)
        throw unavailable('pageant', `no pipe is called ${prefix}…; is Pageant 0.78 or later running?`)
      return open(`${pipeFolder}${name}`, platform, signal)
    },
  }
}

async function open(path: string, platform: AgentPlatform, signal: AbortSignal | undefined): Promise<Duplex> {
  if (signal?.aborted) throw abortReason(signal)
  try {
    return await platform.connect(path, signal)
  } catch (error) {
    if (signal?.aborted) throw abortReason(signal)
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    throw unavailable(
      printable(path),
      hints.get(code) ?? (error instanceof Error ? error.message : String(error)),
      error,
    )
  }
}

const hints = new Map([
  ['ENOENT', 'nothing is there; is the agent running?'],
  ['ECONNREFUSED', 'nothing listens there any more; is the agent running?'],
  ['EACCES', 'this user may not use it'],
  ['ENOTSOCK', 'that is no socket'],
])

function unavailable(agent: string, why: string, cause?: unknown): AgentError {
  return new AgentError('ERR_SSH_AGENT_UNAVAILABLE', `The agent at ${agent} cannot be reached: ${why}`, {
    details: { agent },
    ...(cause !== undefined && { cause }),
  })
}

function abortReason(signal: AbortSignal): SshError {
  return SshError.isSshError(signal.reason) ? signal.reason : new AbortError(signal.reason)
}

const thisMachine: AgentPlatform = {
  platform: process.platform,
  env: process.env,
  userName: () => userInfo().username,
  listFolder: (path) => readdir(path),
  connect: (path, signal) =>
    new Promise((resolve, reject) => {
      const socket = createConnection({ path, allowHalfOpen: true })
      const release = () => {
        signal?.removeEventListener('abort', onAbort)
        socket.off('error', onError).off('connect', onConnect)
      }
      const onAbort = () => fail(signal?.reason)
      const onError = (error: Error) => fail(error)
      const onConnect = () => {
        release()
        resolve(socket)
      }
      const fail = (error: unknown) => {
        release()
        // An error that comes after we gave up has nobody left to hear it.
        socket.on('error', () => {})
        socket.destroy()
        reject(error)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      socket.once('error', onError).once('connect', onConnect)
    }),
}
