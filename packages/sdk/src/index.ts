/** SSH and SFTP for Node: what users import. */

export type {
  AcceptForward,
  AllowForwarding,
  AuthorizedKeysSource,
  AuthTrace,
  ChannelOpenTrace,
  ClientConfig,
  ClientConfigOptions,
  ClientConfigValues,
  ClientConnectionInfo,
  ConfigPosition,
  ConfigSource,
  ConfigTokens,
  ConfigWarning,
  ConnectionAlgorithms,
  ConnectionAnswer,
  ConnectionHandler,
  ConnectTrace,
  Destination,
  ExecTrace,
  ForwardEndpoint,
  ForwardedTcpInfo,
  ForwardedUnixInfo,
  ForwardOrigin,
  ForwardSpec,
  GatewayPorts,
  HostKeyUpdate,
  KexTrace,
  KeyboardPrompt,
  KeySource,
  KnownHostEntry,
  ListenAddress,
  ListenAnswer,
  ListenConnection,
  Listener,
  LocalPathOptions,
  LocalPortOptions,
  LogEntry,
  Logger,
  OfferedHostKey,
  OnwardConnection,
  OnwardListener,
  OnwardOptions,
  OnwardServer,
  OpenConnectionOptions,
  OpenUnixConnectionOptions,
  OtherDestination,
  PrintedConfig,
  RefusedRequest,
  RemotePathOptions,
  RemotePortOptions,
  RequestedConnection,
  RequestedUnixConnection,
  ServerConfig,
  ServerConfigFile,
  ServerConfigQuery,
  ServerConfigValues,
  SocksInfo,
  SocksOptions,
  TracedConnection,
  TraceOutcome,
  TunnelConnection,
  TunnelHandler,
  TunnelHop,
  UserFacts,
  UserLookup,
  UserOptions,
} from '@ssh/conn'
// Agents, errors, configuration files of OpenSSH
// Tunnels and displays
export {
  type AddKeyOptions,
  AgentClient,
  type AgentConnector,
  AgentError,
  type AgentFilter,
  type AgentForwarder,
  type AgentIdentity,
  AgentKey,
  type AgentRequestOptions,
  type AgentSignOptions,
  type AgentSource,
  ChannelError,
  ChannelListenError,
  ChannelOpenError,
  ConfigParseError,
  ConnectError,
  ConnectionLost,
  DisconnectError,
  type ForwardedX11,
  HostKeyNotVerifiable,
  type KeyboardChallenge,
  KeyExchangeFailed,
  type LentAgentRequest,
  type OpenTunDevice,
  OptionsError,
  type PasswordChangeRequired,
  PermissionDenied,
  type PreparedX11,
  ProtocolError,
  printClientConfig,
  printServerConfig,
  readClientConfig,
  readServerConfig,
  ServerConnection,
  type ServerConnectionInfo,
  TimeoutError,
  type TunAnswer,
  type TunDevice,
  type TunDeviceOptions,
  type TunDropReason,
  TunError,
  TunForwarding,
  type TunForwardOptions,
  type TunHandler,
  type TunMode,
  type TunOptions,
  TunStream,
  X11Error,
  type X11ForwardingOptions,
  type X11Grant,
} from '@ssh/conn'
// Keys
export {
  CryptoError,
  type GeneratedKeyAlgorithm,
  generatePrivateKey,
  importPrivateKey,
  importPrivateKeyList,
  importPublicKey,
  importPublicKeyList,
  KeyEncryptionError,
  KeyExportError,
  type KeyExportOptions,
  KeyImportError,
  type PrivateKey,
  type PrivateKeyFormat,
  type PublicKey,
  type PublicKeyFormat,
  type Signer,
} from '@ssh/crypto'
// SFTP
export {
  MemoryHandler,
  type MemoryHandlerOptions,
  SftpClient,
  type SftpDirent,
  SftpError,
  SftpFile,
  type SftpGlob,
  type SftpHandler,
  type SftpProgress,
  type SftpRequestTrace,
  SftpServer,
  type SftpServerOptions,
  SftpStats,
  type SftpTransferOptions,
  type SftpTransferTrace,
} from '@ssh/sftp'
export { lines, StreamError } from '@ssh/streams'
export { AbortError, SshError } from '@ssh/wire'
export { type ConnectAgentOptions, connectAgent } from './agent/connect-agent.js'
export type { ClientOptions, SftpClientOptions } from './client/client-options.js'
export { getServerAuthMethods, getServerHostKey, type ProbeOptions } from './client/probe.js'
export {
  listenReverse,
  type NestedClientOptions,
  type NestedConnectReverseOptions,
  type NestedListenOptions,
  type NestedReverseListenOptions,
  type ReverseListenOptions,
  type SessionStreams,
  SshClientConnection,
  type SshReverseListener,
} from './client/ssh-client-connection.js'
// Clients
export { connect, createProcess, run, runClient } from './connect.js'
// Keys in files
export {
  type ReadPrivateKeyOptions,
  readPrivateKey,
  readPrivateKeyList,
  readPublicKey,
  readPublicKeyList,
  type WritePrivateKeyOptions,
  type WritePublicKeyOptions,
  writePrivateKey,
  writePublicKey,
} from './keys/key-files.js'
export { readAuthorizedKeys, readKnownHosts } from './keys/key-lists.js'
// Processes
export type { ChildEnvOptions } from './process/child-env.js'
export { SshClientProcess } from './process/client-process.js'
export { ExpectError, type Expected, type ExpectOptions, expect } from './process/expect.js'
export type {
  ByteInput,
  ByteOutput,
  ErrorTarget,
  Input,
  InputSource,
  OutputEncoding,
  OutputOf,
  OutputTarget,
  ProcessOptions,
  RedirectOptions,
  RunOptions,
  WaitOptions,
} from './process/process-options.js'
export { type Command, quote, sh } from './process/quote.js'
export { type CompletedProcess, ProcessError, type ProcessErrorCode, ProcessTimeoutError } from './process/result.js'
export { type Redirectable, type ServerRedirect, SshServerProcess } from './process/server-process.js'
// Servers
export { connectReverse, listen, runServer } from './server/listen.js'
export type {
  CloseOptions,
  ConnectReverseOptions,
  ListenOptions,
  ProcessHandler,
  RunServerOptions,
  ServerProcess,
  SftpFactory,
  SftpFolder,
  SshServerCallbacks,
  SshServerFactory,
  StreamsHandler,
  UpdateOptions,
} from './server/server-options.js'
export { SshServer } from './server/ssh-server.js'
// Terminals of clients
export type { KeyHandler, KeyResult } from './terminal/line-editor.js'
export type { PtyProcess } from './terminal/pty/pty-process.js'
export { type SpawnPtyOptions, spawnPty } from './terminal/pty/spawn-pty.js'
export { type ReadLineOptions, ServerTerminal } from './terminal/server-terminal.js'
// Connections at work: many calls, many hosts, broken links
export type { ConnectionLease } from './work/connection-lease.js'
export { type ConnectionPool, createPool, type PoolHostStats, type PoolStats } from './work/connection-pool.js'
export type { HostPoolCounts } from './work/host-pool.js'
export type { HostsOptions, HostsProgress, OneHostOptions, PerHostOptions } from './work/hosts-options.js'
export { PoolError } from './work/pool-errors.js'
export type { PoolCloseOptions, PooledClientOptions, PoolOptions } from './work/pool-options.js'
export type { ReconnectClock, ReconnectOptions } from './work/reconnect-options.js'
export {
  createReconnecting,
  type ReconnectingConnection,
  type ReconnectingEvents,
} from './work/reconnecting-connection.js'
export { type HostResult, type HostRuns, runOnHosts } from './work/run-on-hosts.js'
