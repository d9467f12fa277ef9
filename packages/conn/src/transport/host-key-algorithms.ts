/**
 * What the name of a negotiated host key algorithm means: a type of key blob and a signature algorithm.
 * They differ for RSA (RFC 8332 §3) and for certificates (OpenSSH PROTOCOL.certkeys).
 */

import { keyTypes, type PublicKey, signatureAlgorithms } from '@ssh/crypto'

/** One host key algorithm. */
export interface HostKeyAlgorithm {
  readonly name: string
  /** First field of the blob that must be shown. */
  readonly keyType: string
  /** Algorithm that the signature must name. */
  readonly signatureAlgorithm: string
}

const certificateSuffix = '-cert-v01@openssh.com'

/** What `name` stands for, or undefined when it is not supported. */
export function hostKeyAlgorithm(name: string): HostKeyAlgorithm | undefined {
  const isCertificate = name.endsWith(certificateSuffix)
  const signatureAlgorithm = isCertificate ? name.slice(0, -certificateSuffix.length) : name
  const signature = signatureAlgorithms.get(signatureAlgorithm)
  const type = signature && keyTypes.get(signature.keyType)
  if (type === undefined) return undefined
  return { name, keyType: isCertificate ? type.certificateType : type.name, signatureAlgorithm }
}

/** Host key algorithms that a key, or a certificate, can serve, best first. */
export function hostKeyAlgorithmsOf(key: PublicKey): readonly HostKeyAlgorithm[] {
  return hostKeyAlgorithmNames().flatMap((name) => {
    const algorithm = hostKeyAlgorithm(name)
    return algorithm?.keyType === key.algorithm ? [algorithm] : []
  })
}

/** Every name, certificates first. */
export function hostKeyAlgorithmNames(): readonly string[] {
  const plain = signatureAlgorithms.names
  return [...plain.map((name) => `${name}${certificateSuffix}`), ...plain]
}
