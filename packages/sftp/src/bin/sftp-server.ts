#!/usr/bin/env node
/** `sftp-server`: serves the files of this machine on standard input and output, as a subsystem of an SSH server does. */

import { Socket } from 'node:net'
import { homedir, userInfo } from 'node:os'
import type { Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { serveSftp } from '../server/serve-sftp.js'
import { SftpServer } from '../server/sftp-server.js'
import { StdioChannel } from './stdio-channel.js'

const usage = `usage: sftp-server [-hR] [-d start_directory]

  -d  where relative paths start; %d is the home directory, %u the user name, %% a percent sign
  -R  read-only: refuses everything that would change a file
  -h  shows this
`

function main(): void {
  const { start, readOnly, help } = parseArguments()
  if (help) {
    process.stdout.write(usage)
    return
  }
  if (start !== undefined) process.chdir(expandTokens(start))
  // As the user's own program: the whole file system, and every bit of a mode that the system allows.
  serveSftp(new StdioChannel(process.stdin, standardOutput()), new SftpServer({ modeMask: 0o7777 }), { readOnly })
}

function parseArguments(): { start: string | undefined; readOnly: boolean; help: boolean } {
  const { values } = parseArgs({
    options: {
      start: { type: 'string', short: 'd' },
      'read-only': { type: 'boolean', short: 'R', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return { start: values.start, readOnly: values['read-only'], help: values.help }
}

function expandTokens(path: string): string {
  return path.replace(/%(.?)/g, (token, letter: string) => {
    if (letter === '%') return '%'
    if (letter === 'd') return homedir()
    if (letter === 'u') return userInfo().username
    throw new Error(`Unknown token ${token} in the start directory; known are %d, %u and %%`)
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
