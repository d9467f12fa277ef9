/** What ssh_config says that is no option of a connection: how its sessions begin, and what it forwards. */

import type { ForwardSpec } from '../config/forward-spec.js'

/** What holds for sessions, unless their own options say otherwise. */
export interface ConfiguredSessions {
  /** SetEnv. */
  readonly env: Readonly<Record<string, string>>
  /** SendEnv: names of this process's variables, with wildcards. */
  readonly sendEnv: readonly string[]
  /** RemoteCommand, for sessions that are opened without a command; with SessionType `subsystem` it names one. */
  readonly command: string | undefined
  readonly subsystem: string | undefined
  /** RequestTTY: always, where our own terminal is lent, or never; undefined: not said, or `auto`. */
  readonly requestPty: 'force' | 'yes' | 'no' | undefined
  /** ForwardX11, where it trusts the programs on the server (ForwardX11Trusted), as there is no other way here. */
  readonly forwardsX11: boolean
}

/** Forwardings to set up once logged in. */
export interface ConfiguredForwards {
  readonly local: readonly ForwardSpec[]
  /** Those without `connect` lead wherever a program on the server asks to, by SOCKS. */
  readonly remote: readonly ForwardSpec[]
  /** Ports on which SOCKS is spoken here. */
  readonly dynamic: readonly ForwardSpec[]
  /** Whether the connection is given up when one cannot be set up. */
  readonly exitOnFailure: boolean
  /** Whether ports without an address are open to other machines. */
  readonly gatewayPorts: boolean
  /** `host:port` that remote SOCKS may reach, with `*` for any; undefined: anything. */
  readonly permitRemoteOpen: readonly string[] | undefined
  /** Bits that sockets of this machine are made without. */
  readonly socketMask: number
  /** Whether a socket that is left over is removed first. */
  readonly unlinksSockets: boolean
}

/** What a connection's configuration says of all that comes after the login. */
export interface Configured {
  readonly sessions: ConfiguredSessions
  readonly forwards: ConfiguredForwards
}
