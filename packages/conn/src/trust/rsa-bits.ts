/** How large an RSA key is. */

import { Reader } from '@ssh/wire'

/**
 * Bits of the modulus; undefined for a key of another type.
 * @param key whose blob has been read before, and is one
 */
export function rsaBits({
  algorithm,
  blob,
}: {
  readonly algorithm: string
  readonly blob: Uint8Array
}): number | undefined {
  if (algorithm !== 'ssh-rsa') return undefined
  const reader = new Reader(blob)
  // Key type and exponent (RFC 4253 §6.6).
  for (let field = 0; field < 2; field++) reader.readBytes(reader.readUint32())
  const modulus = reader.readBytes(reader.readUint32())
  const start = modulus.findIndex((byte) => byte !== 0)
  if (start === -1) return 0
  return (modulus.length - start) * 8 - (Math.clz32(modulus[start] ?? 0) - 24)
}
