/** Variables that a client sets before its program starts: RFC 4254 §6.4. */

/** Bounds of one session's environment. */
export interface EnvironmentLimits {
  /** Variables; default 256. */
  readonly variables: number
  /** Bytes of all names and values together; default 128 KiB. */
  readonly byteCount: number
}

const defaults: EnvironmentLimits = { variables: 256, byteCount: 128 * 1024 }

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Variables by name. Values are bytes, as environments are.
 *
 * Knows what can be a variable at all and how much is too much; which names are safe is the application's decision.
 */
export class Environment {
  readonly #limits: EnvironmentLimits
  readonly #variables = new Map<string, Uint8Array>()
  #byteCount = 0

  constructor(limits: Partial<EnvironmentLimits> = {}) {
    this.#limits = { ...defaults, ...limits }
  }

  get variables(): ReadonlyMap<string, Uint8Array> {
    return this.#variables
  }

  /**
   * The name as text, if `name` and `value` can be a variable and there is room for it: a name has no NUL, `=`, control
   * character or leading `-`, and a value no NUL.
   */
  admit(name: Uint8Array, value: Uint8Array): string | undefined {
    const text = decode(name)
    if (text === undefined || !/^[^\p{Cc}=-][^\p{Cc}=]*$/u.test(text) || value.includes(0)) return undefined
    const replaced = this.#variables.get(text)
    const variables = this.#variables.size + (replaced === undefined ? 1 : 0)
    const byteCount = this.#byteCount + sizeOf(text, value) - (replaced === undefined ? 0 : sizeOf(text, replaced))
    return variables <= this.#limits.variables && byteCount <= this.#limits.byteCount ? text : undefined
  }

  /** Sets a variable that {@link admit} let in. */
  set(name: string, value: Uint8Array): void {
    const replaced = this.#variables.get(name)
    this.#byteCount += sizeOf(name, value) - (replaced === undefined ? 0 : sizeOf(name, replaced))
    // A copy: the value is a view of a packet, which would otherwise stay alive as long as the session.
    this.#variables.set(name, new Uint8Array(value))
  }
}

function sizeOf(name: string, value: Uint8Array): number {
  return Buffer.byteLength(name) + value.length
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}
