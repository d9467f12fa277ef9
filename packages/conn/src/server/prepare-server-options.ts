/** Reads what a server's options name: host keys and authorized keys. */

import { type PrivateKey, signatureAlgorithms } from '@ssh/crypto'
import { type AuthorizedKeys, mergeAuthorizedKeys, parseAuthorizedKeys } from '../config/authorized-keys.js'
import { OptionsError } from '../errors.js'
import { readRegularFile } from '../io/files.js'
import { loadNamedKeys } from '../key-source.js'
import { choosePreferences, chooseUserSignatures } from '../protocol-options.js'
import type { PreparedServerOptions } from './accept-connection.js'
import type { ParsedServerConnectionOptions } from './server-options.js'

/**
 * @throws KeyImportError, KeyEncryptionError when a host key cannot be used
 * @throws ConfigParseError when a file cannot be read
 * @throws OptionsError when nobody could log in, an algorithm list names what nobody knows, or a host key is not one
 *   this process can sign with
 */
export async function prepareServerOptions(options: ParsedServerConnectionOptions): Promise<PreparedServerOptions> {
  if (options.authorizedClientKeys === undefined && options.serverFactory === undefined) {
    throw new OptionsError(
      'Nobody could log in: give authorizedClientKeys, or a serverFactory whose callbacks decide who may',
    )
  }
  const algorithms = choosePreferences('server', options, signatureAlgorithms.defaultNames)
  const userSignatures = chooseUserSignatures(options)
  const signers = await loadNamedKeys(options.serverHostKeys, options.passphrase)
  const hostKeys = signers.map((signer) => {
    if ('convertToPublic' in signer) return signer as PrivateKey
    throw new OptionsError('serverHostKeys must be private keys of this process; agents cannot prove a host')
  })
  const canProve = (key: PrivateKey) => key.signatureAlgorithms.some((name) => algorithms.serverHostKey.includes(name))
  if (!hostKeys.some(canProve)) {
    const types = hostKeys.map((key) => key.algorithm).join(', ')
    throw new OptionsError(
      `None of serverHostKeys (${types}) can sign by ${algorithms.serverHostKey.join(', ')}; give an Ed25519, ECDSA or RSA key`,
    )
  }
  const authorizedKeys = await readAuthorizedKeys(options, options.authorizedClientKeys)
  return { options, hostKeys, authorizedKeys, algorithms, userSignatures }
}

async function readAuthorizedKeys(
  options: ParsedServerConnectionOptions,
  source: ParsedServerConnectionOptions['authorizedClientKeys'],
): Promise<AuthorizedKeys> {
  if (source === undefined) return { keys: [], warnings: [] }
  if (typeof source === 'object' && 'keys' in source && !Array.isArray(source)) return source as AuthorizedKeys
  const sources = typeof source === 'string' ? [source] : (source as readonly string[])
  const files = await Promise.all(sources.map(readOne))
  const merged = mergeAuthorizedKeys(files)
  for (const warning of merged.warnings) {
    options.logger?.warn?.({ layer: 'auth', event: 'authorized-key-left-out', ...warning })
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
