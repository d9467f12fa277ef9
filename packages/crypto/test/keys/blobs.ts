/** Blobs built by hand, so that tests can also build wrong ones. */

import { Writer } from '@ssh/wire'

/** Each part as a string of RFC 4251 §5: text, or bytes. */
export function blob(...parts: (string | Uint8Array)[]): Uint8Array {
  const writer = new Writer()
  for (const part of parts) writer.writeString(typeof part === 'string' ? Buffer.from(part) : part)
  return writer.finish()
}

/** The bytes of an mpint: a number with a leading zero where its first bit is set. */
export function mpintBytes(magnitude: Uint8Array): Uint8Array {
  let start = 0
  while (start < magnitude.length && magnitude[start] === 0) start++
  const minimal = magnitude.subarray(start)
  return (minimal[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), minimal]) : minimal
}

/** Name of the class and code of what `run` throws. */
export function thrownBy(run: () => unknown): { name: string; code: string; message: string } | undefined {
  try {
    run()
  } catch (error) {
    const { name, code, message } = error as Error & { code: string }
    return { name, code, message }
  }
  return undefined
}
