/** Key exchange messages 30–49: one set per method family, because the families reuse the numbers. */

import { mpint, string, uint32 } from '../fields.js'
import { type MessagesOf, message, messageSet } from '../message.js'

/** RFC 4253 §8: Diffie-Hellman with a fixed group. */
export const dhKexMessages = messageSet(
  message('kexInitiate', 30, 'RFC 4253 §8', { publicValue: mpint }),
  message('kexReply', 31, 'RFC 4253 §8', { hostKey: string, publicValue: mpint, signature: string }),
)

/**
 * RFC 5656 §4, and everything built on its layout: RFC 8731 (X25519) and the hybrids with a post-quantum KEM.
 * The public value is opaque bytes here, not an mpint.
 */
export const ecdhKexMessages = messageSet(
  message('kexInitiate', 30, 'RFC 5656 §4', { publicValue: string }),
  message('kexReply', 31, 'RFC 5656 §4', { hostKey: string, publicValue: string, signature: string }),
)

/** RFC 4419: Diffie-Hellman with a group that the server chooses. */
export const groupExchangeMessages = messageSet(
  message('groupRequestOld', 30, 'RFC 4419 §5', { preferred: uint32 }),
  message('group', 31, 'RFC 4419 §3', { prime: mpint, generator: mpint }),
  message('kexInitiate', 32, 'RFC 4419 §3', { publicValue: mpint }),
  message('kexReply', 33, 'RFC 4419 §3', { hostKey: string, publicValue: mpint, signature: string }),
  message('groupRequest', 34, 'RFC 4419 §3', { minimum: uint32, preferred: uint32, maximum: uint32 }),
)

export type DhKexMessage = MessagesOf<typeof dhKexMessages>
export type EcdhKexMessage = MessagesOf<typeof ecdhKexMessages>
export type GroupExchangeMessage = MessagesOf<typeof groupExchangeMessages>
