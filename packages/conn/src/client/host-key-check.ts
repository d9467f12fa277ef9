/** The client's trust in a server, where it meets files and the user: reads known_hosts, asks, remembers. */

import { type PublicKey, systemRandom } from '@ssh/crypto'
import { equalBytes, toBase64 } from '@ssh/wire'
import { refusePrivateKey } from '../config/key-line.js'
import {
  formatKnownHost,
  type KnownHostEntry,
  type KnownHostMatches,
  type KnownHosts,
  lookupKnownHost,
  mergeKnownHosts,
  parseKnownHosts,
} from '../config/known-hosts.js'
import { HostKeyNotVerifiable } from '../errors.js'
import { appendLine, readFileIfThere, replaceLines } from '../io/files.js'
import type { HostKeyOffer } from '../transport/transport-options.js'
import { revokedByListError, smallRsaError } from '../trust/host-key-errors.js'
import {
  decideByVerifier,
  decideHostKey,
  type HostKeyDoubt,
  type HostKeyVerdict,
  preferredHostKeyAlgorithms,
} from '../trust/host-key-policy.js'
import { compareHostKeys, type HostKeyUpdate, type UnprovenHostKeys } from '../trust/host-key-update.js'
import { rsaBits } from '../trust/rsa-bits.js'
import { askKnownHostsCommand, isRevoked, type RevokedKeys, readRevokedKeys } from './more-host-keys.js'
import type { ResolvedClientOptions } from './options-from-config.js'

/** Read in this order when the user names no file; a new key is written to the first. */
const defaultFiles = [
  '~/.ssh/known_hosts',
  '~/.ssh/known_hosts2',
  '/etc/ssh/ssh_known_hosts',
  '/etc/ssh/ssh_known_hosts2',
]

type Options = Pick<
  ResolvedClientOptions,
  | 'knownHosts'
  | 'userKnownHostsFile'
  | 'knownHostsCommand'
  | 'revokedHostKeys'
  | 'requiredRsaSize'
  | 'hashKnownHosts'
  | 'hostKeyPolicy'
  | 'hostKeyFingerprint'
  | 'verifyHostKey'
  | 'hostKeyAlias'
  | 'tokens'
>

export class HostKeyCheck {
  readonly #options: Options
  readonly #host: string
  readonly #port: number
  readonly #onFile: OnFile
  readonly #revoked: RevokedKeys | undefined
  /** What is on file; null: the check is off. */
  #known: KnownHostMatches | null
  /** The key that was put on file here. */
  #remembered: PublicKey | undefined

  private constructor(options: Options, host: string, port: number, onFile: OnFile, revoked: RevokedKeys | undefined) {
    this.#options = options
    this.#host = host
    this.#port = port
    this.#onFile = onFile
    this.#revoked = revoked
    this.#known = this.#lookUp(onFile.knownHosts)
  }

  /** Reads what is on file for the host. @throws ConfigParseError */
  static async prepare(options: Options, host: string, port: number): Promise<HostKeyCheck> {
    const { knownHosts, revokedHostKeys, hostKeyAlias } = options
    const [onFile, revoked] = await Promise.all([
      readKnownHosts(knownHosts, host, port),
      typeof revokedHostKeys === 'string' ? readRevokedKeys('revokedHostKeys', revokedHostKeys) : undefined,
    ])
    // An alias stands for host and port together, as OpenSSH has it.
    const [name, namedPort] = hostKeyAlias === undefined ? [host, port] : [hostKeyAlias, 22]
    const check = new HostKeyCheck(options, name, namedPort, onFile, revoked)
    await check.#askCommand(undefined)
    return check
  }

  #lookUp(knownHosts: KnownHosts | null): KnownHostMatches | null {
    return knownHosts === null ? null : lookupKnownHost(knownHosts, this.#host, this.#port)
  }

  /** Adds what KnownHostsCommand prints. */
  async #askCommand(key: PublicKey | undefined): Promise<void> {
    const { knownHostsCommand, tokens } = this.#options
    const { knownHosts } = this.#onFile
    if (knownHosts === null || this.#known === null || !Array.isArray(knownHostsCommand)) return
    const printed = await askKnownHostsCommand(knownHostsCommand, tokens, { name: this.#known.name, key })
    this.#known = this.#lookUp(mergeKnownHosts([knownHosts, printed]))
  }

  /** Host key algorithms to propose, those of keys on file first. */
  orderAlgorithms(defaults: readonly string[]): readonly string[] {
    return preferredHostKeyAlgorithms(this.#known, defaults)
  }

  /** Keys that the server says it has beside those on file, as `compareHostKeys`; undefined also when the check is off. */
  compare(announced: readonly Uint8Array[], algorithms: readonly string[]): UnprovenHostKeys | undefined {
    return this.#known === null ? undefined : compareHostKeys(announced, this.#known, algorithms, this.#remembered)
  }

  /** Resolves when the key is to be believed. @throws HostKeyNotVerifiable */
  async verify(offer: HostKeyOffer): Promise<void> {
    const { hostKeyFingerprint, hostKeyPolicy = 'strict', verifyHostKey, requiredRsaSize = 0 } = this.#options
    const offered = { host: this.#host, port: this.#port, key: offer.key }
    const bits = rsaBits(offer.key)
    if (bits !== undefined && bits < requiredRsaSize) throw smallRsaError(offered, bits, requiredRsaSize)
    if (this.#revoked !== undefined && isRevoked(this.#revoked, offer.key)) {
      throw revokedByListError(offered, this.#revoked.file)
    }
    await this.#askCommand(offer.key)
    const verdict = decideHostKey(offered, {
      known: this.#known,
      searched: this.#onFile.searched,
      policy: hostKeyPolicy,
      fingerprints: typeof hostKeyFingerprint === 'string' ? [hostKeyFingerprint] : (hostKeyFingerprint ?? []),
      hasVerifier: verifyHostKey !== undefined,
    })
    await this.#carryOut(verdict.type === 'ask' ? await this.#decideByVerifier(verdict.doubt, offer) : verdict, offer)
  }

  async #decideByVerifier(doubt: HostKeyDoubt, offer: HostKeyOffer): Promise<HostKeyVerdict> {
    const offered = { host: this.#host, port: this.#port, key: offer.key }
    const remembers = doubt === 'unknown' && this.#options.hostKeyPolicy === 'accept-new'
    return decideByVerifier(offered, await this.#ask(offer), remembers)
  }

  async #ask(offer: HostKeyOffer): Promise<unknown> {
    const { algorithm } = offer.key
    try {
      return await this.#options.verifyHostKey?.({
        host: this.#host,
        port: this.#port,
        algorithm,
        fingerprint: offer.fingerprint,
        blob: offer.blob,
      })
    } catch (error) {
      // Never what was thrown itself: only a verifier that returns `true` has said yes.
      return error instanceof Error ? error : new Error(String(error))
    }
  }

  /** A key that cannot be kept is not accepted: next time it could not be told from another one. */
  async #remember(file: string, offer: HostKeyOffer): Promise<void> {
    try {
      // A hashed line differs from every other for the same host.
      await appendLine(file, this.#lineFor(offer.key), (content) => {
        const { trusted } = lookupKnownHost(parseKnownHosts(content), this.#host, this.#port)
        return trusted.some(({ blob }) => equalBytes(blob, offer.key.blob))
      })
      this.#remembered = offer.key
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new HostKeyNotVerifiable(
        'ERR_SSH_HOST_KEY_NOT_SAVED',
        `The new host key ${offer.fingerprint} of ${this.#host} cannot be written to ${file}: ${why}`,
        { cause, details: { host: this.#host, port: this.#port, file, fingerprint: offer.fingerprint } },
      )
    }
  }

  #lineFor(key: PublicKey): string {
    const salt = this.#options.hashKnownHosts === true ? systemRandom.bytes(20) : undefined
    return formatKnownHost(this.#host, this.#port, key, salt)
  }

  /**
   * Writes keys that the server has proved to the file in which it is known, and takes out lines for this host alone with
   * keys that it has no more. Does nothing for a server that is known by another file, by a fingerprint, or not at all.
   * @returns whether anything was written
   */
  async update({ added, removed, retained }: HostKeyUpdate): Promise<boolean> {
    const file = fileToWrite(this.#options)
    if (file === undefined || this.#known === null) return false
    const { name, trusted } = this.#known
    const isKnownByFile = trusted.some((entry) => entry.file === file) || this.#remembered !== undefined
    if (!isKnownByFile || retained.length === 0) return false
    const isOnlyOurs = ({ file: where, hosts }: KnownHostEntry) =>
      where === file && (hosts === name || hosts.startsWith('|1|'))
    // By what they say: the file may have changed since it was read.
    const outdated = new Set(removed.filter(isOnlyOurs).map(fieldsOf))
    if (added.length === 0 && outdated.size === 0) return false
    await replaceLines(
      file,
      (line) =>
        outdated.has(
          line
            .trim()
            .split(/[ \t]+/, 3)
            .join(' '),
        ),
      added.map((key) => this.#lineFor(key)),
    )
    return true
  }

  async #carryOut(verdict: HostKeyVerdict, offer: HostKeyOffer): Promise<void> {
    switch (verdict.type) {
      case 'refuse':
        throw verdict.error
      case 'accept-and-add': {
        const file = fileToWrite(this.#options)
        if (file !== undefined) await this.#remember(file, offer)
        return
      }
      default:
        return
    }
  }
}

function fieldsOf({ hosts, keyType, blob }: KnownHostEntry): string {
  return `${hosts} ${keyType} ${toBase64(blob)}`
}

function fileToWrite({ knownHosts: source, userKnownHostsFile }: Options): string | undefined {
  if (userKnownHostsFile !== undefined && Array.isArray(source)) return userKnownHostsFile ?? undefined
  if (source === undefined) return defaultFiles[0]
  const [first] = typeof source === 'string' ? [source] : Array.isArray(source) ? (source as readonly string[]) : []
  return first === undefined || isKnownHostsText(first) ? undefined : first
}

/** Keys on file, and the files that were looked in. */
interface OnFile {
  /** Null: the check is off. */
  readonly knownHosts: KnownHosts | null
  readonly searched: readonly string[]
}

async function readKnownHosts(source: Options['knownHosts'], host: string, port: number): Promise<OnFile> {
  if (source === null) return { knownHosts: null, searched: [] }
  if (typeof source === 'function') {
    const found = await source(host, port)
    if (typeof found === 'string') refusePrivateKey(found, 'knownHosts')
    return { knownHosts: typeof found === 'string' ? parseKnownHosts(found) : found, searched: [] }
  }
  if (typeof source === 'object' && 'entries' in source && !Array.isArray(source)) {
    return { knownHosts: source as KnownHosts, searched: [] }
  }
  const texts =
    source === undefined ? defaultFiles : typeof source === 'string' ? [source] : (source as readonly string[])
  const files = await Promise.all(texts.map(readOne))
  return {
    knownHosts: mergeKnownHosts(files.map(({ knownHosts }) => knownHosts)),
    // Of the usual files most are never there, which is no news.
    searched: files.flatMap(({ searched, isThere }) =>
      isThere || source === undefined ? searched : searched.map((file) => `${file} (which is not there)`),
    ),
  }
}

async function readOne(source: string) {
  refusePrivateKey(source, 'knownHosts')
  if (isKnownHostsText(source)) return { knownHosts: parseKnownHosts(source), searched: [], isThere: true }
  // A file that is not there yet knows nobody, as with ssh; the error about the unknown key says where it looked.
  const content = await readFileIfThere(source)
  const text = content?.toString('utf8') ?? ''
  refusePrivateKey(text, 'knownHosts', source)
  const knownHosts = parseKnownHosts(text, source)
  return { knownHosts, searched: [source], isThere: content !== undefined }
}

/** Whether a string is the content of a known_hosts file: several fields, as no path has a key type in it. */
function isKnownHostsText(source: string): boolean {
  return source.includes('\n') || /\s(?:ssh-|ecdsa-sha2-|sk-)\S+\s/.test(source)
}
