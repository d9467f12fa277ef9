/** The named errors of a connection. Names follow AsyncSSH; codes are stable and meant for `switch`. */

import { disconnectReasons, printable, reasonName, SshError, type SshErrorOptions } from '@ssh/wire'

export { OptionsError } from '@ssh/wire'

/** The peer ended the connection with SSH_MSG_DISCONNECT (RFC 4253 §11.1). `details`: reasonCode, description. */
export class DisconnectError extends SshError {
  /** SSH_DISCONNECT_*: RFC 4253 §11.1. */
  readonly reasonCode: number

  constructor(reasonCode: number, description: string) {
    const name = reasonName(disconnectReasons, reasonCode)
    const said = description === '' || description === name ? '' : `: ${printable(description)}`
    super('ERR_SSH_TRANSPORT_DISCONNECTED', `The peer ended the connection (${name})${said}`, {
      details: { reasonCode, reason: name, description },
    })
    this.reasonCode = reasonCode
  }
}

/** The peer broke the protocol, or what it sent is not legal now. Ends the connection. */
export class ProtocolError extends SshError {
  constructor(code: `ERR_SSH_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, { disconnectReason: disconnectReasons.protocolError, ...options })
  }
}

/** The key exchange failed. A failed negotiation carries `details.ours` and `details.theirs`. */
export class KeyExchangeFailed extends SshError {
  constructor(code: `ERR_SSH_KEX_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, { disconnectReason: disconnectReasons.keyExchangeFailed, ...options })
  }
}

/** The host key is unknown, changed, revoked, or the verifier refused it. Nothing secret had been sent. */
export class HostKeyNotVerifiable extends SshError {
  constructor(code: `ERR_SSH_HOST_KEY_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, { disconnectReason: disconnectReasons.hostKeyNotVerifiable, ...options })
  }
}

/** The server let nobody in. `details.attempts` lists what was tried, `details.serverMethods` what it would accept. */
export class PermissionDenied extends SshError {
  constructor(message: string, options: SshErrorOptions = {}) {
    super('ERR_SSH_AUTH_FAILED', message, {
      disconnectReason: disconnectReasons.noMoreAuthMethodsAvailable,
      ...options,
    })
  }
}

/** The connection is gone: the socket ended or failed, or the peer stopped answering. */
export class ConnectionLost extends SshError {
  constructor(
    code: 'ERR_SSH_CONNECTION_LOST' | 'ERR_SSH_CONNECTION_CLOSED' | 'ERR_SSH_CONNECTION_TIMEOUT',
    message: string,
    options: SshErrorOptions = {},
  ) {
    super(code, message, { disconnectReason: disconnectReasons.connectionLost, ...options })
  }
}

/** No connection to the address could be made. `cause` is the system's error; `details.host`, `details.port`. */
export class ConnectError extends SshError {
  constructor(code: `ERR_SSH_CONNECT_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, options)
  }
}

/** The peer refused to open a channel (RFC 4254 §5.1). `reasonCode` is SSH_OPEN_*. */
export class ChannelOpenError extends SshError {
  /** 1 administratively prohibited, 2 connect failed, 3 unknown channel type, 4 resource shortage. */
  readonly reasonCode: number

  constructor(reasonCode: number, message: string, options: SshErrorOptions = {}) {
    super('ERR_SSH_CHANNEL_OPEN_REFUSED', message, { ...options, details: { ...options.details, reasonCode } })
    this.reasonCode = reasonCode
  }
}

/** A channel is closed, or the peer refused a request on it. */
export class ChannelError extends SshError {
  constructor(code: `ERR_SSH_CHANNEL_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, options)
  }
}

/** The peer refused to listen for us. */
export class ChannelListenError extends SshError {
  constructor(message: string, options: SshErrorOptions = {}) {
    super('ERR_SSH_CHANNEL_LISTEN_REFUSED', message, options)
  }
}

/** Something took longer than its limit: connecting, logging in, or a command. `details.timeoutMs`. */
export class TimeoutError extends SshError {
  constructor(code: `ERR_SSH_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, options)
  }
}

/** A configuration file (ssh_config, known_hosts, authorized_keys) cannot be read. `details.file`, `details.line`. */
export class ConfigParseError extends SshError {
  constructor(message: string, options: SshErrorOptions = {}) {
    super('ERR_SSH_CONFIG_PARSE', message, options)
  }
}

/** An agent cannot be reached, refused, or does not speak the agent protocol. */
export class AgentError extends SshError {
  constructor(code: `ERR_SSH_AGENT_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, options)
  }
}

/** X11 cannot be forwarded, or what came over a forwarded display is not X11. */
export class X11Error extends SshError {
  constructor(code: `ERR_SSH_X11_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, options)
  }
}

/** A tunnel device of this machine cannot be had, or failed. */
export class TunError extends SshError {
  constructor(code: `ERR_SSH_TUN_${string}`, message: string, options: SshErrorOptions = {}) {
    super(code, message, options)
  }
}
