#!/usr/bin/env node
/**
 * `sftp-server`: serves the files of this machine on standard input and output, as a subsystem of an SSH server does,
 * with the options of OpenSSH's sftp-server(8).
 */

import { Socket } from 'node:net'
import { userInfo } from 'node:os'
import type { Writable } from 'node:stream'
import { printable } from '@ssh/wire'
import { auditFiles } from '../server/audit-files.js'
import type { SftpRequestEvent } from '../server/request-event.js'
import { requestNames } from '../server/request-names.js'
import { serveSftp } from '../server/serve-sftp.js'
import { SftpServer } from '../server/sftp-server.js'
import { Accounts } from './accounts.js'
import { parseCommandLine, type ServerSettings } from './command-line.js'
import { logLines } from './log-lines.js'
import { ServerLog } from './server-log.js'
import { StdioChannel } from './stdio-channel.js'

const usage = `usage: sftp-server [-ehR] [-d start_directory] [-f log_facility] [-l log_level]
\t[-P denied_requests] [-p allowed_requests] [-u umask]
       sftp-server -Q protocol_feature
`

/** Requests that only later versions of the protocol have; this program speaks 3. */
const laterRequests = ['link', 'block', 'unblock']

function main(): void {
  const line = parseCommandLine(process.argv.slice(2))
  if (line.kind === 'usage') {
    process.stderr.write(usage)
    process.exitCode = 1
  } else if (line.kind === 'serve') serve(line.settings)
  else if (line.feature.toLowerCase() === 'requests') {
    const names = requestNames.filter((name) => !laterRequests.includes(name))
    process.stdout.write(`${names.join('\n')}\n`)
  } else throw new Error('Invalid query type')
}

function serve(settings: ServerSettings): void {
  const { facility, level, logsToStderr, startDirectory, umask, ...gate } = settings
  const log = new ServerLog({ facility, level, toStderr: logsToStderr })
  const user = currentUser()
  const address = clientAddress()
  log.write({ level: 'INFO', text: `session opened for local user ${user.username} from [${address}]` })
  if (umask !== undefined) process.umask(umask)
  if (startDirectory !== undefined) goTo(startDirectory, user, log)
  const server = new MachineServer()
  const tell = (event: SftpRequestEvent): void => {
    for (const entry of logLines(event)) log.write(entry)
  }
  const handler = log.wants('INFO') ? auditFiles(server, tell) : server
  const session = serveSftp(new StdioChannel(process.stdin, standardOutput()), handler, {
    readOnly: gate.readOnly,
    deniedRequests: gate.deniedRequests,
    ...(gate.allowedRequests !== undefined && { allowedRequests: gate.allowedRequests }),
  })
  void session.closed.then(() => {
    log.write({ level: 'INFO', text: `session closed for local user ${user.username} from [${address}]` })
    log.end()
  })
}

/** The whole file system as the user's own program serves it, with every bit of a mode that the system allows. */
class MachineServer extends SftpServer {
  readonly #accounts = new Accounts()

  constructor() {
    // `~` is where the session starts, as for OpenSSH's.
    super({ modeMask: 0o7777, startDirectory: process.cwd() })
  }

  override formatUser(uid: number): string {
    return this.#accounts.userName(uid) ?? super.formatUser(uid)
  }

  override formatGroup(gid: number): string {
    return this.#accounts.groupName(gid) ?? super.formatGroup(gid)
  }

  override homeDirectory(username: string): string | undefined {
    return super.homeDirectory(username) ?? this.#accounts.homeDirectory(username)
  }
}

interface CurrentUser {
  readonly username: string
  readonly uid: number
  readonly homedir: string
}

function currentUser(): CurrentUser {
  try {
    return userInfo()
  } catch {
    // Nobody has this number: then there is neither a name nor a home.
    const uid = process.getuid?.() ?? -1
    return { username: String(uid), uid, homedir: '/' }
  }
}

/** Who is there, as sshd tells: the first word of `SSH_CONNECTION`. */
function clientAddress(): string {
  const connection = process.env.SSH_CONNECTION
  if (connection === undefined) return 'UNKNOWN'
  const [address, port] = connection.split(' ')
  if (port === undefined) throw new Error(`Malformed SSH_CONNECTION variable: "${printable(connection)}"`)
  return printable(address ?? '')
}

/** As OpenSSH's, a directory that is not there is logged, and relative paths start where the process did. */
function goTo(template: string, user: CurrentUser, log: ServerLog): void {
  const path = expandTokens(
    template.replace(/^~(?=\/|$)/, () => user.homedir),
    user,
  )
  try {
    process.chdir(path)
  } catch (error) {
    log.write({ level: 'ERROR', text: `chdir to "${printable(path)}" failed: ${printable((error as Error).message)}` })
  }
}

function expandTokens(path: string, { username, uid, homedir }: CurrentUser): string {
  const values = new Map([
    ['%', '%'],
    ['d', homedir],
    ['u', username],
    ['U', String(uid)],
  ])
  return path.replace(/%(.?)/g, (token, letter: string) => {
    const value = values.get(letter)
    if (value === undefined) throw new Error(`unknown token ${printable(token)} in the start directory`)
    return value
  })
}

/** process.stdout blocks on pipes, and a server that blocks cannot read: both sides could wait for each other. */
function standardOutput(): Writable {
  try {
    return new Socket({ fd: 1, readable: false })
  } catch {
    return process.stdout
  }
}

try {
  main()
} catch (error) {
  process.stderr.write(`sftp-server: ${(error as Error).message}\n${usage}`)
  process.exitCode = 1
}
