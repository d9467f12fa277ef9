// Errors
export {
  ChannelError,
  ChannelListenError,
  ChannelOpenError,
  ConfigParseError,
  ConnectError,
  ConnectionLost,
  DisconnectError,
  HostKeyNotVerifiable,
  KeyExchangeFailed,
  OptionsError,
  PermissionDenied,
  ProtocolError,
  TimeoutError,
} from './errors.js'
// Options: how they are checked, and quantities as people write them
export { abortSignal, callback, duration, objectWith, parseOptions, size } from './options-schema.js'
export { parseDuration, parseSize } from './quantities.js'
// Channels: RFC 4254
export { Channel, type ChannelHandlers, type ChannelRequest, type ChannelRequestOptions } from './connection/channel.js'
export type {
  ChannelOpener,
  ChannelOpenHandlers,
  ChannelOpening,
  ChannelOpenRequest,
} from './connection/channel-open.js'
export type { GlobalRequest } from './connection/global-requests.js'
export { type ChannelOptions, defaultMuxLimits, type MuxLimits } from './connection/limits.js'
export { Mux, type MuxHandlers, type MuxOptions } from './connection/mux.js'
export type { OnReply, RequestReply } from './connection/replies.js'
