declare module 'bcrypt-pbkdf' {
  const bcrypt: {
    /** One bcrypt hash: the inputs are 64 bytes each, `output` is 32. */
    hash(hashedPassphrase: Uint8Array, hashedSalt: Uint8Array, output: Uint8Array): void
  }
  export = bcrypt
}
