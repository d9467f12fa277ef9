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
