/** Where the keys that may log in come from: files, text, or what was read already. */

import { z } from 'zod'
import { type AuthorizedKeys, mergeAuthorizedKeys, parseAuthorizedKeys } from '../config/authorized-keys.js'
import { readRegularFile } from '../io/files.js'
import type { Logger } from '../log.js'
import { objectWith } from '../options-schema.js'

/** authorized_keys file path(s), the text of such a file, or a parsed one. */
export const authorizedKeysSource = z.union([
  z.string().min(1),
  z.array(z.string().min(1)).readonly(),
  objectWith<AuthorizedKeys>('parsed authorized keys', 'keys'),
])

export type AuthorizedKeysSource = z.input<typeof authorizedKeysSource>

/** @throws ConfigParseError when a file cannot be read */
export async function readAuthorizedKeysSource(
  source: AuthorizedKeysSource,
  logger: Logger | undefined,
): Promise<AuthorizedKeys> {
  if (typeof source === 'object' && 'keys' in source && !Array.isArray(source)) return source as AuthorizedKeys
  const sources = typeof source === 'string' ? [source] : (source as readonly string[])
  const merged = mergeAuthorizedKeys(await Promise.all(sources.map(readOne)))
  for (const warning of merged.warnings) {
    logger?.warn?.({ layer: 'auth', event: 'authorized-key-left-out', ...warning })
  }
  return merged
}

async function readOne(source: string): Promise<AuthorizedKeys> {
  if (isAuthorizedKeysText(source)) return parseAuthorizedKeys(source)
  return parseAuthorizedKeys((await readRegularFile(source)).toString('utf8'), source)
}

/** Whether a string is the content of an authorized_keys file: it has a key type followed by a blank, as no path has. */
function isAuthorizedKeysText(source: string): boolean {
  return source.includes('\n') || /(?:^|\s)(?:ssh-|ecdsa-sha2-|sk-)\S+\s/.test(source)
}
