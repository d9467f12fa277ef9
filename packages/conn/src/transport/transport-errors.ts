/** Errors that tell where a connection stood, and what a peer may be told of an error. */

import {
  connectionMessages,
  disconnectReasons,
  printable,
  reasonName,
  SshError,
  transportMessages,
  userauthMessages,
  WireError,
} from '@ssh/wire'
import { ConnectionLost, KeyExchangeFailed, ProtocolError } from '../errors.js'
import type { Phase } from './phases.js'
import type { Role } from './role.js'

/** How people call a phase. */
const phaseTitles: Readonly<Record<Phase, string>> = {
  kexInit: 'before the key exchange',
  exchange: 'during the first key exchange',
  strictExchange: 'during the first key exchange, which is strict',
  newKeys: 'right after the first key exchange',
  service: 'before a service was requested',
  auth: 'during authentication',
  authEnding: 'between EXT_INFO and the end of authentication',
  open: 'after authentication',
  rekey: 'during a key exchange',
}

/** A message that is not legal now. */
export function unexpectedMessage(number: number, phase: Phase, role: Role): ProtocolError {
  const sets = [transportMessages, userauthMessages, connectionMessages]
  const name = sets.map((set) => set.get(number)?.name).find((found) => found !== undefined)
  const peer = role === 'client' ? 'server' : 'client'
  return new ProtocolError(
    'ERR_SSH_TRANSPORT_UNEXPECTED_MESSAGE',
    `The ${peer} sent ${name === undefined ? 'message' : `${name}, message`} number ${number}, ` +
      `which it must not send ${phaseTitles[phase]}`,
    { details: { number, ...(name !== undefined && { name }), phase } },
  )
}

/** The peer's bytes ended without a goodbye. */
export function connectionLost(phase: Phase | 'identification', role: Role): ConnectionLost {
  const details = { phase }
  if (phase !== 'identification') {
    const when = phaseTitles[phase]
    return new ConnectionLost('ERR_SSH_CONNECTION_LOST', `The peer closed the connection ${when}, without a reason`, {
      details,
    })
  }
  const hint =
    role === 'client'
      ? 'It may limit connections (sshd: MaxStartups, PerSourcePenalties), refuse this address, or not be an SSH server'
      : 'It may be a port scan or a health check'
  return new ConnectionLost(
    'ERR_SSH_CONNECTION_LOST',
    `The peer closed the connection before it said which version of SSH it speaks. ${hint}`,
    { details },
  )
}

/** Whatever was thrown, as an error of this SDK that ends the connection: faults of this side fail closed. */
export function asSshError(error: unknown): SshError {
  if (SshError.isSshError(error)) return error
  return new ProtocolError(
    'ERR_SSH_TRANSPORT_INTERNAL',
    'This side met a fault of its own and gave up the connection',
    {
      cause: error,
      disconnectReason: disconnectReasons.byApplication,
    },
  )
}

/**
 * What the peer is told: faults it made, in full; of our own reasons the name alone, for they may speak of local files.
 * People read it: `ssh` prints it.
 */
export function publicDescription(error: SshError, reasonCode: number): string {
  const isTheirs = error instanceof ProtocolError || error instanceof KeyExchangeFailed || error instanceof WireError
  if (isTheirs) return printable(error.message)
  return reasonName(disconnectReasons, reasonCode).replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
}
