/** Every key exchange algorithm, in order of preference: add one by adding its row. */

import { registry } from '../registry.js'
import { curve25519 } from './curve25519.js'
import { dhGroup } from './dh-group.js'
import { modpGroup14, modpGroup16, modpGroup18 } from './dh-primes.js'
import { ecdh } from './ecdh-nistp.js'
import type { KexAlgorithm } from './kex.js'
import { mlkem768X25519 } from './mlkem768-x25519.js'

/** The key exchange algorithms: the hybrid first, because what is recorded today may be broken later. */
export const kexAlgorithms = registry<KexAlgorithm>(
  mlkem768X25519({
    name: 'mlkem768x25519-sha256',
    status: 'default',
    source: 'draft-ietf-sshm-mlkem-hybrid-kex §2',
  }),
  curve25519({ name: 'curve25519-sha256', status: 'default', source: 'RFC 8731' }),
  curve25519({ name: 'curve25519-sha256@libssh.org', status: 'default', source: 'RFC 8731 §1' }),
  ecdh({
    name: 'ecdh-sha2-nistp256',
    status: 'default',
    source: 'RFC 5656 §4',
    hash: 'sha256',
    curve: { nodeName: 'prime256v1', title: 'P-256', bits: 256 },
  }),
  ecdh({
    name: 'ecdh-sha2-nistp384',
    status: 'default',
    source: 'RFC 5656 §4',
    hash: 'sha384',
    curve: { nodeName: 'secp384r1', title: 'P-384', bits: 384 },
  }),
  ecdh({
    name: 'ecdh-sha2-nistp521',
    status: 'default',
    source: 'RFC 5656 §4',
    hash: 'sha512',
    curve: { nodeName: 'secp521r1', title: 'P-521', bits: 521 },
  }),
  dhGroup({
    name: 'diffie-hellman-group14-sha256',
    status: 'default',
    source: 'RFC 8268 §3',
    hash: 'sha256',
    group: modpGroup14,
  }),
  dhGroup({
    name: 'diffie-hellman-group16-sha512',
    status: 'default',
    source: 'RFC 8268 §3',
    hash: 'sha512',
    group: modpGroup16,
    isCostly: true,
  }),
  dhGroup({
    name: 'diffie-hellman-group18-sha512',
    status: 'default',
    source: 'RFC 8268 §3',
    hash: 'sha512',
    group: modpGroup18,
    isCostly: true,
  }),
)
