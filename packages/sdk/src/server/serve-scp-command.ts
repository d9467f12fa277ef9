/** Answers a client's scp with the files that SFTP serves. */

import type { SessionServer } from '@ssh/conn'
import { parseScpCommand, type ScpCommand, type SftpHandler, serveScp } from '@ssh/sftp'

/** The files of a session, and whether they may be changed. */
export interface ServedFiles {
  readonly handler: SftpHandler<unknown>
  readonly readOnly: boolean
}

/**
 * What runs a command if it is one of scp's.
 * @param command what the client asks for, or what the server runs in its place
 * @param openFiles as for SFTP
 * @returns undefined for any other command
 */
export function scpRunner(
  command: Uint8Array | string,
  openFiles: () => Promise<ServedFiles>,
): ((session: SessionServer) => Promise<void>) | undefined {
  const parsed = parseScpCommand(command)
  return parsed && ((session) => run(session, parsed, openFiles))
}

async function run(session: SessionServer, command: ScpCommand, openFiles: () => Promise<ServedFiles>): Promise<void> {
  const { handler, readOnly } = await openFiles()
  session.exit(await serveScp(session.channel, handler, command, { readOnly }))
}
