/** Reads what a server's options name: host keys and authorized keys. */

import { type PrivateKey, signatureAlgorithms } from '@ssh/crypto'
import { chooseAlgorithms } from '../algorithm-lists.js'
import { withoutUndefined } from '../client/options-from-config.js'
import { ConfigParseError, OptionsError } from '../errors.js'
import { loadNamedKeys } from '../key-source.js'
import { choosePreferences, chooseUserSignatures } from '../protocol-options.js'
import type { PreparedServerOptions } from './accept-connection.js'
import { assertUsable, readAuthorizedKeysSource } from './authorized-keys-source.js'
import {
  connectionOptionsFromConfig,
  hostKeyAlgorithmsFromConfig,
  type ServerConfigNotice,
} from './options-from-config.js'
import { readServerConfig, type ServerConfigFile } from './resolve-config.js'
import type { ParsedServerConnectionOptions } from './server-options.js'
import { methodsOf, requiredMethods } from './user-policy.js'

/**
 * @throws KeyImportError, KeyEncryptionError when a host key cannot be used
 * @throws ConfigParseError when a file cannot be read
 * @throws OptionsError when nobody could log in, an algorithm list names what nobody knows, or a host key is not one
 *   this process can sign with
 */
export async function prepareServerOptions(given: ParsedServerConnectionOptions): Promise<PreparedServerOptions> {
  const config = typeof given.config === 'string' ? await readServerConfig(given.config) : given.config
  if (given.authorizedClientKeys === undefined && given.serverFactory === undefined && config === undefined) {
    throw new OptionsError(
      'Nobody could log in: give authorizedClientKeys, or a serverFactory whose callbacks decide who may',
    )
  }
  const notice = (message: ServerConfigNotice) =>
    given.logger?.warn?.({ layer: 'config', event: 'keyword-not-followed', ...message })
  const options = { ...(config && connectionOptionsFromConfig(config, notice)), ...withoutUndefined(given) }
  for (const warning of config?.global.warnings ?? []) {
    given.logger?.warn?.({ layer: 'config', event: 'line-without-effect', ...warning })
  }
  if (config !== undefined && options.requiredAuth === undefined) assertPossible(config)
  if (options.serverHostKeys === undefined) {
    throw new OptionsError(
      'Invalid options for a server: serverHostKeys: must be given, or HostKey in the file of config',
    )
  }
  const hostKeyNames = chooseAlgorithms(
    'HostKeyAlgorithms',
    config && hostKeyAlgorithmsFromConfig(config),
    signatureAlgorithms,
  )
  const algorithms = choosePreferences('server', options, hostKeyNames)
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
  const authorizedKeys = await readAuthorizedKeysSource(options.authorizedClientKeys ?? [], options.logger)
  const { serverFactory } = options
  if (config === undefined && (serverFactory === undefined || serverFactory.admitsNobody)) assertUsable(authorizedKeys)
  return { given, options, config, hostKeys, authorizedKeys, algorithms, userSignatures }
}

/** As sshd: methods that nobody could complete should be heard of now, and not by the first user. */
function assertPossible({ file, global }: ServerConfigFile): void {
  const methods = methodsOf(global.values, undefined)
  if (methods.size > 0 && requiredMethods(global.values, methods)?.length !== 0) return
  throw new ConfigParseError(
    `Nobody could log in by ${file}: AuthenticationMethods asks for methods that are off, or every method is off`,
    { details: { file } },
  )
}
