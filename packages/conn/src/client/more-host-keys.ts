/** Host keys that are known, or refused, beside known_hosts: KnownHostsCommand and RevokedHostKeys of ssh_config. */

import type { PublicKey } from '@ssh/crypto'
import { equalBytes, printable, toBase64 } from '@ssh/wire'
import { type ConfigTokens, expandTokens } from '../config/config-tokens.js'
import { decodeBase64, forEachLine, splitField } from '../config/key-line.js'
import { type KnownHosts, parseKnownHosts } from '../config/known-hosts.js'
import { ConfigParseError } from '../errors.js'
import { outputOf } from '../io/config-machine.js'
import { readRegularFile } from '../io/files.js'

/** What a program is run for, and about which key, once there is one. */
export interface HostKeyQuestion {
  /** The name that is looked for, as in the file. */
  readonly name: string
  readonly key: PublicKey | undefined
}

/**
 * Lines of known_hosts that a program prints.
 * @param argv with the tokens of KnownHostsCommand in it
 * @param tokens those that do not depend on the question
 * @throws ConfigParseError when it cannot be run, or does not end as it should: then nobody knows whom to trust
 */
export async function askKnownHostsCommand(
  argv: readonly string[],
  tokens: ConfigTokens,
  { name, key }: HostKeyQuestion,
): Promise<KnownHosts> {
  const all: ConfigTokens = new Map([
    ...tokens,
    ['H', name],
    ['I', key === undefined ? 'ORDER' : 'HOSTNAME'],
    ['t', key?.algorithm ?? 'NONE'],
    ['f', key?.getFingerprint() ?? 'NONE'],
    ['K', key === undefined ? 'NONE' : toBase64(key.blob)],
  ])
  const options = { keyword: 'knownHostsCommand', tokens: all, variables: process.env }
  const words = argv.map((word) => {
    const expanded = expandTokens(word, options)
    if (!expanded.startsWith('-') || word.startsWith('-')) return expanded
    const why = `"${printable(expanded, 128)}" may look like an option, and is not passed on to the program`
    throw new ConfigParseError(`knownHostsCommand: ${why}`, { details: { keyword: 'knownHostsCommand' } })
  })
  const text = await outputOf(words)
  return parseKnownHosts(text, `the output of ${argv[0]}`)
}

/** Keys that are refused wherever they turn up. */
export interface RevokedKeys {
  readonly file: string
  readonly blobs: readonly Uint8Array[]
}

/** How a key revocation list of ssh-keygen begins. */
const krlMagic = 'SSHKRL\n\0'

/**
 * Reads a list of keys, one per line.
 * @param option who names it, for errors
 * @throws ConfigParseError when it cannot be read, or is a key revocation list, or a line is no key: a list that is not
 *   understood in full refuses too little
 */
export async function readRevokedKeys(option: string, file: string): Promise<RevokedKeys> {
  const content = await readRegularFile(file)
  if (content.subarray(0, krlMagic.length).toString('latin1') === krlMagic) {
    throw new ConfigParseError(
      `${option} ${file} is a key revocation list (KRL), which is not supported yet; give a file with one public key per line`,
      { details: { file } },
    )
  }
  const blobs: Uint8Array[] = []
  const refuse = (line: number, why: string): never => {
    throw new ConfigParseError(`${option} ${file}, line ${line}: ${why}; expected a public key: type, base64`, {
      details: { file, line },
    })
  }
  forEachLine(
    content.toString('utf8'),
    (text, line) => {
      const [, rest] = splitField(text)
      const [base64] = splitField(rest)
      blobs.push(decodeBase64(base64) ?? refuse(line, 'this is no key'))
    },
    (why, line) => refuse(line, why),
  )
  return { file, blobs }
}

/** Whether a key is on the list. */
export function isRevoked({ blobs }: RevokedKeys, key: PublicKey): boolean {
  return blobs.some((blob) => equalBytes(blob, key.blob))
}
