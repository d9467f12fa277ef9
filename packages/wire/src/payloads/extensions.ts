/** Values of extInfo's extensions: RFC 8308 §3, OpenSSH PROTOCOL. A value here is the content of the value string. */

import { struct } from '../codec.js'
import { nameList, rest } from '../fields.js'
import { payloadTable } from '../payload-table.js'

export const extensions = payloadTable({
  'server-sig-algs': { source: 'RFC 8308 §3.1', payload: struct('server-sig-algs', { algorithms: rest }) },
  'delay-compression': {
    source: 'RFC 8308 §3.2',
    payload: struct('delay-compression', {
      compressionAlgorithmsClientToServer: nameList,
      compressionAlgorithmsServerToClient: nameList,
    }),
  },
  'no-flow-control': { source: 'RFC 8308 §3.3', payload: struct('no-flow-control', { preference: rest }) },
  elevation: { source: 'RFC 8308 §3.4', payload: struct('elevation', { preference: rest }) },
  'global-requests-ok': {
    source: 'draft-ssh-global-requests-ok-00',
    payload: struct('global-requests-ok', { reserved: rest }),
  },
  'ping@openssh.com': { source: 'OpenSSH PROTOCOL §1.9', payload: struct('ping@openssh.com', { version: rest }) },
  'publickey-hostbound@openssh.com': {
    source: 'OpenSSH PROTOCOL §3.1',
    payload: struct('publickey-hostbound@openssh.com', { version: rest }),
  },
})

/** How an extension is announced in the key exchange algorithms (RFC 8308 §2.1, OpenSSH PROTOCOL §1.10). */
export const kexIndicators = {
  extInfoClient: 'ext-info-c',
  extInfoServer: 'ext-info-s',
  strictClient: 'kex-strict-c-v00@openssh.com',
  strictServer: 'kex-strict-s-v00@openssh.com',
} as const
