/** Opening the channels that carry tunnels: RFC 4254 §7.2, OpenSSH PROTOCOL §2.4. */

import { AbortError, channelTypes } from '@ssh/wire'
import type { Channel } from '../connection/channel.js'
import type { ChannelOpener } from '../connection/channel-open.js'

export interface OpenTunnelOptions {
  /** Aborting before the channel is open leaves nothing open. */
  readonly signal?: AbortSignal | undefined
}

export interface OpenTcpTunnelOptions extends OpenTunnelOptions {
  /** Address of whoever the tunnel is for; default, and where it is empty, 127.0.0.1. Servers may log it, and decide by it. */
  readonly originHost?: string | undefined
  /** Their port; default 0. */
  readonly originPort?: number | undefined
}

/**
 * Asks the other end to connect to a TCP port.
 * @throws ChannelOpenError when it refuses or cannot connect; AbortError; what ended the connection
 */
export function openTcpTunnel(
  opener: ChannelOpener,
  host: string,
  port: number,
  options: OpenTcpTunnelOptions = {},
): Promise<Channel> {
  const { originHost, originPort = 0 } = options
  const typeData = channelTypes.encode('direct-tcpip', {
    hostToConnect: host,
    portToConnect: port,
    originatorAddress: originHost || '127.0.0.1',
    originatorPort: originPort,
  })
  return openTunnel(opener, 'direct-tcpip', typeData, options.signal)
}

/**
 * Asks the other end to connect to a Unix socket.
 * @throws ChannelOpenError when it refuses or cannot connect; AbortError; what ended the connection
 */
export function openUnixTunnel(opener: ChannelOpener, path: string, options: OpenTunnelOptions = {}): Promise<Channel> {
  const typeData = channelTypes.encode('direct-streamlocal@openssh.com', {
    socketPath: path,
    reservedString: new Uint8Array(0),
    reservedUint32: 0,
  })
  return openTunnel(opener, 'direct-streamlocal@openssh.com', typeData, options.signal)
}

/**
 * Opens a channel of any type. What arrives on it is kept until somebody attaches.
 * @param typeData `channelTypes.encode` of `@ssh/wire`
 * @throws ChannelOpenError when the other end refuses; AbortError; what ended the connection
 */
export function openTunnel(
  opener: ChannelOpener,
  channelType: string,
  typeData: Uint8Array,
  signal?: AbortSignal,
): Promise<Channel> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new AbortError(signal.reason)
    const abort = (): void => {
      opening.cancel()
      reject(new AbortError(signal?.reason))
    }
    const release = (): void => signal?.removeEventListener('abort', abort)
    const opening = opener.openChannel(
      channelType,
      typeData,
      {},
      {
        onOpen(channel) {
          release()
          resolve(channel)
        },
        onFailure(error) {
          release()
          reject(error)
        },
      },
    )
    signal?.addEventListener('abort', abort, { once: true })
  })
}
