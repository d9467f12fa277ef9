/** What a peer is told when it is made, and what it tells while it runs. */

import type { SshError } from '@ssh/wire'
import type { ChannelOpenRequest } from '../connection/channel-open.js'
import type { GlobalRequest } from '../connection/global-requests.js'
import type { MuxLimits } from '../connection/limits.js'
import type { MuxHandlers } from '../connection/mux.js'
import type { HostKeyOffer, KeysChanged, TransportOptions } from '../transport/transport-options.js'
import type { KeepaliveLimits } from './keepalive.js'

/** Authentication as the peer sees it, whichever role it plays. */
export interface AuthHalf {
  /** One payload of number 50 to 79. */
  receive(payload: Uint8Array): void
  /** Whether nothing may be passed to `receive` until `PeerAuth.ready` is called. */
  readonly isBusy?: boolean
  close(): void
}

/** What authentication tells its peer. */
export interface PeerAuth {
  readonly sessionIdentifier: Uint8Array
  send(payload: Uint8Array): void
  /** `receive` may be called again. */
  ready(): void
  succeeded(): void
  failed(error: SshError): void
}

export interface PeerOptions {
  readonly transport: TransportOptions
  readonly limits?: Partial<MuxLimits>
  readonly keepalive: KeepaliveLimits
  /** From `start` to the end of authentication, in milliseconds; 0: no limit. */
  readonly loginTimeoutMs: number
  /** Time after login without any channel after which the connection ends; 0 or absent: no limit. */
  readonly idleTimeoutMs?: number | undefined
}

export interface PeerHandlers {
  /** There may be output, a new deadline or a pause. Called often; must be cheap. */
  onWake(): void
  /** Client: see {@link TransportHandlers.onHostKey}; answer with `acceptHostKey` or `fail`. */
  onHostKey(offer: HostKeyOffer): void
  /** The first keys are in use: here is the way to authenticate. */
  createAuth(auth: PeerAuth): AuthHalf
  onExtensionInfo(extensions: ReadonlyMap<string, Uint8Array>): void
  /** A key exchange begins, whichever side wanted it. */
  onKeyExchange?(): void
  onKeysChanged(change: KeysChanged): void
  onDebug(message: string, alwaysDisplay: boolean): void
  onAuthenticated(): void
  onChannelOpen(request: ChannelOpenRequest): void
  /** See {@link MuxHandlers.onOpening}. */
  onChannelOpening?: MuxHandlers['onOpening']
  onGlobalRequest(request: GlobalRequest): void
  /** The connection is over; nothing is called afterwards. No error: this side closed it. */
  onEnd(error: SshError | undefined): void
}
