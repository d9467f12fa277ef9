/** Tunnels that a client wants: channels of type tun@openssh.com (OpenSSH PROTOCOL §2.3). */

import { channelTypes, openFailureReasons, printable, tunnelModes } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import { ChannelOpenError } from '../errors.js'
import type { TunMode } from '../forwarding/tun-packet.js'
import { openTunDevice } from '../io/tun-device.js'
import type { Logger } from '../log.js'
import { TunForwarding } from '../tun-join.js'
import { TunStream } from '../tun-stream.js'
import type { ServerCallbacks } from './server-callbacks.js'
import type { ServerLink } from './server-link.js'

/**
 * Takes the packets of a client's tunnel. The tunnel stays open when it returns, until either side closes it; when it
 * throws or rejects the tunnel is closed, and the error goes to the logger.
 */
export type TunHandler = (stream: TunStream) => unknown

/**
 * Answer to a request for a tunnel:
 * - false, and everything that is nothing of what follows: refused
 * - true: a device of this machine is opened and joined with it
 * - a function: it takes the packets
 */
export type TunAnswer = boolean | TunHandler

/** Tunnels that one connection may have. A device is a process, and one person needs few. */
const mostTunnels = 16

const modes = new Map<number, TunMode>([
  [tunnelModes.pointToPoint, 'tun'],
  [tunnelModes.ethernet, 'tap'],
])

export class TunRequests {
  readonly #link: ServerLink
  readonly #logger: Logger | undefined
  #count = 0

  constructor(link: ServerLink, logger: Logger | undefined) {
    this.#link = link
    this.#logger = logger
    link.incoming.onChannel('tun@openssh.com', (request) => {
      const { tunnelMode, remoteUnitNumber } = channelTypes.decode('tun@openssh.com', request.typeData)
      const unit = remoteUnitNumber === tunnelModes.anyUnit ? undefined : remoteUnitNumber
      void this.#requested(request, modes.get(tunnelMode), unit)
    })
  }

  /** Never rejects. */
  async #requested(request: ChannelOpenRequest, mode: TunMode | undefined, unit: number | undefined): Promise<void> {
    const prohibit = (why: string) => request.reject(openFailureReasons.administrativelyProhibited, why)
    if (mode === undefined) return prohibit('this server knows no such tunnels')
    // OpenSSH has a permission of its own for tunnels; a key that may not forward ports may surely not forward networks.
    const { policy, connection } = this.#link
    const isPermitted = policy?.tunnels?.has(mode) ?? true
    if (!isPermitted || !connection.restrictions.every(({ allowPortForwarding }) => allowPortForwarding)) {
      return prohibit('this tunnel is not permitted')
    }
    if (this.#count >= mostTunnels) {
      return request.reject(openFailureReasons.resourceShortage, `at most ${mostTunnels} tunnels at a time`)
    }
    this.#count += 1
    try {
      await this.#answer(request, mode, unit)
    } catch (error) {
      this.#refuse(request, error)
    } finally {
      this.#count -= 1
    }
  }

  /** Resolves when the tunnel is over, or was refused. */
  async #answer(request: ChannelOpenRequest, mode: TunMode, unit: number | undefined): Promise<void> {
    const answer = await ask(this.#link.callbacks, mode, unit)
    if (answer !== true && typeof answer !== 'function') {
      return request.reject(openFailureReasons.administrativelyProhibited, 'this tunnel is not permitted')
    }
    if (typeof answer === 'function') {
      // The connection may have ended while the builder was asked.
      if (!request.isPending) return
      const stream = new TunStream(request.accept(), mode)
      this.#handle(stream, answer)
      return await new Promise((resolve) => stream.once('close', resolve))
    }
    const device = await openTunDevice({ mode, unit })
    if (!request.isPending) {
      device.packets.destroy()
      return
    }
    const forwarding = new TunForwarding(device, new TunStream(request.accept(), mode))
    await forwarding.closed.catch((error: unknown) => this.#failed(error))
  }

  #handle(stream: TunStream, handler: TunHandler): void {
    const run = async (): Promise<unknown> => await handler(stream)
    run().catch((error: unknown) => {
      this.#failed(error)
      stream.destroy()
    })
  }

  #refuse(request: ChannelOpenRequest, error: unknown): void {
    if (error instanceof ChannelOpenError) {
      request.reject(error.reasonCode, printable(error.message))
      return
    }
    this.#failed(error)
    request.reject(openFailureReasons.connectFailed, 'the server failed to make the tunnel')
  }

  #failed(error: unknown): void {
    this.#logger?.warn?.({ layer: 'server', event: 'tunnel-failed', error })
  }
}

async function ask(callbacks: ServerCallbacks, mode: TunMode, unit: number | undefined) {
  return mode === 'tun' ? await callbacks.tunRequested?.(unit) : await callbacks.tapRequested?.(unit)
}
