/** Options of a server about forwarding, and what they mean where nothing is said. */

import { z } from 'zod'
import { LineFault } from '../../config/key-line.js'
import { type PermittedEndpoint, parseEndpoint, parseListenEndpoint } from '../../config/key-restrictions.js'
import { duration } from '../../options-schema.js'
import type { GatewayPorts } from './forward-address.js'
import type { ForwardPolicy } from './forward-policy.js'

const allowForwarding = z.union([z.boolean(), z.enum(['local', 'remote'])])

/** Fields of the server's option schema. */
export const forwardOptions = {
  /**
   * TCP forwarding that needs no callback: `'local'` connects from this process to wherever clients ask, `'remote'`
   * listens here for them, true does both. A callback for the request decides instead. Default false.
   */
  allowTcpForwarding: allowForwarding.optional(),
  /** The same for Unix domain sockets, to which this process connects as the user it runs as. Default false. */
  allowStreamLocalForwarding: allowForwarding.optional(),
  /**
   * Destinations that TCP connections may be asked for, `'host:port'` with `*` for any host or any port; others are
   * refused before a callback is asked. Names are compared as clients say them. Default: any.
   */
  permitOpen: z.array(endpoint('permitOpen', parseEndpoint)).readonly().optional(),
  /** Where TCP listeners may be asked for, `'host:port'` or `'port'`; hosts may have `*` and `?`. Default: any. */
  permitListen: z.array(endpoint('permitListen', parseListenEndpoint)).readonly().optional(),
  /**
   * Where this process listens for clients: false on the loopback addresses only, true on every address, or
   * `'clientspecified'`. Default false.
   */
  gatewayPorts: z.union([z.boolean(), z.literal('clientspecified')]).optional(),
  /** Bits of the mode that Unix domain sockets made for clients do not get. Default 0o177: nobody else connects. */
  streamLocalBindMask: z.int().min(0).max(0o777).optional(),
  /** Removes a socket that is left at the path where a client wants to listen. Default false: the request is refused. */
  streamLocalBindUnlink: z.boolean().optional(),
  /** Listeners one connection may have. Default 100. */
  maxForwards: z.int().min(0).optional(),
  /** Forwarded connections, of both directions, that one connection may have open. Default 500. */
  maxTunnels: z.int().min(0).optional(),
  /** Limit for connecting to where a client wants to go. Default 30 s; 0 leaves it to the operating system. */
  tunnelConnectTimeout: duration.optional(),
} as const

const optionsSchema = z.object(forwardOptions)

/** These options, checked. */
export type ForwardOptions = z.output<typeof optionsSchema>

/** What the options mean. */
export interface ForwardSettings extends ForwardPolicy {
  readonly gatewayPorts: GatewayPorts
  readonly streamLocalBindMask: number
  readonly streamLocalBindUnlink: boolean
  readonly maxForwards: number
  readonly maxTunnels: number
  /** 0: no limit. */
  readonly connectTimeoutMs: number
}

/** Fills in the defaults. */
export function forwardSettings(options: ForwardOptions): ForwardSettings {
  return {
    allowTcpForwarding: options.allowTcpForwarding ?? false,
    allowStreamLocalForwarding: options.allowStreamLocalForwarding ?? false,
    permitOpen: options.permitOpen?.map((text) => parseEndpoint('permitOpen', text)),
    permitListen: options.permitListen?.map((text) => parseListenEndpoint('permitListen', text)),
    gatewayPorts: options.gatewayPorts ?? false,
    streamLocalBindMask: options.streamLocalBindMask ?? 0o177,
    streamLocalBindUnlink: options.streamLocalBindUnlink ?? false,
    maxForwards: options.maxForwards ?? 100,
    maxTunnels: options.maxTunnels ?? 500,
    connectTimeoutMs: options.tunnelConnectTimeout ?? 30_000,
  }
}

/** Stays text, because options that were checked are checked again when a server changes some of them. */
function endpoint(option: string, parse: (option: string, text: string) => PermittedEndpoint) {
  return z.string().superRefine((text, context) => {
    try {
      parse(option, text)
    } catch (error) {
      if (!(error instanceof LineFault)) throw error
      context.addIssue({ code: 'custom', message: error.message })
    }
  })
}
