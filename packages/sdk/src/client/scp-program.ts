/** A remote scp: starts it on a session, and tells what became of it. */

import { SftpError } from '@ssh/sftp'
import { AbortError, type ByteChannel, printable } from '@ssh/wire'
import { environmentOf } from '../process/environment.js'
import { traceProgram } from '../process/trace-program.js'
import { type RemoteScp, remoteScpCommand } from './scp-command.js'
import type { SshClientConnection } from './ssh-client-connection.js'

export interface RemoteScpEnding {
  readonly signal: AbortSignal | undefined
  /** Whether the protocol alone tells that nothing is missing; else the program's status is needed. */
  readonly isComplete: boolean
}

/** Bytes of a program's error output that are kept. */
const keptErrors = 4096

/**
 * Starts a remote scp, and does something with its standard input and output.
 * @param onError the caller's; absent: the first error ends the copying
 * @param work the protocol, with an `onError` of its own to give on
 * @throws what `work` throws; SftpError `ERR_SFTP_REMOTE_PROGRAM` when the program is why
 * @throws ChannelOpenError, ChannelError when the server runs no commands; AbortError
 */
export async function runRemoteScp(
  conn: SshClientConnection,
  command: RemoteScp,
  { signal, isComplete }: RemoteScpEnding,
  onError: ((error: Error) => void) | undefined,
  work: (channel: ByteChannel, onError: ((error: Error) => void) | undefined) => Promise<void>,
): Promise<void> {
  const program = { type: 'exec', command: remoteScpCommand(command) } as const
  const { env, sendEnv, connection } = conn.sessionDefaults
  const session = await conn.openSessionChannel({ signal })
  let stderr = ''
  session.stderr.attach({
    onData: (chunk) => {
      if (stderr.length < keptErrors) stderr += Buffer.from(chunk).toString('utf8')
      session.stderr.release(chunk.length)
    },
  })
  let hasFailures = false
  const countingOnError =
    onError &&
    ((error: Error): void => {
      hasFailures = true
      onError(error)
    })
  const started = session.start({ program, env: Object.entries(environmentOf(env, sendEnv)), signal })
  traceProgram(started, session, { program, hasPty: false, connection })
  // The protocol begins without waiting for the answer: it costs no further round trip.
  const [outcome, start] = await Promise.allSettled([work(session.channel, countingOnError), started])
  if (start.status === 'rejected') {
    session.abort()
    throw start.reason
  }
  await session.closed
  const { exitStatus, exitSignal } = session.exit
  const failed = exitStatus === null ? exitSignal !== null || !isComplete : exitStatus !== 0
  if (outcome.status === 'rejected') {
    const error: unknown = outcome.reason
    if (!isBroken(error) || (!failed && stderr === '')) throw error
    throw programFailed(session.exit, stderr, error)
  }
  if (signal?.aborted && exitStatus === null) throw new AbortError(signal.reason)
  // What was copied and what was not is known: its status says no more.
  if (failed && !hasFailures) throw programFailed(session.exit, stderr, session.closeError)
}

/** Whether an error is about the end of the protocol, of which the program may know the reason. */
function isBroken(error: unknown): boolean {
  return error instanceof SftpError && ['ERR_SFTP_CONNECTION_LOST', 'ERR_SFTP_PROTOCOL'].includes(error.code)
}

function programFailed(
  {
    exitStatus,
    exitSignal,
  }: { readonly exitStatus: number | null; readonly exitSignal: { readonly name: string } | null },
  stderr: string,
  cause: unknown,
): SftpError {
  const how =
    exitStatus !== null
      ? `ended with status ${exitStatus}`
      : exitSignal !== null
        ? `was ended by the signal ${printable(exitSignal.name, 64)}`
        : 'ended without a status; not everything may be here'
  const said = printable(stderr.trim(), 512)
  const hint =
    exitStatus === 127 || exitStatus === 126 ? '. Is scp installed there? Where it is not, SFTP may be served' : ''
  const error = new SftpError(
    'ERR_SFTP_REMOTE_PROGRAM',
    `The remote scp ${how}${said === '' ? '' : `: ${said}`}${hint}`,
    {
      serverText: stderr,
      details: { exitStatus, exitSignal: exitSignal?.name ?? null, stderr: said },
      ...(cause !== undefined && { cause }),
    },
  )
  if (cause instanceof SftpError) Object.assign(error, { srcpath: cause.srcpath, dstpath: cause.dstpath })
  return error
}
