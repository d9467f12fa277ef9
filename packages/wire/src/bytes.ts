/** Small operations on byte arrays that every layer needs. */

/** Joins chunks into one new array; a single chunk is returned as it is. */
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks
  if (chunks.length === 1 && first !== undefined) return first
  let length = 0
  for (const chunk of chunks) length += chunk.length
  const joined = Buffer.allocUnsafe(length)
  let offset = 0
  for (const chunk of chunks) {
    joined.set(chunk, offset)
    offset += chunk.length
  }
  return joined
}

/** Whether two arrays hold the same bytes. Not constant-time: never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('hex')
}

/** Base64 as RFC 4648 §4; `padded` false drops the trailing `=` as OpenSSH does in fingerprints. */
export function toBase64(bytes: Uint8Array, padded = true): string {
  const text = asBuffer(bytes).toString('base64')
  return padded ? text : text.replace(/=+$/, '')
}

/** UTF-8 bytes of `text`. */
export function toUtf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

/** The same memory seen as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Overwrites a secret with zeros. */
export function wipe(bytes: Uint8Array): void {
  bytes.fill(0)
}

/** The unsigned big-endian number in `bytes`. */
export function toBigInt(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${toHex(bytes)}`)
}

/** Minimal unsigned big-endian bytes of a number that is not negative; no bytes for zero. */
export function fromBigInt(value: bigint): Uint8Array {
  if (value < 0n) throw new RangeError('fromBigInt takes a number that is not negative')
  if (value === 0n) return new Uint8Array(0)
  const hex = value.toString(16)
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
}
