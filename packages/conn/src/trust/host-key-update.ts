/**
 * What a server says of its host keys after login, beside what is on file for it (OpenSSH PROTOCOL §2.5). Pure: the
 * owner carries the question to the server and the answer back.
 *
 * Only a proof over this very session makes a key count: a server could otherwise announce the key of somebody else.
 */

import { KeyImportError, type PublicKey, parsePublicKey, signatureAlgorithms } from '@ssh/crypto'
import { equalBytes, hostKeyProof } from '@ssh/wire'
import type { KnownHostEntry, KnownHostMatches } from '../config/known-hosts.js'

/** A server's host keys beside what known_hosts has for it. Nothing is written to any file. */
export interface HostKeyUpdate {
  /** Keys that are not on file; the server has proved that it holds each of them. */
  readonly added: readonly PublicKey[]
  /** Keys on file that the server still has. */
  readonly retained: readonly PublicKey[]
  /** Lines for this host with keys that the server has no more. Such a line may speak of other hosts too. */
  readonly removed: readonly KnownHostEntry[]
  /** Keys that the server still has although known_hosts marks them as revoked. */
  readonly revoked: readonly PublicKey[]
}

/** The same before the server has proved anything. */
export interface UnprovenHostKeys extends Omit<HostKeyUpdate, 'added'> {
  /** Keys that are not on file, to be asked about. */
  readonly unproven: readonly PublicKey[]
}

/** Keys of one announcement above which it is not looked at. */
export const maximumHostKeys = 64

/**
 * Sorts the keys of an announcement by what is on file. Those of types not known here, and duplicates, are left out.
 * @param announced public key blobs, {@link maximumHostKeys} at most
 * @param algorithms host key algorithms that were offered: a new key that none of them can use is left out as well
 * @param remembered the key that this connection itself put on file
 * @returns undefined when there is no key among them: that is no list to conclude anything from
 */
export function compareHostKeys(
  announced: readonly Uint8Array[],
  known: KnownHostMatches,
  algorithms: readonly string[],
  remembered?: PublicKey,
): UnprovenHostKeys | undefined {
  const keys = readKeys(announced)
  if (keys.length === 0) return undefined
  const isIn = (entries: readonly KnownHostEntry[], key: PublicKey) =>
    entries.some(({ blob }) => equalBytes(blob, key.blob))
  const isOnFile = (key: PublicKey) =>
    isIn(known.trusted, key) || isIn(known.related, key) || remembered?.equals(key) === true
  const revoked = keys.filter((key) => isIn(known.revoked, key))
  const others = keys.filter((key) => !revoked.includes(key))
  return {
    retained: others.filter(isOnFile),
    unproven: others.filter((key) => !isOnFile(key) && proofAlgorithms(key, algorithms).length > 0),
    // By bytes, as the file may have keys of types not known here. Keys of the bare name belong to another port.
    removed: known.trusted.filter(({ blob }) => !announced.some((other) => equalBytes(other, blob))),
    revoked,
  }
}

/**
 * Whether the server has proved that it holds the keys: a signature for each, in order, and none to spare.
 * @param signatures signature blobs
 */
export function areProven(
  keys: readonly PublicKey[],
  signatures: readonly Uint8Array[],
  sessionIdentifier: Uint8Array,
  algorithms: readonly string[],
): boolean {
  return (
    signatures.length === keys.length &&
    signatures.every((signature, index) => {
      const key = keys[index]
      if (key === undefined) return false
      const data = hostKeyProofData(key, sessionIdentifier)
      return proofAlgorithms(key, algorithms).some((algorithm) => key.verify(data, signature, algorithm))
    })
  )
}

/** What a server signs to prove that it holds a key. */
export function hostKeyProofData(key: PublicKey, sessionIdentifier: Uint8Array): Uint8Array {
  return hostKeyProof.encode({
    requestName: 'hostkeys-prove-00@openssh.com',
    sessionIdentifier,
    hostKey: key.blob,
  })
}

/** What the proof may be signed with: what the server could have been known by, and never SHA-1. */
function proofAlgorithms(key: PublicKey, algorithms: readonly string[]): readonly string[] {
  const { defaultNames } = signatureAlgorithms
  return key.signatureAlgorithms.filter((name) => algorithms.includes(name) && defaultNames.includes(name))
}

function readKeys(blobs: readonly Uint8Array[]): readonly PublicKey[] {
  const keys: PublicKey[] = []
  for (const blob of blobs) {
    try {
      const key = parsePublicKey(blob)
      if (!keys.some((other) => other.equals(key))) keys.push(key)
    } catch (error) {
      if (!(error instanceof KeyImportError)) throw error
    }
  }
  return keys
}
