/** What the keys of agents sign with, also those that nobody here can take apart: security keys and certificates. */

import { keyTypes } from '@ssh/crypto'
import { agentSignFlags } from '@ssh/wire'

const certificateSuffix = '-cert-v01@openssh.com'

/**
 * Types of keys whose blobs are passed on unread, with the algorithms they log in by. Of a certificate for an RSA key
 * only the best is named: what a server says of its signature algorithms does not name certificates.
 */
const opaqueTypes: ReadonlyMap<string, readonly string[]> = new Map([
  ...['sk-ssh-ed25519@openssh.com', 'sk-ecdsa-sha2-nistp256@openssh.com'].map((name) => [name, [name]] as const),
  ...['sk-ssh-ed25519-cert-v01@openssh.com', 'sk-ecdsa-sha2-nistp256-cert-v01@openssh.com'].map(
    (name) => [name, [name]] as const,
  ),
  ...keyTypes.rows.map(
    ({ certificateType, signatureAlgorithms: [best = ''] }) =>
      [
        certificateType,
        [certificateType.startsWith('ssh-rsa') ? `${best}${certificateSuffix}` : certificateType],
      ] as const,
  ),
])

/** Algorithms, best first, that an agent's key of this type can log in by; none for a type nobody here knows. */
export function opaqueAlgorithmsOf(keyType: string): readonly string[] {
  return opaqueTypes.get(keyType) ?? []
}

/** The flags of a request for a signature by this algorithm (draft-ietf-sshm-ssh-agent §3.6.1). */
export function signFlagsOf(algorithm: string): number {
  if (algorithm.startsWith('rsa-sha2-256')) return agentSignFlags.rsaSha2_256
  return algorithm.startsWith('rsa-sha2-512') ? agentSignFlags.rsaSha2_512 : 0
}

/** What the signature itself is called: a certificate's algorithm is that of its key (OpenSSH PROTOCOL.certkeys). */
export function signatureNameOf(algorithm: string): string {
  if (!algorithm.endsWith(certificateSuffix)) return algorithm
  const name = algorithm.slice(0, -certificateSuffix.length)
  return name.startsWith('sk-') ? `${name}@openssh.com` : name
}
