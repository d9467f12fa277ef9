/**
 * What the Python and Go peers are told and what they answer: one JSON object each way, the same for all of them, so
 * that one test runs against every one. The programs are in `peers/`.
 */

import type { ForeignServer } from './foreign-server.js'
import { makeKey, withoutComment } from './keys.js'
import { findPeer, peer } from './peers.js'
import { type ProgramOptions, runProgram, startProgram } from './program.js'
import { temporaryFolder } from './temporary-folder.js'

/** The SSH libraries of other languages. */
export const libraries = ['asyncssh', 'paramiko', 'go'] as const
export type Library = (typeof libraries)[number]

/** Algorithms to insist on, by SSH name; absent leaves the library's own choice. Not every library heeds each. */
export interface JobAlgorithms {
  readonly kex?: readonly string[]
  readonly ciphers?: readonly string[]
  readonly macs?: readonly string[]
  readonly hostKeyAlgorithms?: readonly string[]
}

/** One thing for a client to do after it has logged in. Bytes are base64. */
export type JobStep =
  | { readonly do: 'exec'; readonly command: string; readonly input?: string }
  /** Writes `data` to a file through SFTP, reads it back and removes it. */
  | { readonly do: 'sftp'; readonly path: string; readonly data: string }
  | { readonly do: 'list'; readonly path: string }
  /** Through a direct-tcpip channel: sends `input`, ends, and reads to the end. */
  | { readonly do: 'forward'; readonly host: string; readonly port: number; readonly input: string }

export interface JobStepResult {
  /** exec: what the command came to. */
  readonly status?: number | null
  readonly signal?: string | null
  readonly stdout?: string
  readonly stderr?: string
  /** sftp, forward: the bytes that came back. */
  readonly data?: string
  /** list */
  readonly names?: readonly string[]
}

export interface ClientJob extends JobAlgorithms {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password?: string
  readonly keyFile?: string
  /** `type base64`; the peer refuses every other host key. */
  readonly hostKey: string
  readonly steps: readonly JobStep[]
}

/** @returns the result of each step. @throws Error with what the program said when it failed */
export async function runClientJob(
  library: Library,
  job: ClientJob,
  options: ProgramOptions = {},
): Promise<JobStepResult[]> {
  const { status, stdout, stderr } = await runProgram([...argvOf(library), 'client'], {
    ...options,
    input: JSON.stringify(job),
  })
  if (status !== 0) throw new Error(`The ${library} client ended with ${status}:\n${stderr}`)
  return JSON.parse(stdout.toString())
}

/**
 * Starts the server of a library. It knows the commands `echo text`, `cat`, `sha256`, `stderr text`, `exit n`,
 * `signal NAME` and `env NAME`, and serves the files of this machine through SFTP.
 */
export async function startLibraryServer(library: Library, algorithms: JobAlgorithms = {}): Promise<ForeignServer> {
  const folder = temporaryFolder()
  try {
    const clientKey = await makeKey(folder.path, 'client', 'ed25519')
    const hostKey = await makeKey(folder.path, 'host', 'ed25519')
    const username = 'tester'
    const password = 'open sesame'
    const authorizedKey = withoutComment(clientKey.publicLine)
    const job = { ...algorithms, username, password, authorizedKey, hostKeyFile: hostKey.path }
    const program = startProgram([...argvOf(library), 'server', JSON.stringify(job)])
    const port = Number(await program.firstLine)
    const stop = async (): Promise<void> => {
      await program.stop()
      folder.remove()
    }
    return {
      host: '127.0.0.1',
      port,
      username,
      password,
      clientKey,
      hostKeys: [withoutComment(hostKey.publicLine)],
      folder: folder.path,
      log: program.log,
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    folder.remove()
    throw error
  }
}

/** Whether a library is absent: `describe.skipIf(lacksLibrary('go'))`. */
export function lacksLibrary(library: Library): boolean {
  return findPeer(library === 'go' ? 'go' : 'python') === undefined
}

function argvOf(library: Library): string[] {
  if (library === 'go') return [peer('go')]
  return [peer('python'), new URL(`../peers/${library}_peer.py`, import.meta.url).pathname]
}
