/** What a worker process is told and what it answers: one JSON object each way. */

/** What is measured. */
export type CaseName =
  | 'exec-down'
  | 'exec-up'
  | 'sftp-get'
  | 'sftp-put'
  | 'small-files'
  | 'small-files-put'
  | 'scp-get'
  | 'scp-put'
  | 'connect'
  | 'exec-8'
  | 'many-hosts'
  | 'rtt-exec-down'
  | 'rtt-sftp-get'
  | 'rtt-sftp-put'
  | 'rtt-connect'
  | 'server-sftp-get'
  | 'server-sftp-put'

/** Who is measured. */
export type PeerName = 'ours' | 'openssh' | 'ssh2'

/** The server of a case, reached directly or through the delaying proxy. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly keyFile: string
  /** `type base64`, one for each host key. */
  readonly hostKeys: readonly string[]
}

/** One measurement. */
export interface Job {
  readonly case: CaseName
  readonly target: Target
  /** The one cipher everybody uses, so that ciphers are not what is compared. */
  readonly cipher: string
  /** Ports of the servers of `many-hosts`, whose host key is the only one of `target`; empty in other cases. */
  readonly ports: readonly number[]
  /** Bytes of the large file. */
  readonly size: number
  /** Files, connections or commands. */
  readonly count: number
  /** The large file, readable by the server's user; also what is sent up. */
  readonly sourceFile: string
  /** A folder with `count` small files. */
  readonly sourceFolder: string
  /** An empty folder that both sides may write to. */
  readonly scratch: string
}

export interface Measurement {
  /** Bytes, files, connections or commands; the unit is the case's. */
  readonly amount: number
  readonly seconds: number
  readonly cpuSeconds: number
  /** The most memory held, in bytes. */
  readonly peakMemory: number
}
