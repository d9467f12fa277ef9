/** Connection messages 80–100: RFC 4254. */

import { optionalTail } from '../codec.js'
import { ascii, boolean, rest, string, text, uint32 } from '../fields.js'
import { type MessagesOf, message, messageSet } from '../message.js'

export const globalRequest = message('globalRequest', 80, 'RFC 4254 §4', {
  requestName: ascii,
  wantReply: boolean,
  /** Layout by name: payloads/global-requests.ts. */
  requestData: rest,
})

export const requestSuccess = message('requestSuccess', 81, 'RFC 4254 §4', { responseData: rest })

export const requestFailure = message('requestFailure', 82, 'RFC 4254 §4', {})

export const channelOpen = message('channelOpen', 90, 'RFC 4254 §5.1', {
  channelType: ascii,
  senderChannel: uint32,
  initialWindowSize: uint32,
  maximumPacketSize: uint32,
  /** Layout by type: payloads/channel-types.ts. */
  typeData: rest,
})

export const channelOpenConfirmation = message('channelOpenConfirmation', 91, 'RFC 4254 §5.1', {
  recipientChannel: uint32,
  senderChannel: uint32,
  initialWindowSize: uint32,
  maximumPacketSize: uint32,
  typeData: rest,
})

export const channelOpenFailure = message('channelOpenFailure', 92, 'RFC 4254 §5.1', {
  recipientChannel: uint32,
  reasonCode: uint32,
  description: optionalTail(text, ''),
  languageTag: optionalTail(text, ''),
})

export const channelWindowAdjust = message('channelWindowAdjust', 93, 'RFC 4254 §5.2', {
  recipientChannel: uint32,
  bytesToAdd: uint32,
})

export const channelData = message('channelData', 94, 'RFC 4254 §5.2', { recipientChannel: uint32, data: string })

export const channelExtendedData = message('channelExtendedData', 95, 'RFC 4254 §5.2', {
  recipientChannel: uint32,
  dataTypeCode: uint32,
  data: string,
})

export const channelEof = message('channelEof', 96, 'RFC 4254 §5.3', { recipientChannel: uint32 })

export const channelClose = message('channelClose', 97, 'RFC 4254 §5.3', { recipientChannel: uint32 })

export const channelRequest = message('channelRequest', 98, 'RFC 4254 §5.4', {
  recipientChannel: uint32,
  requestType: ascii,
  wantReply: boolean,
  /** Layout by type: payloads/channel-requests.ts. */
  requestData: rest,
})

export const channelSuccess = message('channelSuccess', 99, 'RFC 4254 §5.4', { recipientChannel: uint32 })

export const channelFailure = message('channelFailure', 100, 'RFC 4254 §5.4', { recipientChannel: uint32 })

export const connectionMessages = messageSet(
  globalRequest,
  requestSuccess,
  requestFailure,
  channelOpen,
  channelOpenConfirmation,
  channelOpenFailure,
  channelWindowAdjust,
  channelData,
  channelExtendedData,
  channelEof,
  channelClose,
  channelRequest,
  channelSuccess,
  channelFailure,
)

export type ConnectionMessage = MessagesOf<typeof connectionMessages>
