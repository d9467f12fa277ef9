/** How keys are written. */

export type PrivateKeyFormat = 'openssh' | 'pkcs1-pem' | 'pkcs8-pem' | 'sec1-pem'
export type PublicKeyFormat = 'openssh' | 'pkcs8-pem'

export interface KeyExportOptions {
  /** Encrypts the key. */
  readonly passphrase?: string
  /** Cipher of an encrypted OpenSSH file; default `aes256-ctr`. */
  readonly cipher?: string
  /** bcrypt rounds of an encrypted OpenSSH file; default 16, as ssh-keygen. */
  readonly rounds?: number
}
