/** The type-specific part of channelOpen: RFC 4254 §6.1, §6.3.2, §7.2, OpenSSH PROTOCOL. */

import { struct } from '../codec.js'
import { string, uint32, utf8 } from '../fields.js'
import { payloadTable } from '../payload-table.js'

export const channelTypes = payloadTable({
  session: { source: 'RFC 4254 §6.1', payload: struct('session', {}) },
  x11: {
    source: 'RFC 4254 §6.3.2',
    payload: struct('x11', { originatorAddress: utf8, originatorPort: uint32 }),
  },
  'direct-tcpip': {
    source: 'RFC 4254 §7.2',
    payload: struct('direct-tcpip', {
      hostToConnect: utf8,
      portToConnect: uint32,
      originatorAddress: utf8,
      originatorPort: uint32,
    }),
  },
  'forwarded-tcpip': {
    source: 'RFC 4254 §7.2',
    payload: struct('forwarded-tcpip', {
      connectedAddress: utf8,
      connectedPort: uint32,
      originatorAddress: utf8,
      originatorPort: uint32,
    }),
  },
  'direct-streamlocal@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.4',
    payload: struct('direct-streamlocal@openssh.com', {
      socketPath: utf8,
      reservedString: string,
      reservedUint32: uint32,
    }),
  },
  'forwarded-streamlocal@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.4',
    payload: struct('forwarded-streamlocal@openssh.com', { socketPath: utf8, reserved: string }),
  },
  'auth-agent@openssh.com': { source: 'OpenSSH PROTOCOL.agent', payload: struct('auth-agent@openssh.com', {}) },
  'tun@openssh.com': {
    source: 'OpenSSH PROTOCOL §2.3',
    payload: struct('tun@openssh.com', { tunnelMode: uint32, remoteUnitNumber: uint32 }),
  },
})

/** Values of `tunnelMode`, and the unit number that leaves the choice to the server (OpenSSH PROTOCOL §2.3). */
export const tunnelModes = { pointToPoint: 1, ethernet: 2, anyUnit: 0x7fffffff } as const
