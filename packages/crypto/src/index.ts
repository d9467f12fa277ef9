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
// Key files
export { importPrivateKey, importPrivateKeyList, type PrivateKeyImportOptions } from './formats/import-private-key.js'
export { importPublicKey, importPublicKeyList } from './formats/import-public-key.js'
export { opensshKeyCiphers } from './formats/openssh-key-ciphers.js'
export { outerPublicKey } from './formats/outer-public-key.js'
// Key exchange
export { initiateDh, respondDh } from './kex/dh-group.js'
export { type DhGroup, modpGroup14, modpGroup16, modpGroup18 } from './kex/dh-primes.js'
export type { HashName, KexAlgorithm, KexInitiation, KexResponse } from './kex/kex.js'
export { kexAlgorithms } from './kex/kex-rows.js'
// Keys
export type { KeyExportOptions, PrivateKeyFormat, PublicKeyFormat } from './keys/export-options.js'
export { type FingerprintHash, fingerprint } from './keys/fingerprint.js'
export { type GeneratedKeyAlgorithm, generatePrivateKey, type KeyGenerationOptions } from './keys/generate.js'
export type { PrivateKey, PublicKey, Signer } from './keys/key.js'
export type { KeyType } from './keys/key-type.js'
export { keyTypes } from './keys/key-types.js'
export { encodePrivateKey, readPrivateKey } from './keys/private-key.js'
export { parsePublicKey } from './keys/public-key.js'
export {
  encodeSignature,
  parseSignature,
  type Signature,
  type SignatureAlgorithm,
  signatureAlgorithms,
} from './keys/signature.js'
// MACs
export type { MacAlgorithm } from './macs/mac.js'
export { macs } from './macs/mac-rows.js'
// Registries, randomness, secrets
export { type RandomSource, randomFraction, systemRandom } from './random.js'
export { type AlgorithmRow, type Registry, registry } from './registry.js'
export { Secret } from './secret.js'
