/**
 * Hands bytes on as a socket does whose memory is used for others right after: whoever keeps a view instead of a copy
 * finds rubbish in it, and every test that goes through here proves that nobody does.
 */
export function lend(bytes: Uint8Array, receive: (borrowed: Uint8Array) => void): void {
  const borrowed = Uint8Array.from(bytes)
  receive(borrowed)
  borrowed.fill(0xa5)
}
