/**
 * Bytes, messages and the interfaces on which the packages meet. No I/O, no crypto, no dependency.
 * @see RFC 4251
 */

// Where packages meet
export type { ByteChannel, ByteHandlers, ByteSink, ByteSource } from './byte-channel.js'
// Bytes
export { asBuffer, concatBytes, equalBytes, fromBigInt, toBase64, toBigInt, toHex, toUtf8, wipe } from './bytes.js'
export { closedBy } from './closed-by.js'
// Declaring layouts
export {
  type Codec,
  type Combination,
  type Fields,
  type FieldValues,
  list,
  optional,
  optionalTail,
  repeated,
  type Struct,
  struct,
  type ValueOf,
} from './codec.js'
// Errors
export {
  AbortError,
  type ErrorDetails,
  printable,
  SshError,
  type SshErrorOptions,
  WireError,
  type WireErrorCode,
} from './errors.js'
export {
  ascii,
  boolean,
  byte,
  constant,
  fixedBytes,
  maximumMpintLength,
  mpint,
  nameList,
  rest,
  string,
  text,
  uint32,
  uint64,
  utf8,
} from './fields.js'
// Queues
export { Fifo } from './fifo.js'
export { HeldChunks } from './held-chunks.js'
export {
  type Message,
  type MessageDefinition,
  type MessageOf,
  type MessageSet,
  type MessagesOf,
  message,
  messageSet,
} from './message.js'
export {
  type AgentRequest,
  type AgentResponse,
  agentConfirmConstraint,
  agentConstraints,
  agentConstraintType,
  agentExtensionNames,
  agentIdentity,
  agentLifetimeConstraint,
  agentQueryResponses,
  agentRequests,
  agentResponses,
  agentSignFlags,
} from './messages/agent.js'
export {
  type ConnectionMessage,
  channelClose,
  channelData,
  channelEof,
  channelExtendedData,
  channelFailure,
  channelOpen,
  channelOpenConfirmation,
  channelOpenFailure,
  channelRequest,
  channelSuccess,
  channelWindowAdjust,
  connectionMessages,
  globalRequest,
  requestFailure,
  requestSuccess,
} from './messages/connection.js'
export {
  type DhKexMessage,
  dhKexMessages,
  type EcdhKexMessage,
  ecdhKexMessages,
  type GroupExchangeMessage,
  groupExchangeMessages,
} from './messages/key-exchange.js'
// Messages
export {
  debug,
  disconnect,
  extension,
  extInfo,
  ignore,
  kexInit,
  newKeys,
  ping,
  pong,
  serviceAccept,
  serviceRequest,
  type TransportMessage,
  transportMessages,
  unimplemented,
} from './messages/transport.js'
export {
  type KeyboardInteractiveMessage,
  keyboardInteractiveMessages,
  type PasswordMessage,
  type PublickeyMessage,
  passwordMessages,
  prompt,
  publickeyMessages,
  type UserauthMessage,
  userauthBanner,
  userauthFailure,
  userauthMessages,
  userauthMethods,
  userauthRequest,
  userauthSuccess,
} from './messages/userauth.js'
// Numbers and names
export { disconnectReasons, openFailureReasons, reasonName, services } from './numbers.js'
// Options
export { knownOptions, type OptionNames, OptionsError } from './options.js'
export { type PayloadRow, type PayloadTable, payloadTable } from './payload-table.js'
export { channelRequests, extendedDataTypes } from './payloads/channel-requests.js'
export { channelTypes, tunnelModes } from './payloads/channel-types.js'
export { extensions, kexIndicators } from './payloads/extensions.js'
// Named payloads
export { globalRequests, hostKeyProof, hostKeysProveReply, tcpipForwardReply } from './payloads/global-requests.js'
export { parseDuration, parseSize } from './quantities.js'
export { Reader } from './reader.js'
export {
  decodeTerminalModes,
  encodeTerminalModes,
  type TerminalModeName,
  type TerminalModes,
  terminalModeOpcodes,
} from './terminal-modes.js'
export { closestName, unknownOptions } from './unknown-options.js'
export { Writer } from './writer.js'
