// Agents: draft-ietf-sshm-ssh-agent
export {
  type AddKeyOptions,
  AgentClient,
  type AgentClientOptions,
  type AgentRequestOptions,
  type AgentSignOptions,
  type Schedule,
} from './agent/agent-client.js'
export { AgentKey } from './agent/agent-key.js'
export type { AgentFilter, LentAgentRequest } from './agent/agent-relay.js'
export {
  type AgentConnector,
  type AgentForwarder,
  type AgentIdentity,
  type AgentSource,
  agentSource,
} from './client/agent-options.js'
export { openAgent } from './client/agent-source.js'
export { type ClientConfigOptions, readClientConfig } from './client/client-config.js'
// Clients
export {
  ClientConnection,
  type ClientConnectionInfo,
  type SessionChannelOptions,
} from './client/client-connection.js'
export type {
  LocalPathOptions,
  LocalPortOptions,
  OpenConnectionOptions,
  OpenUnixConnectionOptions,
  RemotePathOptions,
  RemotePortOptions,
  SocksOptions,
} from './client/client-forwarding-options.js'
export type { ConnectionHandler } from './client/client-forwarding-remote.js'
export type { ForwardingLife } from './client/client-forwarding-scope.js'
export type { ClientEvents, ClientLink } from './client/client-link.js'
export {
  type ClientOptions,
  clientOptionsSchema,
  type HostKeyVerifier,
  type KeyboardInteractiveHandler,
  type KeyboardPrompt,
  type KnownHostsLookup,
  type OfferedHostKey,
  type PasswordChangeHandler,
  type RekeyOptions,
} from './client/client-options.js'
export type { Configured, ConfiguredForwards, ConfiguredSessions } from './client/configured.js'
export { type ForwardingOptions, startConfiguredForwards } from './client/configured-forwards.js'
export { establishClient } from './client/connect.js'
export { type Destination, type ParsedDestination, parseDestination } from './client/destination.js'
export type { ListenConnection, TunnelConnection, TunnelHop } from './client/dial-options.js'
export { type FarEnds, LocalForwarding } from './client/local-forwarding.js'
export { type ReverseListenOptions, reverseListenOptionsSchema } from './client/reverse-listen-options.js'
export { listenForServers, ReverseListener, type ReverseListenerEvents } from './client/reverse-listener.js'
export type { TunForwardOptions, TunOptions } from './client/tun.js'
export { type PreparedX11, type X11ForwardingOptions, x11Options } from './client/x11-forwarding.js'
// Trust and configuration: known_hosts, authorized_keys
export {
  type AuthorizedKey,
  type AuthorizedKeys,
  mergeAuthorizedKeys,
  parseAuthorizedKeys,
} from './config/authorized-keys.js'
export type { ConfigPosition } from './config/config-line.js'
export type { ConfigSource, IncludeReader, ParsedConfig } from './config/config-model.js'
export type { ConfigTokens } from './config/config-tokens.js'
export type { RekeyLimitValue } from './config/config-values.js'
export type { ConfigWarning } from './config/config-warning.js'
export type { ForwardEndpoint, ForwardSpec, WrittenForward } from './config/forward-spec.js'
export { type InternalSftp, parseInternalSftp } from './config/internal-sftp.js'
export { refusePrivateKey } from './config/key-line.js'
export type { KeyRestrictions, PermittedEndpoint } from './config/key-restrictions.js'
export {
  formatKnownHost,
  type KnownHostEntry,
  type KnownHostMatches,
  type KnownHosts,
  lookupKnownHost,
  mergeKnownHosts,
  parseKnownHosts,
} from './config/known-hosts.js'
export { type PrintedConfig, printClientConfig, printServerConfig } from './config/print-config.js'
export {
  type ClientConfig,
  type ClientConfigQuery,
  type ConfigMachine,
  type HostLookup,
  parseClientConfig,
  resolveClientConfig,
} from './config/ssh-config.js'
export type { ClientConfigValues } from './config/ssh-config-keywords.js'
export type { AddKeysToAgentValue, PermittedCname } from './config/ssh-config-values.js'
export {
  parseServerConfig,
  resolveGlobalServerConfig,
  resolveServerConfig,
  type ServerConfig,
  type ServerConfigQuery,
} from './config/sshd-config.js'
export type { ServerConfigValues } from './config/sshd-config-keywords.js'
export type { ListenAddressValue, MaxStartupsValue, SubsystemValue } from './config/sshd-config-values.js'
// Channels: RFC 4254
export { Channel } from './connection/channel.js'
export type {
  ChannelOpener,
  ChannelOpenHandlers,
  ChannelOpening,
  ChannelOpenRequest,
} from './connection/channel-open.js'
export type { ChannelHandlers, ChannelRequest, ChannelRequestOptions } from './connection/channel-request.js'
export type { GlobalRequest } from './connection/global-requests.js'
export { type ChannelOptions, defaultMuxLimits, type MuxLimits } from './connection/limits.js'
export { Mux, type MuxHandlers, type MuxOptions } from './connection/mux.js'
export type { OnReply, RequestReply } from './connection/replies.js'
export type { ConnectionAlgorithms } from './connection-algorithms.js'
export {
  AgentError,
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
  TunError,
  X11Error,
} from './errors.js'
export type { AgentGrant } from './forwarding/agent-forward.js'
export type {
  AcceptForward,
  ForwardedTcpInfo,
  ForwardedUnixInfo,
  ForwardOrigin,
  SocksInfo,
} from './forwarding/forward-info.js'
export { type ListenAddress, Listener, type ListenerParts } from './forwarding/listener.js'
export type { OpenTcpTunnelOptions, OpenTunnelOptions } from './forwarding/open-tunnel.js'
export { largestTunPacket, type TunMode } from './forwarding/tun-packet.js'
export type { X11Grant } from './forwarding/x11-client.js'
export { debugLogger } from './io/debug-logger.js'
// Files of keys and of lists of keys
export { expandHome, readRegularFile } from './io/files.js'
export type { OpenTunDevice, TunDevice, TunDeviceOptions } from './io/tun-device.js'
export type { KeySource, PassphraseSource } from './key-source.js'
export { type LogEntry, type Logger, safeLogger } from './log.js'
// Options: how they are checked
export {
  abortSignal,
  assertKnownOptions,
  assertOptions,
  bytes,
  callback,
  duration,
  objectWith,
  parseOptions,
  size,
} from './options-schema.js'
export type { AgentSocket } from './server/agent-forwarding.js'
export { assertCallbacks } from './server/assert-callbacks.js'
export type { AuthorizedKeysSource } from './server/authorized-keys-source.js'
// Servers
export { type ReverseServerOptions, reverseServerOptionsSchema, serveReverse } from './server/connect-reverse.js'
export type { GatewayPorts } from './server/forwarding/forward-address.js'
export type {
  ConnectionAnswer,
  ListenAnswer,
  OnwardConnection,
  OnwardListener,
  OnwardOptions,
  OnwardServer,
  OtherDestination,
  RequestedConnection,
  RequestedUnixConnection,
  TunnelHandler,
} from './server/forwarding/forward-answers.js'
export type { AllowForwarding } from './server/forwarding/forward-policy.js'
export { listenServer, SshServer } from './server/listen.js'
export { readServerConfig, type ServerConfigFile } from './server/resolve-config.js'
export { type StreamServerOptions, serveStream, streamServerOptionsSchema } from './server/serve-stream.js'
export type {
  KeyboardChallenge,
  PasswordChangeRequired,
  ServerCallbacks,
  ServerFactory,
  SessionRequest,
} from './server/server-callbacks.js'
export { type ConfiguredUser, ServerConnection, type ServerConnectionInfo } from './server/server-connection.js'
export {
  type ParsedServerOptions,
  type ServerConnectionOptions,
  type ServerOptions,
  serverOptionsSchema,
} from './server/server-options.js'
export type { TunAnswer, TunHandler } from './server/tun-requests.js'
export type { UserFacts, UserLookup } from './server/user-lookup.js'
export type { UserOptions } from './server/user-settings.js'
export type { ForwardedX11 } from './server/x11-forwarding.js'
// Sessions: RFC 4254 §6
export type { EnvironmentLimits } from './session/environment.js'
export { type ExitResult, type ExitSignal, exitResult, signalName, signalNumber } from './session/exit-status.js'
export { type OpenSessionOptions, openSession } from './session/open-session.js'
export type { Program } from './session/program.js'
export type { Pty, PtyOptions, TerminalSize } from './session/pty.js'
export {
  type RefusedRequest,
  SessionClient,
  type SessionHandlers,
  type StartOptions,
} from './session/session-client.js'
export {
  type Decision,
  SessionServer,
  type SessionServerHandlers,
  type SessionServerOptions,
} from './session/session-server.js'
export type { X11Request } from './session/x11-request.js'
// Tracing channels
export {
  type AuthTrace,
  beginTrace,
  type ChannelOpenTrace,
  type ConnectTrace,
  type ExecTrace,
  execChannel,
  type KexTrace,
  type Trace,
  type TracedConnection,
  type TraceOutcome,
} from './tracing.js'
// Transport: RFC 4253
export { kexMethodNames } from './transport/kex-methods.js'
export type { DirectionAlgorithms, NegotiatedAlgorithms } from './transport/negotiate.js'
export type { Role } from './transport/role.js'
export { Transport } from './transport/transport.js'
export {
  type AlgorithmPreferences,
  defaultRekeyLimits,
  defaultTransportLimits,
  type HostKey,
  type HostKeyOffer,
  type KeysChanged,
  type RekeyLimits,
  type TransportHandlers,
  type TransportLimits,
  type TransportOptions,
} from './transport/transport-options.js'
export type { HostKeyUpdate } from './trust/host-key-update.js'
export { decideUserKey, type UserKeyRequest, type UserKeyVerdict } from './trust/user-key-policy.js'
export { TunForwarding } from './tun-join.js'
export { type TunDropReason, TunStream } from './tun-stream.js'
// Authentication: RFC 4252
export type { AuthMethodName } from './userauth/auth-order.js'
export type { AuthAttempt } from './userauth/auth-report.js'
