/** The page of messages, from the tables that encode and decode them. */

import { extendedRequests } from '../../../sftp/src/protocol/extensions.js'
import { version4, version5, version6 } from '../../../sftp/src/protocol/later-packets.js'
import { replies, requests } from '../../../sftp/src/protocol/packets.js'
import {
  agentRequests,
  agentResponses,
  channelRequests,
  channelTypes,
  connectionMessages,
  dhKexMessages,
  disconnectReasons,
  ecdhKexMessages,
  extensions,
  type Fields,
  globalRequests,
  groupExchangeMessages,
  keyboardInteractiveMessages,
  type MessageDefinition,
  openFailureReasons,
  type PayloadRow,
  passwordMessages,
  publickeyMessages,
  transportMessages,
  userauthMessages,
  userauthMethods,
} from '../../../wire/src/index.js'
import { code, page, table } from './markdown.js'

/** The page. */
export function messagesPage(): string {
  return page(
    'Messages',
    'Every layout that is spoken, as `@ssh/wire` and `@ssh/sftp` declare it. Numbers 30 to 49 and 60 to 79 mean ' +
      'another message for each method, so each method has its own set. `pnpm explain <hex>` decodes one.',
    messages('Transport', transportMessages.definitions),
    messages('Key exchange: Diffie-Hellman', dhKexMessages.definitions),
    messages('Key exchange: ECDH, X25519, hybrids', ecdhKexMessages.definitions),
    messages('Key exchange: group exchange', groupExchangeMessages.definitions),
    messages('Authentication', userauthMessages.definitions),
    messages('Authentication: while publickey runs', publickeyMessages.definitions),
    messages('Authentication: while password runs', passwordMessages.definitions),
    messages('Authentication: while keyboard-interactive runs', keyboardInteractiveMessages.definitions),
    `## Authentication: method data\n\n${table(
      ['method', 'fields'],
      Object.values(userauthMethods).map(({ typeName, fields }) => [typeName, layout(fields)]),
    )}`,
    messages('Connection', connectionMessages.definitions),
    payloads('Channel types', channelTypes.rows),
    payloads('Channel requests', channelRequests.rows),
    payloads('Global requests', globalRequests.rows),
    payloads('Extensions of EXT_INFO', extensions.rows),
    messages('Agent: requests', agentRequests.definitions),
    messages('Agent: responses', agentResponses.definitions),
    messages('SFTP: requests', Object.values(requests)),
    messages('SFTP: replies', Object.values(replies)),
    changed('SFTP: what version 4 lays out otherwise', version4, { requests, replies }),
    changed('SFTP: what version 5 lays out otherwise', version5, version4),
    changed('SFTP: what version 6 lays out otherwise', version6, version5),
    payloads('SFTP: extended requests', extendedRequests.rows),
    numbers('Reasons of a disconnect (RFC 4253 §11.1)', disconnectReasons),
    numbers('Reasons of a refused channel (RFC 4254 §5.1)', openFailureReasons),
  )
}

type Declared = Pick<MessageDefinition, 'name' | 'number' | 'source' | 'fields'>

function messages(title: string, definitions: readonly Declared[]): string {
  const rows = definitions.map(({ number, name, fields, source }) => [
    String(number),
    code(name),
    layout(fields),
    source,
  ])
  return `## ${title}\n\n${table(['number', 'message', 'fields', 'source'], rows)}`
}

interface SftpVersion {
  readonly requests: Readonly<Record<string, Declared>>
  readonly replies: Readonly<Record<string, Declared>>
}

/** Messages of a version whose layout is not that of the version before. */
function changed(title: string, version: SftpVersion, before: SftpVersion): string {
  const differs = (now: SftpVersion['requests'], then: SftpVersion['requests']) =>
    Object.values(now).filter((definition) => {
      const earlier = then[definition.name]
      return earlier === undefined || layout(earlier.fields) !== layout(definition.fields)
    })
  return messages(title, [...differs(version.requests, before.requests), ...differs(version.replies, before.replies)])
}

function payloads(title: string, rows: Readonly<Record<string, PayloadRow>>): string {
  const body = Object.entries(rows).map(([name, { payload, source }]) => [code(name), layout(payload.fields), source])
  return `## ${title}\n\n${table(['name', 'fields', 'source'], body)}`
}

function numbers(title: string, reasons: Readonly<Record<string, number>>): string {
  return `## ${title}\n\n${table(
    ['number', 'reason'],
    Object.entries(reasons).map(([name, number]) => [String(number), code(name)]),
  )}`
}

function layout(fields: Fields): string {
  const parts = Object.entries(fields).map(([name, { typeName }]) => `${code(name)} ${typeName}`)
  return parts.length === 0 ? 'none' : parts.join(', ')
}
