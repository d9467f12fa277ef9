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
    const join: AgentJoin | undefined = agentFilter && ((channel, agent) => relayAgent(channel, agent, agentFilter))
    const grant = this.#forward.grant(async () => fromDuplex(await transport.connect()), join)
    void session.closed.then(() => grant.revoke())
    return grant
  }
}
