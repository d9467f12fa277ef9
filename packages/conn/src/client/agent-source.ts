/** From the option `agentPath` to a connection to that agent. */

import type { Duplex } from 'node:stream'
import { fromDuplex } from '@ssh/streams'
import { AbortError } from '@ssh/wire'
import { AgentClient } from '../agent/agent-client.js'
import { AgentError } from '../errors.js'
import { type AgentTransport, agentAt } from '../io/agent-socket.js'
import { schedule } from '../io/clock.js'
import type { AgentSource } from './agent-options.js'

/**
 * The way to an agent.
 * @param source undefined: that of this session of the user; null: none
 * @returns undefined when there is none
 */
export function agentTransport(source: AgentSource | null | undefined): AgentTransport | undefined {
  if (source === null) return undefined
  if (source === undefined || typeof source === 'string') return agentAt(source)
  if (typeof source === 'function') return { name: 'of agentPath', connect: (signal) => given(source, signal) }
  const connect = (signal: AbortSignal | undefined) => given(() => source.openAgentConnection({ signal }), signal)
  return { name: 'that is forwarded', connect }
}

/**
 * Connects to an agent.
 * @param source as for {@link agentTransport}
 * @throws AgentError `ERR_SSH_AGENT_UNAVAILABLE`; `cause` is the system's error, or what a function threw
 * @throws AbortError
 */
export async function openAgent(
  source: AgentSource | null | undefined,
  options: { readonly signal?: AbortSignal | undefined; readonly timeoutMs?: number | undefined } = {},
): Promise<AgentClient> {
  const { signal, timeoutMs } = options
  const transport = agentTransport(source)
  if (transport === undefined) {
    const why = source === null ? 'agentPath is null' : 'SSH_AUTH_SOCK is not set; start one with: eval "$(ssh-agent)"'
    throw new AgentError('ERR_SSH_AGENT_UNAVAILABLE', `There is no agent: ${why}`)
  }
  const stream = await transport.connect(signal)
  return new AgentClient(fromDuplex(stream), { schedule, ...(timeoutMs !== undefined && { timeoutMs }) })
}

/** What the user's code gives may come late, or be something else. */
async function given(make: () => Duplex | Promise<Duplex>, signal: AbortSignal | undefined): Promise<Duplex> {
  if (signal?.aborted) throw new AbortError(signal.reason)
  let stream: Duplex
  try {
    stream = await make()
  } catch (cause) {
    if (cause instanceof AbortError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new AgentError('ERR_SSH_AGENT_UNAVAILABLE', `The agent of agentPath cannot be reached: ${why}`, { cause })
  }
  if (typeof stream?.write !== 'function' || typeof stream.destroy !== 'function') {
    throw new AgentError('ERR_SSH_AGENT_UNAVAILABLE', 'The function of agentPath returned no duplex stream')
  }
  if (!signal?.aborted) return stream
  stream.destroy()
  throw new AbortError(signal.reason)
}
