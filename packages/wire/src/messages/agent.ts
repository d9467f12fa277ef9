/** The agent protocol: draft-ietf-sshm-ssh-agent, OpenSSH PROTOCOL.agent. Each payload is framed by a uint32 length. */

import { list, repeated, struct } from '../codec.js'
import { ascii, byte, constant, rest, string, text, uint32, utf8 } from '../fields.js'
import { type MessagesOf, message, messageSet } from '../message.js'

/** One key an agent holds. */
export const agentIdentity = struct('identity', { publicKey: string, comment: text })

/** Requests, from the client of the agent. */
export const agentRequests = messageSet(
  message('requestIdentities', 11, 'draft-ietf-sshm-ssh-agent §3.5', {}),
  message('signRequest', 13, 'draft-ietf-sshm-ssh-agent §3.6', { publicKey: string, data: string, flags: uint32 }),
  message('addIdentity', 17, 'draft-ietf-sshm-ssh-agent §3.2', { keyType: ascii, keyData: rest }),
  message('removeIdentity', 18, 'draft-ietf-sshm-ssh-agent §3.4', { publicKey: string }),
  message('removeAllIdentities', 19, 'draft-ietf-sshm-ssh-agent §3.4', {}),
  message('addSmartcardKey', 20, 'draft-ietf-sshm-ssh-agent §3.2', { readerId: utf8, pin: string }),
  message('removeSmartcardKey', 21, 'draft-ietf-sshm-ssh-agent §3.4', { readerId: utf8, pin: string }),
  message('lock', 22, 'draft-ietf-sshm-ssh-agent §3.7', { passphrase: string }),
  message('unlock', 23, 'draft-ietf-sshm-ssh-agent §3.7', { passphrase: string }),
  message('addIdConstrained', 25, 'draft-ietf-sshm-ssh-agent §3.2', { keyType: ascii, keyData: rest }),
  message('addSmartcardKeyConstrained', 26, 'draft-ietf-sshm-ssh-agent §3.2', {
    readerId: utf8,
    pin: string,
    constraints: rest,
  }),
  message('extension', 27, 'draft-ietf-sshm-ssh-agent §3.8', { extensionType: ascii, contents: rest }),
)

/** Answers, from the agent. */
export const agentResponses = messageSet(
  message('failure', 5, 'draft-ietf-sshm-ssh-agent §3.1', {}),
  message('success', 6, 'draft-ietf-sshm-ssh-agent §3.1', {}),
  message('identitiesAnswer', 12, 'draft-ietf-sshm-ssh-agent §3.5', { identities: list(agentIdentity, 8) }),
  message('signResponse', 14, 'draft-ietf-sshm-ssh-agent §3.6', { signature: string }),
  message('extensionFailure', 28, 'draft-ietf-sshm-ssh-agent §3.8', {}),
  message('extensionResponse', 29, 'draft-ietf-sshm-ssh-agent §3.8', { extensionType: ascii, contents: rest }),
)

/** Flags of signRequest (§3.6.1): which hash an RSA key signs with. */
export const agentSignFlags = { rsaSha2_256: 2, rsaSha2_512: 4 } as const

/** Constraint types of addIdConstrained (§3.2.7). */
export const agentConstraints = { lifetime: 1, confirm: 2, extension: 255 } as const

/** One constraint; the layout of what follows depends on `constraintType`. */
export const agentConstraintType = struct('constraint', { constraintType: byte })

/** The agent forgets the key after so many seconds. */
export const agentLifetimeConstraint = struct('lifetime constraint', {
  constraintType: constant(byte, agentConstraints.lifetime),
  seconds: uint32,
})

/** The agent asks its user before each use of the key. */
export const agentConfirmConstraint = struct('confirm constraint', {
  constraintType: constant(byte, agentConstraints.confirm),
})

/** What the `query` extension answers: the names of all extensions the agent knows. */
export const agentExtensionNames = struct('extension names', { names: repeated(ascii) })

/** Answers to the `query` extension. With older agents, from before there was a message for it, names follow `success`. */
export const agentQueryResponses = messageSet(
  message('failure', 5, 'draft-ietf-sshm-ssh-agent §3.1', {}),
  message('success', 6, 'draft-miller-ssh-agent-04 §4.7.1', { contents: rest }),
  message('extensionFailure', 28, 'draft-ietf-sshm-ssh-agent §3.8', {}),
  message('extensionResponse', 29, 'draft-ietf-sshm-ssh-agent §3.8.1', { extensionType: ascii, contents: rest }),
)

export type AgentRequest = MessagesOf<typeof agentRequests>
export type AgentResponse = MessagesOf<typeof agentResponses>
