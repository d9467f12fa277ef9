/** Where agents listen: Unix sockets, and on Windows the pipes of OpenSSH and of PuTTY's Pageant. */

import { readdir } from 'node:fs/promises'
import { userInfo } from 'node:os'
import type { Duplex } from 'node:stream'
import { AbortError, printable, SshError } from '@ssh/wire'
import { AgentError } from '../errors.js'
import { connectStream } from './connect-stream.js'
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
  try {
    return await platform.connect(path, signal)
  } catch (error) {
    if (error instanceof AbortError || signal?.aborted) throw error
    const { systemCode } = SshError.isSshError(error) ? error.details : { systemCode: undefined }
    const hint = systemCode === 'ENOENT' || systemCode === 'ECONNREFUSED' ? '; is the agent running?' : ''
    throw unavailable(printable(path), `${error instanceof Error ? error.message : String(error)}${hint}`, error)
  }
}

function unavailable(agent: string, why: string, cause?: unknown): AgentError {
  return new AgentError('ERR_SSH_AGENT_UNAVAILABLE', `The agent at ${agent} cannot be reached: ${why}`, {
    details: { agent },
    ...(cause !== undefined && { cause }),
  })
}

const thisMachine: AgentPlatform = {
  platform: process.platform,
  env: process.env,
  userName: () => userInfo().username,
  listFolder: (path) => readdir(path),
  connect: (path, signal) => connectStream({ path }, signal),
}
