/** The way in for whoever wants to speak to an agent. */

import {
  type AgentClient,
  type AgentSource,
  abortSignal,
  agentSource,
  duration,
  openAgent,
  parseOptions,
} from '@ssh/conn'
import { z } from 'zod'

export const agentClientOptionsSchema = z.strictObject({
  /**
   * How long the agent may take to answer, after which its connection is given up; 0 is no limit. Signatures have none,
   * as an agent may ask its user first. Default 30 s.
   */
  timeout: duration.optional(),
  /** Gives up connecting. */
  signal: abortSignal.optional(),
})

/** Options of {@link connectAgent}. */
export type ConnectAgentOptions = z.input<typeof agentClientOptionsSchema>

const sourceSchema = z.strictObject({ path: agentSource.optional() })

/**
 * Connects to an SSH agent: to list its keys, to sign with them, to add and remove keys, to lock it.
 *
 * @param path its Unix socket or pipe, `'pageant'` for that of PuTTY on Windows, a function that connects to it, or a
 *   server's connection whose client lends one. Default: SSH_AUTH_SOCK, and on Windows the pipe of OpenSSH
 * @throws AgentError `ERR_SSH_AGENT_UNAVAILABLE` when there is no agent
 * @throws OptionsError, AbortError
 * @example
 * await using agent = await connectAgent()
 * for (const key of await agent.listKeys()) console.log(key.algorithm, key.getFingerprint(), key.comment)
 */
export async function connectAgent(path?: AgentSource, options: ConnectAgentOptions = {}): Promise<AgentClient> {
  const { path: source } = parseOptions('connectAgent', sourceSchema, { path })
  const { signal, timeout } = parseOptions('connectAgent', agentClientOptionsSchema, options)
  return await openAgent(source, { signal, timeoutMs: timeout })
}
