/** What ssh_config says of all sessions of a connection, beneath what the options say. */

import type { ConfiguredSessions } from '@ssh/conn'
import type { SessionDefaults } from '../process/create-process.js'

/** Variables add up, and those of the options go first; of X11 what the options say. */
export function withConfigured(defaults: SessionDefaults, sessions: ConfiguredSessions | undefined): SessionDefaults {
  if (sessions === undefined) return defaults
  return {
    ...defaults,
    env: { ...sessions.env, ...defaults.env },
    sendEnv: [...sessions.sendEnv, ...[defaults.sendEnv ?? []].flat()],
    x11Forwarding: defaults.x11Forwarding ?? (sessions.forwardsX11 ? 'ignore-failure' : undefined),
    configured: sessions,
  }
}
