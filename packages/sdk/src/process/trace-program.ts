/** The tracing channel `ssh:exec`: what is told of a program on the server, and what is not. */

import { beginTrace, execChannel, type SessionClient, type StartOptions, type TracedConnection } from '@ssh/conn'
import { printable } from '@ssh/wire'

/** What is known when a program is asked for. */
interface AskedFor {
  readonly program: StartOptions['program']
  readonly hasPty: boolean
  readonly connection: (() => TracedConnection) | undefined
}

/**
 * Traces a program from the request to the end of its session.
 * @param started rejects when the server refuses
 */
export function traceProgram(started: Promise<unknown>, session: SessionClient, asked: AskedFor): void {
  const trace = beginTrace(execChannel, () => ({
    ...(asked.connection?.() ?? nowhere),
    program: asked.program.type === 'exec' ? firstWord(asked.program.command) : undefined,
    subsystem: asked.program.type === 'subsystem' ? asked.program.name : undefined,
    hasPty: asked.hasPty,
  }))
  if (trace === undefined) return
  let refusal: unknown
  started.catch((error: unknown) => {
    refusal = error
  })
  session.closed.then(() => {
    const { exitStatus, exitSignal } = session.exit
    const facts = { exitStatus, exitSignal: exitSignal === null ? null : printable(exitSignal.name, 64) }
    const error = refusal ?? session.closeError
    if (error === undefined) trace.succeed(facts)
    else trace.fail(error, facts)
  })
}

const nowhere: TracedConnection = { role: 'client', host: '', port: 0, username: '' }

/** The program's name, behind variables that are set for it. Everything else may be secret, also its arguments. */
function firstWord(command: string | Uint8Array): string | undefined {
  const text = typeof command === 'string' ? command : Buffer.from(command).toString('utf8')
  // A quoted value may hold blanks, so whatever is not plain ends the search.
  const [, word] = /^\s*(?:\w+=[\w./:@%+,-]*\s+)*([\w./@%+-]{1,64})(?=\s|;|$)/.exec(text) ?? []
  return word
}
