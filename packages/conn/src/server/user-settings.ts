/** What a builder decides about the one user who is logging in: keys, and what may be done once in. */

import { z } from 'zod'
import type { AuthorizedKeys } from '../config/authorized-keys.js'
import { LineFault } from '../config/key-line.js'
import { type KeyRestrictions, noRestrictions, parseEndpoint, parseListenEndpoint } from '../config/key-restrictions.js'
import type { Logger } from '../log.js'
import { parseOptions } from '../options-schema.js'
import { type AuthorizedKeysSource, authorizedKeysSource, readAuthorizedKeysSource } from './authorized-keys-source.js'

const endpoint = (option: string, parse: typeof parseEndpoint) =>
  z.string().transform((text, context) => {
    try {
      return parse(option, text)
    } catch (error) {
      if (!(error instanceof LineFault)) throw error
      context.addIssue({ code: 'custom', message: error.message })
      return z.NEVER
    }
  })

export const userOptionsSchema = z.strictObject({
  /** Runs in place of whatever the client asks for; goes before the command of a key. */
  forcedCommand: z.string().optional(),
  /** Variables of sessions; they go before those of keys and of the client. */
  env: z.record(z.string().regex(/^\w+$/, 'expected a name of letters, digits and _'), z.string()).optional(),
  /** Whether the user gets a terminal. Default true. */
  allowPty: z.boolean().optional(),
  /** Whether the user may forward ports, sockets and packets. Default true. */
  allowPortForwarding: z.boolean().optional(),
  /** Default true. */
  allowAgentForwarding: z.boolean().optional(),
  /** Default true. */
  allowX11Forwarding: z.boolean().optional(),
  /** Where `-L` may lead: `host:port`, `host:*`. Default: anywhere. */
  permitOpen: z.array(endpoint('permitOpen', parseEndpoint)).readonly().optional(),
  /** Where `-R` may listen: `host:port` or a port. Default: anywhere. */
  permitListen: z.array(endpoint('permitListen', parseListenEndpoint)).readonly().optional(),
})

/** What `setOptions` of a server's connection takes. None of it allows more than the server's options do. */
export type UserOptions = z.input<typeof userOptionsSchema>

interface Settings {
  readonly authorizedKeys: AuthorizedKeys | undefined
  readonly restrictions: KeyRestrictions | undefined
}

/** Thrown away when another user name comes up: what one user may do says nothing about the next. */
export class UserSettings {
  readonly #logger: Logger | undefined
  #current: Settings = { authorizedKeys: undefined, restrictions: undefined }
  /** What was set before anybody was named, for all. */
  #base: Settings | undefined
  /** Counts users, so that what was still being read for the one before is known to be late. */
  #user = 0
  /** Counts calls, of which the last holds. */
  #calls = 0
  /** What is still being read for all. Never rejects. */
  #reading: Promise<unknown> = Promise.resolve()

  constructor(logger: Logger | undefined) {
    this.#logger = logger
  }

  /** In place of those of the options; undefined when nothing was set. */
  get authorizedKeys(): AuthorizedKeys | undefined {
    return this.#current.authorizedKeys
  }

  get restrictions(): KeyRestrictions | undefined {
    return this.#current.restrictions
  }

  /** A user name came up. Resolves once it is known what holds for all. */
  async begin(): Promise<void> {
    this.#base ??= this.#current
    this.#current = this.#base
    this.#user += 1
    await this.#reading
  }

  /**
   * What cannot be read lets nobody in: who called wants others in than those of the options.
   * @throws OptionsError; ConfigParseError when a file cannot be read
   */
  async setAuthorizedKeys(source: AuthorizedKeysSource): Promise<void> {
    const parsed = parseOptions('setAuthorizedKeys', authorizedKeysSource, source)
    const user = this.#user
    const call = ++this.#calls
    const set = (authorizedKeys: AuthorizedKeys): void => {
      const isForAll = user === 0
      if (call !== this.#calls || (!isForAll && user !== this.#user)) return
      this.#current = { ...this.#current, authorizedKeys }
      if (isForAll && this.#base !== undefined) this.#base = { ...this.#base, authorizedKeys }
    }
    const reading = readAuthorizedKeysSource(parsed, this.#logger).then(set, (error: unknown) => {
      set({ keys: [], warnings: [] })
      throw error
    })
    if (user === 0) this.#reading = Promise.allSettled([this.#reading, reading])
    await reading
  }

  /** @throws OptionsError */
  setOptions(options: UserOptions): void {
    const {
      forcedCommand,
      env = {},
      permitOpen,
      permitListen,
      ...allowed
    } = parseOptions('setOptions', userOptionsSchema, options)
    const {
      allowPty = true,
      allowPortForwarding = true,
      allowAgentForwarding = true,
      allowX11Forwarding = true,
    } = allowed
    this.#current = {
      ...this.#current,
      restrictions: {
        ...noRestrictions,
        command: forcedCommand,
        environment: new Map(Object.entries(env)),
        allowPty,
        allowPortForwarding,
        allowAgentForwarding,
        allowX11Forwarding,
        permitOpen,
        permitListen,
      },
    }
  }
}
