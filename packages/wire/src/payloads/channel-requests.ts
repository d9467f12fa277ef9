/** The type-specific part of channelRequest: RFC 4254 §6, RFC 4335, OpenSSH PROTOCOL. */

import { optionalTail, struct } from '../codec.js'
import { ascii, boolean, string, text, uint32, utf8 } from '../fields.js'
import { payloadTable } from '../payload-table.js'

export const channelRequests = payloadTable({
  'pty-req': {
    source: 'RFC 4254 §6.2',
    payload: struct('pty-req', {
      term: utf8,
      columns: uint32,
      rows: uint32,
      widthPixels: uint32,
      heightPixels: uint32,
      /** {@link encodeTerminalModes} */
      terminalModes: string,
    }),
  },
  'x11-req': {
    source: 'RFC 4254 §6.3.1',
    payload: struct('x11-req', {
      singleConnection: boolean,
      authenticationProtocol: ascii,
      authenticationCookie: ascii,
      screenNumber: uint32,
    }),
  },
  // Values are whatever bytes the client's environment holds.
  env: { source: 'RFC 4254 §6.4', payload: struct('env', { name: string, value: string }) },
  shell: { source: 'RFC 4254 §6.5', payload: struct('shell', {}) },
  exec: { source: 'RFC 4254 §6.5', payload: struct('exec', { command: string }) },
  subsystem: { source: 'RFC 4254 §6.5', payload: struct('subsystem', { name: utf8 }) },
  'window-change': {
    source: 'RFC 4254 §6.7',
    payload: struct('window-change', { columns: uint32, rows: uint32, widthPixels: uint32, heightPixels: uint32 }),
  },
  'xon-xoff': { source: 'RFC 4254 §6.8', payload: struct('xon-xoff', { clientCanDo: boolean }) },
  signal: { source: 'RFC 4254 §6.9', payload: struct('signal', { signalName: ascii }) },
  'exit-status': { source: 'RFC 4254 §6.10', payload: struct('exit-status', { exitStatus: uint32 }) },
  'exit-signal': {
    source: 'RFC 4254 §6.10',
    payload: struct('exit-signal', {
      signalName: ascii,
      coreDumped: boolean,
      errorMessage: text,
      languageTag: optionalTail(text, ''),
    }),
  },
  break: { source: 'RFC 4335 §3', payload: struct('break', { breakLengthMs: uint32 }) },
  'auth-agent-req@openssh.com': {
    source: 'OpenSSH PROTOCOL.agent',
    payload: struct('auth-agent-req@openssh.com', {}),
  },
  'eow@openssh.com': { source: 'OpenSSH PROTOCOL §2.1', payload: struct('eow@openssh.com', {}) },
  'keepalive@openssh.com': { source: 'OpenSSH', payload: struct('keepalive@openssh.com', {}) },
})

/** Extended data types (RFC 4254 §5.2). */
export const extendedDataTypes = { stderr: 1 } as const
