/**
 * AsyncSSH, Paramiko and Go's SSH as test peers: one program each (`peers/`), which lives as long as a test file and is
 * told what to do. Calls and answers are one JSON object per line, on its standard input and output:
 *
 *     {"id": 1, "call": "connect", "with": {…}}
 *     {"id": 1, "result": {…}}   or   {"id": 1, "error": {"kind": "auth", "message": "…"}}
 *
 * Calls run side by side. The program leaves when its input ends.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { atExit } from './at-exit.js'
import type { Library } from './libraries.js'

/** Algorithms to insist on, by SSH name; absent leaves the library's own choice. */
export interface LibraryAlgorithms {
  readonly kex?: readonly string[]
  readonly ciphers?: readonly string[]
  readonly macs?: readonly string[]
  /** Signature algorithms of users' keys: what a server announces and takes, what a client signs with. */
  readonly signatures?: readonly string[]
  /** Change keys after this many bytes. */
  readonly rekeyBytes?: number
}

/** One round of keyboard-interactive, with the answers that are right. */
export interface KeyboardRound {
  readonly name: string
  readonly instructions: string
  readonly prompts: readonly { readonly prompt: string; readonly echo: boolean }[]
  readonly answers: readonly string[]
}

/** A server to start. What is absent lets nobody in. */
export interface LibraryServerOptions extends LibraryAlgorithms {
  readonly hostKeyFiles: readonly string[]
  readonly username: string
  readonly password?: string
  /** AsyncSSH: right, but to be changed to `password`. */
  readonly expiredPassword?: string
  /** `type base64` of each key that is let in. */
  readonly authorizedKeys?: readonly string[]
  readonly rounds?: readonly KeyboardRound[]
  /** Go, Paramiko: the key first, then the password. */
  readonly requiresBoth?: boolean
  readonly banner?: string
  /** Go: files are in memory, behind pkg/sftp's request server. */
  readonly filesInMemory?: boolean
  /** AsyncSSH: serves SCP from the files of SFTP. */
  readonly allowScp?: boolean
  /** AsyncSSH: listens for its clients, and connects them to Unix sockets. */
  readonly forwards?: boolean
  /** AsyncSSH: latest version of SFTP. Default 3. */
  readonly sftpVersion?: number
  /** AsyncSSH: clients may lock ranges of files. */
  readonly sftpLocks?: boolean
}

/** A client to start. */
export interface LibraryClientOptions extends LibraryAlgorithms {
  readonly port: number
  readonly username: string
  readonly password?: string
  /** AsyncSSH: what to change an expired password to. */
  readonly newPassword?: string
  readonly keyFile?: string
  readonly passphrase?: string
  /** Answers by prompt. */
  readonly answers?: Readonly<Record<string, string>>
  /** `type base64`; every other host key is refused. */
  readonly hostKey: string
  readonly hostKeyAlgorithms?: readonly string[]
}

/** What a client knows of its connection. */
export interface LibraryConnection {
  readonly connection: number
  readonly kex: string
  /** Client to server, server to client. */
  readonly ciphers: readonly [string, string]
  /** The same; empty, or the cipher's name, with an AEAD. */
  readonly macs: readonly [string, string]
  readonly serverVersion: string
  readonly banner: string
  /** What it was asked in keyboard-interactive. */
  readonly rounds: readonly Omit<KeyboardRound, 'answers'>[]
}

/** A command for a client to run. */
export interface LibraryCommand {
  readonly connection: number
  readonly command: string
  /** Base64. */
  readonly input?: string
  /** Send the input only when the output has come to its end. */
  readonly inputAfterOutput?: boolean
  readonly env?: Readonly<Record<string, string>>
  readonly pty?: { readonly term: string; readonly columns: number; readonly rows: number }
  /** Sent when the first line of output is there. */
  readonly resize?: { readonly columns: number; readonly rows: number }
  /** Name without `SIG`, sent when the first line of output is there. */
  readonly signal?: string
}

/** What became of a command. */
export interface LibraryCommandResult {
  readonly status: number | null
  readonly signal: string | null
  /** Base64. */
  readonly stdout: string
  readonly stderr: string
}

/** Random bytes that a client sent to a command, and what came back. */
export interface LibraryTransfer {
  /** SHA-256 in hex. */
  readonly sent: string
  readonly received: string
  readonly bytes: number
  /** Key exchanges of the connection so far, the first one included. */
  readonly keyExchanges: number
}

/** One step of an SFTP session. */
export type FileStep =
  | { readonly do: 'put'; readonly from: string; readonly path: string }
  | { readonly do: 'get'; readonly path: string; readonly to: string }
  | { readonly do: 'stat' | 'lstat' | 'list' | 'readlink' | 'realpath'; readonly path: string }
  | { readonly do: 'remove' | 'mkdir' | 'rmdir'; readonly path: string }
  | { readonly do: 'rename'; readonly path: string; readonly to: string }
  | { readonly do: 'symlink'; readonly target: string; readonly path: string }
  | { readonly do: 'chmod'; readonly path: string; readonly mode: number }
  | { readonly do: 'truncate'; readonly path: string; readonly size: number }
  | { readonly do: 'utime'; readonly path: string; readonly time: number }
  | { readonly do: 'posixRename' | 'link'; readonly path: string; readonly to: string }
  | { readonly do: 'statvfs'; readonly path: string }
  /** Adds to the end of a file. */
  | { readonly do: 'append'; readonly path: string; readonly data: string }
  /** Writes each part into a file that is there, then reads each, all at once where the library can. */
  | { readonly do: 'scatter'; readonly path: string; readonly parts: readonly FilePart[] }
  /** Writes files `0`, `1`, … with their names as content into a folder, then reads each, all at once where it can. */
  | { readonly do: 'spread'; readonly path: string; readonly count: number }
  /** A listing as bytes, and reading and removing by bytes; the path is in base64. */
  | { readonly do: 'listBytes' | 'readBytes' | 'removeBytes'; readonly path: string }

/** Some bytes of a file. */
export interface FilePart {
  readonly offset: number
  /** Base64. */
  readonly data: string
}

/** AsyncSSH: a method of its SFTP client, or of a file. */
export interface SftpStep {
  readonly method: string
  readonly arguments?: readonly unknown[]
  readonly options?: Readonly<Record<string, unknown>>
  /** Keeps what the method gives, a file, under this name. */
  readonly as?: string
  /** The method is one of the file that was kept under this name. */
  readonly on?: string
}

/** What a method gave, as JSON: attributes and names by the names of their fields; or the status it was refused with. */
export interface SftpStepResult {
  readonly value?: unknown
  readonly error?: number
  readonly message?: string
}

/** Outcome of one step: what it gave, or what kind of error. */
export interface FileStepResult {
  readonly error?: 'missing' | 'denied' | 'failure' | 'unsupported'
  readonly message?: string
  /** stat, lstat */
  readonly size?: number
  readonly mode?: number
  readonly mtime?: number
  /** list, sorted; listBytes, in base64 */
  readonly names?: readonly string[]
  /** scatter, spread, readBytes: what was read, in base64 */
  readonly data?: readonly string[]
  /** statvfs */
  readonly blocks?: number
  readonly blockSize?: number
  /** readlink, realpath */
  readonly path?: string
}

/** A path on the server of a connection, or here. */
type ScpSide = { readonly connection: number; readonly path: string } | { readonly path: string }

/** What a library has, whether it offers it by itself or not. */
interface KnownAlgorithms {
  readonly kex: readonly string[]
  readonly ciphers: readonly string[]
  readonly macs: readonly string[]
  readonly hostKeyAlgorithms: readonly string[]
}

/** Name of each call → what it takes and gives. */
interface Calls {
  algorithms: { with: object; gives: KnownAlgorithms }
  listen: { with: LibraryServerOptions; gives: { readonly port: number } }
  connect: { with: LibraryClientOptions; gives: LibraryConnection }
  /** AsyncSSH: connects to a client that waits, and serves it. */
  connectReverse: { with: LibraryServerOptions & { readonly port: number }; gives: object }
  /** AsyncSSH: waits for servers, on a free port. */
  listenReverse: {
    with: Omit<LibraryClientOptions, 'port'>
    gives: { readonly port: number; readonly listener: number }
  }
  /** AsyncSSH: the next connection of a server that came. */
  accepted: { with: { readonly listener: number }; gives: LibraryConnection }
  exec: { with: LibraryCommand; gives: LibraryCommandResult }
  /** Sends random bytes to a command, and ends its input; sending and receiving go on side by side. */
  transfer: {
    with: { readonly connection: number; readonly command: string; readonly bytes: number }
    gives: LibraryTransfer
  }
  files: {
    with: { readonly connection: number; readonly steps: readonly FileStep[] }
    gives: readonly FileStepResult[]
  }
  /** AsyncSSH: an SFTP session of some version. */
  sftpCalls: {
    with: { readonly connection: number; readonly version: number; readonly steps: readonly SftpStep[] }
    gives: { readonly version: number; readonly results: readonly SftpStepResult[] }
  }
  /** AsyncSSH: its scp, with what it could not copy. */
  scp: {
    with: {
      readonly sources: readonly ScpSide[]
      readonly destination: ScpSide
      readonly preserve?: boolean
      readonly recurse?: boolean
    }
    gives: { readonly errors: readonly string[] }
  }
  /** Through a direct-tcpip channel: sends `input`, ends, and reads to the end. */
  forward: {
    with: { readonly connection: number; readonly input: string } & (
      | { readonly host: string; readonly port: number }
      /** AsyncSSH: direct-streamlocal. */
      | { readonly path: string }
    )
    gives: { readonly data: string }
  }
  /** AsyncSSH: calls the method of a connection that forwards what connects to somewhere. */
  startForward: {
    with: {
      readonly connection: number
      readonly method: `forward_${'local' | 'remote'}_${'port' | 'path' | 'port_to_path' | 'path_to_port'}`
      readonly arguments: readonly (string | number)[]
    }
    gives: { readonly port: number; readonly forward: number }
  }
  stopForward: { with: { readonly forward: number }; gives: object }
  disconnect: { with: { readonly connection: number }; gives: object }
}

/** A call failed. */
export class LibraryError extends Error {
  /** `auth`: nobody was let in; `hostKey`: the wrong host key. */
  readonly kind: 'auth' | 'hostKey' | 'other'

  constructor(library: Library, call: string, { kind, message }: { kind: LibraryError['kind']; message: string }) {
    super(`${library} ${call}: ${message}`)
    this.kind = kind
  }
}

interface Pending {
  readonly call: string
  resolve(result: unknown): void
  reject(error: Error): void
}

/** A library's program while it runs. */
export class LibraryPeer {
  readonly library: Library
  readonly #child: ChildProcess
  readonly #gone: Promise<void>
  readonly #pending = new Map<number, Pending>()
  readonly #forget: () => void
  #nextId = 1
  #log = ''

  /** @param argv the program; see `startLibrary` */
  constructor(library: Library, argv: readonly string[]) {
    this.library = library
    const [command = '', ...args] = argv
    const child = spawn(command, args, { stdio: 'pipe' })
    this.#child = child
    child.stdin.on('error', () => {})
    child.stderr.on('data', (chunk: Buffer) => (this.#log += chunk))
    createInterface({ input: child.stdout }).on('line', (line) => this.#settle(line))
    this.#gone = new Promise((resolve) => {
      const gone = (what: string): void => {
        for (const { reject, call } of this.#pending.values()) reject(new Error(`${call}: ${what}:\n${this.#log}`))
        this.#pending.clear()
        resolve()
      }
      child.once('error', (error) => gone(`${command} cannot be run: ${error.message}`))
      child.once('close', (status, signal) => gone(`${library} ended with ${status ?? signal}`))
    })
    this.#forget = atExit(() => child.kill('SIGKILL'))
  }

  /** @throws LibraryError when the library says no; Error with its log when it is gone */
  call<C extends keyof Calls>(call: C, options: Calls[C]['with']): Promise<Calls[C]['gives']> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { call, resolve: (result) => resolve(result as Calls[C]['gives']), reject })
      this.#child.stdin?.write(`${JSON.stringify({ id, call, with: options })}\n`)
    })
  }

  /** Everything it has said on its standard error so far. */
  log(): string {
    return this.#log
  }

  /** Ends it in the middle of whatever it does (SIGKILL). */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone
    this.#forget()
  }

  /** Lets it leave. */
  async stop(): Promise<void> {
    this.#child.stdin?.end()
    await this.#gone
    this.#forget()
  }

  #settle(line: string): void {
    const { id, result, error } = JSON.parse(line)
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    if (error === undefined) pending.resolve(result)
    else pending.reject(new LibraryError(this.library, pending.call, error))
  }
}
