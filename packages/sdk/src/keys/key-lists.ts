/** Lists of keys in files: known_hosts and authorized_keys. */

import {
  type AuthorizedKeys,
  type KnownHosts,
  mergeAuthorizedKeys,
  mergeKnownHosts,
  parseAuthorizedKeys,
  parseKnownHosts,
  readRegularFile,
  refusePrivateKey,
} from '@ssh/conn'

/**
 * Reads known_hosts files, for the option `knownHosts`. A line that cannot be read is left out and told in `warnings`.
 * @param paths one path, or several that count as one file; `~/` is the home directory
 * @throws ConfigParseError when a file cannot be read, or has a private key in it; `details.file`
 */
export async function readKnownHosts(paths: string | readonly string[]): Promise<KnownHosts> {
  return mergeKnownHosts(await readEach('known hosts', paths, parseKnownHosts))
}

/**
 * Reads authorized_keys files, for the option `authorizedClientKeys`. A line that is not understood in full grants
 * nothing and is told in `warnings`.
 * @param paths one path, or several that count as one file; `~/` is the home directory
 * @throws ConfigParseError when a file cannot be read, or has a private key in it; `details.file`
 */
export async function readAuthorizedKeys(paths: string | readonly string[]): Promise<AuthorizedKeys> {
  return mergeAuthorizedKeys(await readEach('authorized keys', paths, parseAuthorizedKeys))
}

function readEach<T>(
  what: string,
  paths: string | readonly string[],
  parse: (text: string, file: string) => T,
): Promise<T[]> {
  const list = typeof paths === 'string' ? [paths] : paths
  return Promise.all(
    list.map(async (path) => {
      const text = (await readRegularFile(path)).toString('utf8')
      refusePrivateKey(text, what, path)
      return parse(text, path)
    }),
  )
}
