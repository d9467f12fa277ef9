/** A tunnel joined with a device of this machine. */

import { pipeline } from 'node:stream'
import { Deferred } from './deferred.js'
import type { TunDevice } from './io/tun-device.js'
import type { TunStream } from './tun-stream.js'

/** A device and a tunnel, joined. */
export class TunForwarding {
  /** Name of the network interface on this side, for instance `tun0`. Give it an address and routes to use it. */
  readonly interfaceName: string
  readonly #tunnel: TunStream
  readonly #device: TunDevice
  readonly #closed = new Deferred<void>()

  constructor(device: TunDevice, tunnel: TunStream) {
    this.interfaceName = device.name
    this.#device = device
    this.#tunnel = tunnel
    // A tunnel without a device is of no use, nor is a device without a tunnel: whichever ends first ends the other.
    let failure: Error | undefined
    let open = 2
    const over = (error?: Error | null): void => {
      if (error && !isPrematureClose(error)) failure ??= error
      this.#destroy()
      open -= 1
      if (open > 0) return
      if (failure === undefined) this.#closed.resolve()
      else this.#closed.reject(failure)
    }
    pipeline(device.packets, tunnel, over)
    pipeline(tunnel, device.packets, over)
  }

  /** Packets from the device or for it that went no further. */
  get droppedPackets(): number {
    return this.#tunnel.droppedPackets
  }

  /**
   * Resolves when both ends are closed; rejects with what went wrong, such as the end of the device. Never an unhandled
   * rejection.
   */
  get closed(): Promise<void> {
    return this.#closed.promise
  }

  /** Closes the tunnel and the device. Never rejects. */
  close(): Promise<void> {
    this.#destroy()
    return this.#closed.promise.catch(() => {})
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #destroy(): void {
    this.#tunnel.destroy()
    this.#device.packets.destroy()
  }
}

function isPrematureClose(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'
}
