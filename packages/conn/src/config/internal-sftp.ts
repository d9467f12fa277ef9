/** What `internal-sftp` is told by its options: in ForceCommand, in Subsystem, in the command of a key. sftp-server(8). */

import { printable } from '@ssh/wire'
import { ConfigParseError } from '../errors.js'
import { splitWords } from './config-line.js'

/** How files are served. */
export interface InternalSftp {
  /** `-R`: nothing is changed. */
  readonly readOnly: boolean
  /** `-u`: bits that no file gets; undefined: not said. */
  readonly umask: number | undefined
  /** `-d`: where relative paths start, as the client sees it; undefined: not said, or only known by its tokens. */
  readonly startDirectory: string | undefined
}

/** Options with a value that say something about a log. */
const aboutLogs = new Set(['-f', '-l'])

/**
 * Reads a command that stands for our own SFTP server.
 * @returns undefined for any other command
 * @throws ConfigParseError for an option that is not followed here: leaving it out would allow more
 */
export function parseInternalSftp(command: string): InternalSftp | undefined {
  return /^internal-sftp(?:\s|$)/.test(command) ? parseOptions(command) : undefined
}

/**
 * The same for the command of Subsystem, where OpenSSH's program means what `internal-sftp` does.
 * @throws ConfigParseError as {@link parseInternalSftp}
 */
export function parseSftpSubsystem(command: string): InternalSftp | undefined {
  const [program = ''] = splitWords(command) ?? []
  return /^(?:internal-sftp|.*\/sftp-server)$/.test(program) ? parseOptions(command) : undefined
}

function parseOptions(command: string): InternalSftp {
  const refuse = (why: string): never => {
    throw new ConfigParseError(
      `"${printable(command, 256)}": ${why}; internal-sftp is known here with -R, -u, -d, -e, -f and -l`,
    )
  }
  const [, ...words] = splitWords(command) ?? refuse('a quote is not closed')
  let sftp: InternalSftp = { readOnly: false, umask: undefined, startDirectory: undefined }
  while (words.length > 0) {
    const option = words.shift() ?? ''
    if (option === '-R') sftp = { ...sftp, readOnly: true }
    else if (option !== '-e') {
      const value = words.shift()
      if (value === undefined) return refuse(`"${printable(option, 64)}" is not followed`)
      if (option === '-u' && /^[0-7]{1,4}$/.test(value)) sftp = { ...sftp, umask: Number.parseInt(value, 8) & 0o777 }
      else if (option === '-d') sftp = { ...sftp, ...(value.includes('%') ? {} : { startDirectory: value }) }
      else if (!aboutLogs.has(option)) return refuse(`"${printable(option, 64)}" is not followed`)
    }
  }
  return sftp
}
