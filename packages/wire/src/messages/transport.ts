/** Transport messages: RFC 4253 (1–21), RFC 8308 (7), OpenSSH's ping (192, 193). */

import { list, optionalTail, struct } from '../codec.js'
import { ascii, boolean, fixedBytes, nameList, string, text, uint32 } from '../fields.js'
import { type MessagesOf, message, messageSet } from '../message.js'

export const disconnect = message('disconnect', 1, 'RFC 4253 §11.1', {
  reasonCode: uint32,
  // Old peers stop after the reason.
  description: optionalTail(text, ''),
  languageTag: optionalTail(text, ''),
})

export const ignore = message('ignore', 2, 'RFC 4253 §11.2', { data: optionalTail(string, new Uint8Array(0)) })

export const unimplemented = message('unimplemented', 3, 'RFC 4253 §11.4', { packetSequenceNumber: uint32 })

export const debug = message('debug', 4, 'RFC 4253 §11.3', {
  alwaysDisplay: boolean,
  message: text,
  languageTag: optionalTail(text, ''),
})

export const serviceRequest = message('serviceRequest', 5, 'RFC 4253 §10', { serviceName: ascii })

export const serviceAccept = message('serviceAccept', 6, 'RFC 4253 §10', { serviceName: ascii })

/** One extension of {@link extInfo}; the value's layout depends on the name (payloads/extensions.ts). */
export const extension = struct('extension', { name: ascii, value: string })

export const extInfo = message('extInfo', 7, 'RFC 8308 §2.3', { extensions: list(extension, 8) })

export const kexInit = message('kexInit', 20, 'RFC 4253 §7.1', {
  cookie: fixedBytes(16),
  kexAlgorithms: nameList,
  serverHostKeyAlgorithms: nameList,
  encryptionAlgorithmsClientToServer: nameList,
  encryptionAlgorithmsServerToClient: nameList,
  macAlgorithmsClientToServer: nameList,
  macAlgorithmsServerToClient: nameList,
  compressionAlgorithmsClientToServer: nameList,
  compressionAlgorithmsServerToClient: nameList,
  languagesClientToServer: nameList,
  languagesServerToClient: nameList,
  firstKexPacketFollows: boolean,
  reserved: uint32,
})

export const newKeys = message('newKeys', 21, 'RFC 4253 §7.3', {})

export const ping = message('ping', 192, 'OpenSSH PROTOCOL §1.9', { data: string })

export const pong = message('pong', 193, 'OpenSSH PROTOCOL §1.9', { data: string })

/** Every transport message that means the same whatever key exchange is running. */
export const transportMessages = messageSet(
  disconnect,
  ignore,
  unimplemented,
  debug,
  serviceRequest,
  serviceAccept,
  extInfo,
  kexInit,
  newKeys,
  ping,
  pong,
)

export type TransportMessage = MessagesOf<typeof transportMessages>
