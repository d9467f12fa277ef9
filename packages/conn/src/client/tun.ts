/** Tunnels of a client: channels of type tun@openssh.com (OpenSSH PROTOCOL §2.3), and devices of this machine. */

import { AbortError, channelTypes, tunnelModes } from '@ssh/wire'
import { z } from 'zod'
import type { TunMode } from '../forwarding/tun-packet.js'
import { type OpenTunDevice, openTunDevice } from '../io/tun-device.js'
import { abortSignal, callback, parseOptions } from '../options-schema.js'
import { TunForwarding } from '../tun-join.js'
import { TunStream } from '../tun-stream.js'
import type { ClientLink } from './client-link.js'

/** Number of a device: that in its name. */
const unit = z
  .int()
  .min(0)
  .max(tunnelModes.anyUnit - 1)
  .optional()

const unitsSchema = z.strictObject({ unit, localUnit: unit, remoteUnit: unit })

export const tunOptionsSchema = z.strictObject({
  /** Gives up opening the tunnel. */
  signal: abortSignal.optional(),
})

/** Options of `openTun` and `openTap`. */
export type TunOptions = z.input<typeof tunOptionsSchema>

export const tunForwardOptionsSchema = tunOptionsSchema.extend({
  /** Opens the device on this side. Default: one of Linux, by a helper in Python or Perl. */
  openDevice: callback<OpenTunDevice>().optional(),
})

/** Options of `forwardTun` and `forwardTap`. */
export type TunForwardOptions = z.input<typeof tunForwardOptionsSchema>

/** @throws as `openTun` of a connection */
export async function openTunnel(
  link: ClientLink,
  mode: TunMode,
  remoteUnit: number | undefined,
  options: TunOptions,
): Promise<TunStream> {
  const what = mode === 'tun' ? 'openTun' : 'openTap'
  const { signal } = parseOptions(what, tunOptionsSchema, options)
  parseOptions(what, unitsSchema, { unit: remoteUnit })
  return openChannel(link, mode, remoteUnit, signal)
}

/** @throws as `forwardTun` of a connection */
export async function forwardTunnel(
  link: ClientLink,
  mode: TunMode,
  localUnit: number | undefined,
  remoteUnit: number | undefined,
  options: TunForwardOptions,
): Promise<TunForwarding> {
  const what = mode === 'tun' ? 'forwardTun' : 'forwardTap'
  const { signal, openDevice = openTunDevice } = parseOptions(what, tunForwardOptionsSchema, options)
  parseOptions(what, unitsSchema, { localUnit, remoteUnit })
  // The device first: on most machines this is what may fail.
  const device = await openDevice({ mode, unit: localUnit, signal })
  try {
    return new TunForwarding(device, await openChannel(link, mode, remoteUnit, signal))
  } catch (error) {
    device.packets.destroy()
    throw error
  }
}

function openChannel(
  link: ClientLink,
  mode: TunMode,
  remoteUnit: number | undefined,
  signal: AbortSignal | undefined,
): Promise<TunStream> {
  const typeData = channelTypes.encode('tun@openssh.com', {
    tunnelMode: mode === 'tun' ? tunnelModes.pointToPoint : tunnelModes.ethernet,
    remoteUnitNumber: remoteUnit ?? tunnelModes.anyUnit,
  })
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new AbortError(signal.reason)
    if (link.isClosed) throw link.closedError()
    const abort = () => {
      opening.cancel()
      reject(new AbortError(signal?.reason))
    }
    const settled = () => signal?.removeEventListener('abort', abort)
    const opening = link.peer.mux.openChannel(
      'tun@openssh.com',
      typeData,
      {},
      {
        onOpen: (channel) => {
          settled()
          resolve(new TunStream(channel, mode))
        },
        onFailure: (error) => {
          settled()
          reject(error)
        },
      },
    )
    signal?.addEventListener('abort', abort, { once: true })
  })
}
