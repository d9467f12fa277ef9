/** Bytes that must not be printed, and should not be left lying in memory. */

import { wipe } from '@ssh/wire'

/**
 * Holds secret bytes: printing, serialising or inspecting it shows `[secret]`, and `wipe` overwrites them.
 *
 * @example
 * using secret = new Secret(kex.finish(serverPublicValue))
 * deriveKeys(secret.reveal())
 */
export class Secret implements Disposable {
  #bytes: Uint8Array | undefined

  /** @param bytes owned by the Secret from here on: they are overwritten when it is wiped */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** Whether the bytes are gone. */
  get isWiped(): boolean {
    return this.#bytes === undefined
  }

  /**
   * The bytes themselves, not a copy.
   * @throws Error after `wipe`
   */
  reveal(): Uint8Array {
    if (this.#bytes === undefined) throw new Error('The secret has been wiped and cannot be used any more')
    return this.#bytes
  }

  /** Overwrites the bytes with zeros and lets go of them; a second call does nothing. */
  wipe(): void {
    if (this.#bytes !== undefined) wipe(this.#bytes)
    this.#bytes = undefined
  }

  [Symbol.dispose](): void {
    this.wipe()
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
