/** What bytes mean: an unencrypted packet, or a payload under every reading that its number allows. */

import {
  agentRequests,
  agentResponses,
  channelRequests,
  channelTypes,
  connectionMessages,
  decodeTerminalModes,
  dhKexMessages,
  disconnectReasons,
  ecdhKexMessages,
  extensions,
  globalRequests,
  groupExchangeMessages,
  keyboardInteractiveMessages,
  type MessageDefinition,
  type MessageSet,
  openFailureReasons,
  type PayloadRow,
  passwordMessages,
  printable,
  publickeyMessages,
  Reader,
  reasonName,
  SshError,
  type Struct,
  toHex,
  transportMessages,
  userauthMessages,
  userauthMethods,
} from '@ssh/wire'

type AnySet = MessageSet<readonly MessageDefinition[]>

/** Every set, and when its numbers mean what it says. */
const readings: readonly { readonly when: string; readonly set: AnySet }[] = [
  { when: '', set: transportMessages },
  { when: 'in a Diffie-Hellman key exchange', set: dhKexMessages },
  { when: 'in an ECDH, X25519 or hybrid key exchange', set: ecdhKexMessages },
  { when: 'in a Diffie-Hellman group exchange', set: groupExchangeMessages },
  { when: '', set: userauthMessages },
  { when: 'while publickey runs', set: publickeyMessages },
  { when: 'while password runs', set: passwordMessages },
  { when: 'while keyboard-interactive runs', set: keyboardInteractiveMessages },
  { when: '', set: connectionMessages },
]
const agentReadings: typeof readings = [
  { when: 'to an agent', set: agentRequests },
  { when: 'from an agent', set: agentResponses },
]

/** Lines of text about `bytes`. @param isAgent read them in the agent protocol */
export function explainBytes(bytes: Uint8Array, { isAgent = false } = {}): string[] {
  if (bytes.length === 0) return ['No bytes']
  if (isAgent) return explainPayload(agentFrame(bytes), agentReadings)
  if (Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'SSH-') {
    return [`identification string: ${printable(Buffer.from(bytes).toString('latin1').trimEnd())}`]
  }
  const packet = unencryptedPacket(bytes)
  if (packet === undefined) return explainPayload(bytes, readings)
  const { payload, paddingLength, following } = packet
  return [
    `unencrypted packet: ${payload.length} bytes of payload, ${paddingLength} of padding`,
    ...explainPayload(payload, readings),
    ...(following.length > 0 ? ['', ...explainBytes(following)] : []),
  ]
}

/** RFC 4253 §6, when that is what the bytes look like. A payload cannot: its first byte is not 0. */
function unencryptedPacket(
  bytes: Uint8Array,
): { payload: Uint8Array; paddingLength: number; following: Uint8Array } | undefined {
  if (bytes.length < 8 || bytes[0] !== 0) return undefined
  const reader = new Reader(bytes)
  const packetLength = reader.readUint32()
  const paddingLength = reader.readByte()
  if (packetLength > bytes.length - 4 || paddingLength < 4 || paddingLength > packetLength - 1) return undefined
  const payload = reader.readBytes(packetLength - 1 - paddingLength)
  return { payload, paddingLength, following: bytes.subarray(4 + packetLength) }
}

/** An agent's payload, with or without the length before it. */
function agentFrame(bytes: Uint8Array): Uint8Array {
  return bytes.length > 4 && new Reader(bytes).readUint32() === bytes.length - 4 ? bytes.subarray(4) : bytes
}

function explainPayload(payload: Uint8Array, candidates: typeof readings): string[] {
  const number = payload[0]
  if (number === undefined) return ['An empty payload']
  const matching = candidates.filter(({ set }) => set.has(number))
  if (matching.length === 0) return [`Message number ${number} is nobody's`, `  ${toHex(payload)}`]
  return matching.flatMap(({ when, set }, index) => {
    const definition = set.get(number)
    if (definition === undefined) return []
    const head = `${definition.name} (${number})  ${definition.source}${when && `  ${when}`}`
    return [...(index > 0 ? [''] : []), head, ...indent(explainMessage(definition, payload))]
  })
}

function explainMessage(definition: MessageDefinition, payload: Uint8Array): string[] {
  try {
    const message: Readonly<Record<string, unknown>> = definition.decode(payload)
    return describeFields(definition.fields, message, (field, value) =>
      meaningOf(definition.name, message, field, value),
    )
  } catch (error) {
    if (SshError.isSshError(error)) return [`not this one: ${error.message}`]
    throw error
  }
}

type Meaning = (field: string, value: unknown) => readonly string[] | undefined

function describeFields(
  fields: Readonly<Record<string, { typeName: string }>>,
  values: Readonly<Record<string, unknown>>,
  meaning: Meaning = () => undefined,
): string[] {
  const nameWidth = Math.max(0, ...Object.keys(fields).map((field) => field.length))
  return Object.entries(fields).flatMap(([field, { typeName }]) => {
    const value = values[field]
    return [`${field.padEnd(nameWidth)}  ${format(value)}  · ${typeName}`, ...indent(meaning(field, value) ?? [])]
  })
}

function format(value: unknown): string {
  if (value instanceof Uint8Array) return value.length === 0 ? '(no bytes)' : `${toHex(value)} (${value.length} bytes)`
  if (typeof value === 'string') return JSON.stringify(printable(value, 4096))
  if (Array.isArray(value)) return value.length === 0 ? '(none)' : value.map(format).join(', ')
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([name, field]) => `${name}: ${format(field)}`)
    return `{ ${fields.join(', ')} }`
  }
  return value === undefined ? '(absent)' : String(value)
}

/** The layout inside a field, where another field names it. */
function meaningOf(
  messageName: string,
  message: Readonly<Record<string, unknown>>,
  field: string,
  value: unknown,
): readonly string[] | undefined {
  if (field === 'reasonCode' && typeof value === 'number') {
    return [reasonName(messageName === 'disconnect' ? disconnectReasons : openFailureReasons, value)]
  }
  if (messageName === 'extInfo' && Array.isArray(value)) {
    return value.flatMap(({ name, value: content }) => [name, ...indent(namedPayload(extensions, name, content))])
  }
  if (!(value instanceof Uint8Array)) return undefined
  if (messageName === 'channelOpen' && field === 'typeData')
    return namedPayload(channelTypes, message.channelType, value)
  if (messageName === 'globalRequest' && field === 'requestData') {
    return namedPayload(globalRequests, message.requestName, value)
  }
  if (messageName === 'channelRequest' && field === 'requestData') {
    return namedPayload(channelRequests, message.requestType, value)
  }
  if (messageName === 'userauthRequest' && field === 'methodData') return methodPayload(message.methodName, value)
  return undefined
}

interface AnyTable {
  readonly rows: Readonly<Record<string, PayloadRow>>
  has(name: string): boolean
}

function namedPayload(table: AnyTable, name: unknown, payload: Uint8Array): string[] {
  if (typeof name !== 'string' || !table.has(name)) return []
  return describeStruct(table.rows[name]?.payload, payload)
}

/** RFC 4252 §7 and §8 tell two layouts apart by their first boolean. */
function methodPayload(methodName: unknown, payload: Uint8Array): string[] {
  const isSecond = payload[0] !== 0
  const structs = new Map<unknown, Struct<never>>([
    ['publickey', (isSecond ? userauthMethods.publickeySigned : userauthMethods.publickeyQuery) as Struct<never>],
    ['password', (isSecond ? userauthMethods.passwordChange : userauthMethods.password) as Struct<never>],
    ['keyboard-interactive', userauthMethods.keyboardInteractive as Struct<never>],
    ['hostbased', userauthMethods.hostbased as Struct<never>],
  ])
  return describeStruct(structs.get(methodName), payload)
}

function describeStruct(
  layout: Pick<PayloadRow['payload'], 'fields' | 'decode'> | undefined,
  payload: Uint8Array,
): string[] {
  if (layout === undefined) return []
  try {
    return describeFields(layout.fields, layout.decode(payload), (field, value) =>
      field === 'terminalModes' && value instanceof Uint8Array
        ? [...decodeTerminalModes(value)].map(([mode, setting]) => `${mode} ${setting}`)
        : undefined,
    )
  } catch (error) {
    if (SshError.isSshError(error)) return [`cannot be read: ${error.message}`]
    throw error
  }
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`)
}
