/** Options of a client about agents: which one, and what it is used for. */

import type { Duplex } from 'node:stream'
import type { PublicKey } from '@ssh/crypto'
import { z } from 'zod'
import type { AgentFilter } from '../agent/agent-relay.js'
import { bytes, callback, objectWith } from '../options-schema.js'

/** Connects to an agent: the stream is closed when it is not needed any more. */
export type AgentConnector = () => Duplex | Promise<Duplex>

/** Somebody who forwards an agent to us: a server's connection, or a process that runs on it. */
export interface AgentForwarder {
  openAgentConnection(options: { readonly signal?: AbortSignal | undefined }): Promise<Duplex>
}

/** Where an agent is: a path, `pageant`, a function that connects to it, or whoever forwards one. */
export type AgentSource = string | AgentConnector | AgentForwarder

/** A key to look for in an agent: the path of a public or private key file, the text or bytes of one, or a key. */
export type AgentIdentity = string | Uint8Array | PublicKey | { readonly publicKey: PublicKey }

export const agentSource: z.ZodType<AgentSource, AgentSource> = z.union([
  z.string().min(1),
  callback<AgentConnector>(),
  objectWith<AgentForwarder>('a connection that forwards an agent', 'openAgentConnection'),
])

const identity: z.ZodType<AgentIdentity, AgentIdentity> = z.union([
  z.string().min(1),
  bytes,
  objectWith<PublicKey>('a public key', 'blob', 'algorithm'),
  objectWith<{ readonly publicKey: PublicKey }>('a key', 'publicKey'),
])

/** Fields of the client's option schema. */
export const agentOptions = {
  /**
   * Agent with keys to log in with: path of its socket or pipe, `'pageant'`, a function that connects to it, or a server's
   * connection whose client forwards one. Default: SSH_AUTH_SOCK, and on Windows the pipe of OpenSSH. `null`: none.
   */
  agentPath: z.union([agentSource, z.null()]).optional(),
  /**
   * Of the agent's keys only these, in this order: public key file(s), their text, or key objects. Servers count each
   * key that is offered as an attempt. Default: all, and none where `clientKeys` are given.
   */
  agentIdentities: z.union([identity, z.array(identity).readonly()]).optional(),
  /**
   * Offer only keys that `clientKeys` or `agentIdentities` name, or where neither is given those in ~/.ssh; the agent
   * signs with them, but its other keys are not offered. Default false.
   */
  identitiesOnly: z.boolean().optional(),
  /**
   * Lets commands on the server use our agent, that of `agentPath` or the one at a path of its own. Whoever controls
   * the server can log in elsewhere by it as long as a command runs. Default false.
   */
  agentForwarding: z.union([z.boolean(), z.string().min(1)]).optional(),
  /**
   * Asked about each request that comes from the server for an agent it was lent; only true lets it through. Default:
   * all pass. Those that have the agent load a library of its machine never do, and nobody is asked about them.
   */
  agentFilter: callback<AgentFilter>().optional(),
} as const
