/**
 * How one direction of a connection protects its packets. A cipher and the MAC that goes with it, or an AEAD alone,
 * become one object, so that the packet layer has a single shape to work with and never asks which mode it is in.
 *
 * A packet is, before protection (RFC 4253 §6): uint32 packet_length, byte padding_length, payload, padding.
 */

/** Facts that both directions share. */
export interface PacketCipher {
  /** The packet (see `lengthIsAligned`) must be a multiple of this; at least 8. */
  readonly blockSize: number
  /**
   * Whether the four length bytes count towards that multiple: true where they are encrypted with the rest,
   * false for AEAD ciphers and encrypt-then-MAC.
   */
  readonly lengthIsAligned: boolean
  /** Bytes that follow the packet: tag or MAC; 0 before the first key exchange. */
  readonly tagLength: number
}

/** Protects outgoing packets. */
export interface PacketSealer extends PacketCipher {
  /**
   * Protects one packet in place.
   * @param packet the whole unprotected packet from its length field on, followed by `tagLength` spare bytes
   * @param sequenceNumber uint32 of this packet
   * @returns `packet`, which is what goes on the wire now
   */
  seal(packet: Buffer, sequenceNumber: number): Buffer
}

/** Opens incoming packets. */
export interface PacketOpener extends PacketCipher {
  /** Bytes that must be there before `openLength` can tell how long the packet is. */
  readonly headLength: number
  /** Whether what `open` returns is a part of `packet`, and not memory of its own. */
  readonly opensInPlace: boolean
  /**
   * The packet_length field, not authenticated yet in every mode. Called exactly once per packet.
   * @param head the first `headLength` bytes of the packet
   */
  openLength(head: Uint8Array, sequenceNumber: number): number
  /**
   * Checks and decrypts one packet after its `openLength`.
   * @param packet from the length field to the end of the tag: 4 + packet_length + tagLength bytes; may be overwritten
   * @returns padding_length, payload and padding: packet_length bytes
   * @throws CryptoError `ERR_SSH_CRYPTO_INTEGRITY` when the tag does not fit
   */
  open(packet: Buffer, sequenceNumber: number): Uint8Array
}
