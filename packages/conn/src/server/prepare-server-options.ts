/** Reads what a server's options name: host keys and authorized keys. */

import { type PrivateKey, signatureAlgorithms } from '@ssh/crypto'
import { OptionsError } from '../errors.js'
import { loadNamedKeys } from '../key-source.js'
import { choosePreferences, chooseUserSignatures } from '../protocol-options.js'
import type { PreparedServerOptions } from './accept-connection.js'
import { readAuthorizedKeysSource } from './authorized-keys-source.js'
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
  const authorizedKeys = await readAuthorizedKeysSource(options.authorizedClientKeys ?? [], options.logger)
  return { options, hostKeys, authorizedKeys, algorithms, userSignatures }
}
