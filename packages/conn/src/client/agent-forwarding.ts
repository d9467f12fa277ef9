/** Lending our agent to a server: which one, and to which sessions. */

import { fromDuplex } from '@ssh/streams'
import { type AgentFilter, relayAgent } from '../agent/agent-relay.js'
import type { Incoming } from '../connection/incoming.js'
import { AgentForward, type AgentGrant, type AgentJoin } from '../forwarding/agent-forward.js'
import type { SessionClient } from '../session/session-client.js'
import type { AgentSource } from './agent-options.js'
import { agentTransport } from './agent-source.js'

/** What the options of `connect` say. */
export interface AgentForwardingDefaults {
  readonly agentPath?: AgentSource | null | undefined
  readonly agentForwarding?: boolean | string | undefined
  readonly agentFilter?: AgentFilter | undefined
}

export class AgentForwarding {
  readonly #forward: AgentForward
  /** For sessions that do not say it themselves. */
  defaults: AgentForwardingDefaults = {}

  constructor(incoming: Incoming) {
    this.#forward = new AgentForward(incoming)
  }

  /**
   * @param wanted undefined: as the connection's options say; true: their agent; text: the agent at that path
   * @returns undefined when it is not wanted, or there is no agent
   */
  grantTo(session: Pick<SessionClient, 'closed'>, wanted: boolean | string | undefined): AgentGrant | undefined {
    const { agentPath, agentForwarding = false, agentFilter } = this.defaults
    const asked = wanted ?? agentForwarding
    if (asked === false) return undefined
    const own = typeof agentForwarding === 'string' ? agentForwarding : agentPath
    const transport = agentTransport(asked === true ? own : asked)
    if (transport === undefined) return undefined
    const join: AgentJoin = (channel, agent) => relayAgent(channel, agent, sparing(agentFilter))
    const grant = this.#forward.grant(async () => fromDuplex(await transport.connect()), join)
    void session.closed.then(() => grant.revoke())
    return grant
  }
}

/**
 * Whoever borrows an agent has no business with the libraries of its machine: they run as its user (CVE-2023-38408). The
 * agent of OpenSSH refuses them to those whom it knows to be elsewhere, which takes more than a connection to tell it.
 */
function sparing(filter: AgentFilter = () => true): AgentFilter {
  return (request) => !request.loadsLibrary && filter(request)
}
