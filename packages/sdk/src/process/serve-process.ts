/** Answers one session of a client: decides what it may have and runs a handler in it. */

import type { Decision, Program, Pty, SessionServer, SessionServerHandlers, X11Request } from '@ssh/conn'
import {
  type ImposedSettings,
  ServerProcessEventsSource,
  type ServerProcessInfo,
  SshServerProcess,
} from './server-process.js'

export interface ServeProcessOptions<Info extends object = ServerProcessInfo> extends ImposedSettings {
  /** What `process.info` is. */
  readonly info: Info
  /** Runs commands, shells, and subsystems that are not in `subsystems`, except `sftp`. Absent: they are refused. */
  readonly handler?: ((process: SshServerProcess<Info>) => unknown) | undefined
  /** Runs a subsystem on the session itself, which nobody has attached to yet. */
  readonly subsystems?: ReadonlyMap<string, (session: SessionServer) => unknown> | undefined
  /** Runs a command on the session itself, as a subsystem; undefined leaves it to `handler`. */
  readonly commandRunner?:
    | ((command: Uint8Array | string) => ((session: SessionServer) => unknown) | undefined)
    | undefined
  /** Runs in place of whatever the client asks for, subsystems too; `internal-sftp` means our own, as in OpenSSH. */
  readonly forcedCommand?: string | undefined
  /** Whether a program may start, when there is something to run for it. Default: yes. */
  readonly acceptProgram?: ((program: Program) => Decision) | undefined
  /** Whether the client gets a terminal. Default: yes. */
  readonly acceptPty?: ((pty: Pty) => Decision) | undefined
  /** Whether the client may set a variable. Default: yes; nothing but the handler sees it. */
  readonly acceptEnv?: ((name: string, value: Uint8Array) => Decision) | undefined
  /** Whether the client may lend its agent. Default: what the connection allows. */
  readonly onAgentForwarding?: ((session: SessionServer) => Decision) | undefined
  /** Whether the client's display may be used. Default: no. */
  readonly onX11?: ((session: SessionServer, request: X11Request) => Decision) | undefined
  /** A handler, a key's handler or a decision threw or rejected. The session ends with status 1; the connection goes on. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/** The forced command that stands for our own SFTP server. */
const internalSftp = /^internal-sftp(?:\s|$)/

/**
 * Serves one session.
 * @param accept opens it: `SessionRequest.accept`, or a `SessionServer` on a channel that was just accepted
 * @returns the protocol's half of the session, already listening
 */
export function serveProcess<Info extends object = ServerProcessInfo>(
  accept: (handlers: SessionServerHandlers) => SessionServer,
  options: ServeProcessOptions<Info>,
): SessionServer {
  const { info, handler, subsystems, forcedCommand, acceptProgram, onAgentForwarding, onError } = options
  const events = new ServerProcessEventsSource()

  const runHandler = async (): Promise<void> => {
    let remote: SshServerProcess<Info> | undefined
    try {
      remote = new SshServerProcess(session, events, info, options)
      await handler?.(remote)
    } catch (error) {
      onError?.(error)
      ;(remote ?? session).exit(1)
    }
  }
  const runSubsystem = async (run: (session: SessionServer) => unknown): Promise<void> => {
    try {
      await run(session)
    } catch (error) {
      onError?.(error)
      session.exit(1)
    }
  }
  /** What to run for a program, if anything does. */
  const runnerOf = (program: Program): (() => Promise<void>) | undefined => {
    const subsystem = subsystemOf(program, forcedCommand)
    if (subsystem !== undefined) {
      const run = subsystems?.get(subsystem)
      if (run !== undefined) return () => runSubsystem(run)
      // A client that asks for SFTP takes a handler's text for packets and says so in strange ways.
      if (subsystem === 'sftp') return undefined
    }
    const command = forcedCommand ?? (program.type === 'exec' ? program.command : undefined)
    const runCommand = command === undefined ? undefined : options.commandRunner?.(command)
    if (runCommand !== undefined) return () => runSubsystem(runCommand)
    return handler && runHandler
  }
  const start = (program: Program): Decision => {
    const run = runnerOf(program)
    if (run === undefined) return false
    const decided = (agreed: boolean): boolean => {
      // After the reply, which leaves before the next tick however long the decision took.
      if (agreed) process.nextTick(() => void (session.channel.isClosed || run()))
      return agreed
    }
    const decision = acceptProgram?.(program) ?? true
    return typeof decision === 'boolean' ? decided(decision) : decision.then(decided)
  }

  const session = accept({
    onPty: options.acceptPty ?? (() => true),
    onEnv: options.acceptEnv ?? (() => true),
    onShell: () => start({ type: 'shell' }),
    onExec: (command) => start({ type: 'exec', command }),
    onSubsystem: (name) => start({ type: 'subsystem', name }),
    ...(onAgentForwarding && { onAgentForwarding: () => onAgentForwarding(session) }),
    onX11: (request) => options.onX11?.(session, request) ?? false,
    onWindowChange: (size) => events.onWindowChange(size),
    onSignal: (name) => events.onSignal(name),
    onBreak: (lengthMs) => events.onBreak(lengthMs),
    ...(onError && { onHandlerError: onError }),
  })
  return session
}

/** Name of the subsystem to run; undefined for a command or a shell. */
function subsystemOf(program: Program, forcedCommand: string | undefined): string | undefined {
  if (forcedCommand !== undefined) return internalSftp.test(forcedCommand) ? 'sftp' : undefined
  return program.type === 'subsystem' ? program.name : undefined
}
