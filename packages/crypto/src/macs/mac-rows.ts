/** Every MAC, in order of preference: add one by adding its row. Encrypt-then-MAC first, SHA-1 last. */

import { registry } from '../registry.js'
import { hmac } from './hmac.js'
import type { MacAlgorithm } from './mac.js'

const sha256 = { status: 'default', hash: 'sha256', length: 32 } as const
const sha512 = { status: 'default', hash: 'sha512', length: 64 } as const
/** HMAC does not need collision resistance, so SHA-1's fall does not touch it; old servers have nothing else. */
const sha1 = { status: 'default', hash: 'sha1', length: 20 } as const
const etm = { isEncryptThenMac: true, source: 'OpenSSH PROTOCOL §1.5' } as const
const plain = { isEncryptThenMac: false } as const

/** The MACs, for the ciphers that are not AEADs. */
export const macs = registry<MacAlgorithm>(
  hmac({ ...sha256, ...etm, name: 'hmac-sha2-256-etm@openssh.com' }),
  hmac({ ...sha512, ...etm, name: 'hmac-sha2-512-etm@openssh.com' }),
  hmac({ ...sha256, ...plain, name: 'hmac-sha2-256', source: 'RFC 6668 §2' }),
  hmac({ ...sha512, ...plain, name: 'hmac-sha2-512', source: 'RFC 6668 §2' }),
  hmac({ ...sha1, ...etm, name: 'hmac-sha1-etm@openssh.com' }),
  hmac({ ...sha1, ...plain, name: 'hmac-sha1', source: 'RFC 4253 §6.4' }),
)
