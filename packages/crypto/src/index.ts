/**
 * Ciphers, MACs, key exchange, keys and key file formats over node:crypto. Pure compute: no sockets, no packets.
 * @see RFC 4253 §6–§8
 */

// Ciphers
export type { AlgorithmStatus, CipherAlgorithm, KeyedMac } from './ciphers/cipher.js'
export { ciphers } from './ciphers/cipher-rows.js'
export { noneOpener, noneSealer } from './ciphers/none.js'
export type { PacketCipher, PacketOpener, PacketSealer } from './ciphers/packet-cipher.js'
// Compression
export type { CompressionAlgorithm, Compressor, Decompressor } from './compression/compression.js'
export { compressionAlgorithms } from './compression/compression-rows.js'
// Errors
export { CryptoError, type CryptoErrorCode, KeyEncryptionError, KeyExportError, KeyImportError } from './errors.js'
// Key exchange
export { type DhGroup, initiateDh, respondDh } from './kex/dh-group.js'
export type { HashName, KexAlgorithm, KexInitiation, KexResponse } from './kex/kex.js'
export { kexAlgorithms } from './kex/kex-rows.js'
// MACs
export type { MacAlgorithm } from './macs/mac.js'
export { macs } from './macs/mac-rows.js'
// Registries, randomness, secrets
export { type RandomSource, systemRandom } from './random.js'
export { type AlgorithmRow, type Registry, registry } from './registry.js'
export { Secret } from './secret.js'
