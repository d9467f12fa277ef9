/** How keys are written. */

/** `openssh` is what ssh-keygen writes; the PEM forms are for tools that know nothing else. */
export type PrivateKeyFormat = 'openssh' | 'pkcs1-pem' | 'pkcs8-pem' | 'sec1-pem'

/** `openssh` is a line `type base64 comment`; `pkcs8-pem` is `BEGIN PUBLIC KEY` (X.509 SubjectPublicKeyInfo). */
export type PublicKeyFormat = 'openssh' | 'rfc4716' | 'pkcs1-pem' | 'pkcs8-pem'

export interface KeyExportOptions {
  /** Encrypts the key. Text is taken as UTF-8; an empty passphrase is refused, leave it out instead. */
  readonly passphrase?: string | Uint8Array
  /**
   * Cipher of an encrypted key, by its SSH name. OpenSSH format: any of `opensshKeyCiphers`, default `aes256-ctr`;
   * PEM formats: `aes128-cbc`, `aes192-cbc` or `aes256-cbc` (default).
   */
  readonly cipher?: string
  /** bcrypt rounds of an encrypted OpenSSH file, 1 to 2048; default 16, as ssh-keygen. Each costs about 10 ms. */
  readonly rounds?: number
}
