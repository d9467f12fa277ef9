/** Where the keys that may log in come from: files, text, or what was read already. */

import { printable } from '@ssh/wire'
import { z } from 'zod'
import { type AuthorizedKeys, mergeAuthorizedKeys, parseAuthorizedKeys } from '../config/authorized-keys.js'
import { refusePrivateKey } from '../config/key-line.js'
import { OptionsError } from '../errors.js'
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

/** @throws ConfigParseError when a file cannot be read, or has a private key in it */
export async function readAuthorizedKeysSource(
  source: AuthorizedKeysSource,
  logger: Logger | undefined,
): Promise<AuthorizedKeys> {
  if (typeof source === 'object' && 'keys' in source && !Array.isArray(source)) return source as AuthorizedKeys
  const sources = typeof source === 'string' ? [source] : (source as readonly string[])
  const files = await Promise.all(sources.map(readOne))
  for (const { keys, warnings } of files) {
    for (const warning of warnings) logger?.warn?.({ layer: 'auth', event: 'authorized-key-left-out', ...warning })
    if (keys.length > 0 || warnings.length === 0) continue
    const file = warnings[0]?.file
    logger?.warn?.({ layer: 'auth', event: 'authorized-keys-unusable', file, linesLeftOut: warnings.length })
  }
  return mergeAuthorizedKeys(files)
}

/** @throws OptionsError when not one line of what was given is a key, so that it is no list of keys at all */
export function assertUsable({ keys, warnings }: AuthorizedKeys): void {
  const [first] = warnings
  if (keys.length > 0 || first === undefined) return
  const files = [...new Set(warnings.map(({ file }) => (file === undefined ? 'the text' : printable(file))))].join(', ')
  throw new OptionsError(
    `Nobody could log in: authorizedClientKeys has no usable key; ${warnings.length} line(s) of ${files} were left out ` +
      `(line ${first.line}: ${first.message}); give public keys, one on a line`,
    { details: { file: first.file, linesLeftOut: warnings.length } },
  )
}

async function readOne(source: string): Promise<AuthorizedKeys> {
  refusePrivateKey(source, 'authorizedClientKeys')
  if (isAuthorizedKeysText(source)) return parseAuthorizedKeys(source)
  const text = (await readRegularFile(source)).toString('utf8')
  refusePrivateKey(text, 'authorizedClientKeys', source)
  return parseAuthorizedKeys(text, source)
}

/** Whether a string is the content of an authorized_keys file: it has a key type followed by a blank, as no path has. */
function isAuthorizedKeysText(source: string): boolean {
  return source.includes('\n') || /(?:^|\s)(?:ssh-|ecdsa-sha2-|sk-)\S+\s/.test(source)
}
