/** Global requests: RFC 4254 §7.1, OpenSSH PROTOCOL. */

import { repeated, struct } from '../codec.js'
import { string, uint32, utf8 } from '../fields.js'
import { payloadTable } from '../payload-table.js'

export const globalRequests = payloadTable({
  'tcpip-forward': {
    source: 'RFC 4254 §7.1',
    payload: struct('tcpip-forward', { bindAddress: utf8, bindPort: uint32 }),
  },
  'cancel-tcpip-forward': {
    source: 'RFC 4254 §7.1',
    payload: struct('cancel-tcpip-forward', { bindAddress: utf8, bindPort: uint32 }),
  },
  'streamlocal-forward@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.4',
    payload: struct('streamlocal-forward@openssh.com', { socketPath: utf8 }),
  },
  'cancel-streamlocal-forward@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.4',
    payload: struct('cancel-streamlocal-forward@openssh.com', { socketPath: utf8 }),
  },
  'keepalive@openssh.com': { source: 'OpenSSH', payload: struct('keepalive@openssh.com', {}) },
  'no-more-sessions@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.2',
    payload: struct('no-more-sessions@openssh.com', {}),
  },
  'hostkeys-00@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.5',
    payload: struct('hostkeys-00@openssh.com', { hostKeys: repeated(string) }),
  },
  'hostkeys-prove-00@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.5',
    payload: struct('hostkeys-prove-00@openssh.com', { hostKeys: repeated(string) }),
  },
})

/** What the reply to a `tcpip-forward` for port 0 carries (RFC 4254 §7.1). */
export const tcpipForwardReply = struct('tcpip-forward reply', { boundPort: uint32 })

/** What the reply to `hostkeys-prove-00@openssh.com` carries: a signature for each key asked about, in order. */
export const hostKeysProveReply = struct('hostkeys-prove reply', { signatures: repeated(string) })

/** What each of those signatures covers (OpenSSH PROTOCOL §2.5). */
export const hostKeyProof = struct('host key proof', {
  requestName: utf8,
  sessionIdentifier: string,
  hostKey: string,
})
