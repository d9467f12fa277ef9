/** Options of a client that say which ssh_config is read, and those that ssh_config alone had words for. */

import { z } from 'zod'
import { duration } from '../options-schema.js'

/** Fields of the client's schema. */
export const configOptions = {
  /**
   * Files of ssh_config to read, first to last; what is given in code goes before what they say. Default: `~/.ssh/config`
   * and `/etc/ssh/ssh_config`, where they are there, as `ssh` does. `null`: none.
   */
  config: z.union([z.string().min(1), z.array(z.string().min(1)).readonly(), z.null()]).optional(),
  /**
   * Whether ssh_config may run programs on this machine: `Match exec`, `KnownHostsCommand` and `ProxyCommand`. Default
   * true, as with `ssh`; false makes a configuration that needs one an error, and what stands behind `Match exec` count
   * for nothing.
   */
  configCommands: z.boolean().optional(),
  /** Leaves out the forwardings that ssh_config lists, which are set up once logged in otherwise. Default false. */
  clearAllForwardings: z.boolean().optional(),
  /** Writes the names of hosts hashed when `accept-new` or `updateHostKeys` adds a key. Default false. */
  hashKnownHosts: z.boolean().optional(),
  /**
   * Adds further keys that a known server proves to be its own to the file in which it is known, and takes away those it
   * has no more (OpenSSH's UpdateHostKeys). Default false.
   */
  updateHostKeys: z.boolean().optional(),
  /** File of host keys that are refused wherever they turn up, one per line. `null`: none. Default: none. */
  revokedHostKeys: z.union([z.string().min(1), z.null()]).optional(),
  /** Bits that an RSA key must have at least, the server's and ours. Default 1024, and never less. */
  requiredRsaSize: z.int().min(1024).max(16384).optional(),
  /**
   * Program that prints lines of known_hosts, as OpenSSH's KnownHostsCommand, as an argv with its tokens. It is run once
   * to learn which algorithms to ask for, and once with the host key at hand. `null`: none. Default: none.
   */
  knownHostsCommand: z.union([z.array(z.string()).min(1).readonly(), z.null()]).optional(),
  /** How many passwords a server may refuse before `password` is not asked for another. Default: no limit. */
  numberOfPasswordPrompts: z.int().min(0).optional(),
  /**
   * Adds the private key that let us in to the agent, unless it is there: `true`, or for how long; `'confirm'`: the agent
   * asks before each use. Default false.
   */
  addKeysToAgent: z.union([z.boolean(), z.literal('confirm'), duration]).optional(),
}
