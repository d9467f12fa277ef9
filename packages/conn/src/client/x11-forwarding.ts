/** X11 for the sessions of a client: which display, with what cookie. */

import { AbortError } from '@ssh/wire'
import { z } from 'zod'
import { parseIpAddress } from '../config/ip-address.js'
import { X11Error } from '../errors.js'
import { findX11Cookie, parseX11Authority, type X11Host, x11Families } from '../forwarding/x11-authority.js'
import type { X11Client, X11Grant, X11Target } from '../forwarding/x11-client.js'
import { parseX11Display, type X11Display, x11Addresses } from '../forwarding/x11-display.js'
import { readFileIfThere } from '../io/files.js'
import {
  connectX11Display,
  defaultX11AuthPath,
  defaultX11Display,
  localHostName,
  lookUpAddresses,
} from '../io/x11-display-socket.js'
import { abortSignal, parseOptions } from '../options-schema.js'
import type { SessionClient } from '../session/session-client.js'
import { unlessAborted } from '../unless-aborted.js'

/** Options of a session about X11, as AsyncSSH has them. */
export const x11Options = {
  /**
   * Lets programs on the server use the X display of this side. `'ignore-failure'`: goes on without when the server
   * refuses or there is no display here. Default false.
   */
  x11Forwarding: z.union([z.boolean(), z.literal('ignore-failure')]).optional(),
  /** The display, for instance `':0'`. Default: the variable DISPLAY. */
  x11Display: z.string().min(1).optional(),
  /** File that the display's cookie is in. Default: the variable XAUTHORITY, or ~/.Xauthority. */
  x11AuthPath: z.string().min(1).optional(),
  /** Only the first program that connects may use the display. Default false. */
  x11SingleConnection: z.boolean().optional(),
}

export const x11ForwardingSchema = z.strictObject({
  x11Display: x11Options.x11Display,
  x11AuthPath: x11Options.x11AuthPath,
  x11SingleConnection: x11Options.x11SingleConnection,
  /** Gives up looking for the display. */
  signal: abortSignal.optional(),
})

/** Options of `prepareX11`. */
export type X11ForwardingOptions = z.input<typeof x11ForwardingSchema>

/** A display that was found, for sessions to come. */
export interface PreparedX11 {
  /**
   * Opens the display to one session: send `request` of what it returns with `requestX11` or `start` of the session. It
   * ends with the session, and when `revoke` is called, as it should be when the server refuses the request.
   */
  grantTo(session: Pick<SessionClient, 'closed'>): X11Grant
}

/** @throws as `prepareX11` of a connection */
export async function prepareX11(client: X11Client, options: X11ForwardingOptions): Promise<PreparedX11> {
  const { signal, x11SingleConnection = false, ...where } = parseOptions('prepareX11', x11ForwardingSchema, options)
  if (signal?.aborted) throw new AbortError(signal.reason)
  const target = await unlessAborted(findX11Target(where), signal)
  return {
    grantTo(session) {
      const grant = client.grant(target, { singleConnection: x11SingleConnection })
      void session.closed.then(() => grant.revoke())
      return grant
    },
  }
}

/**
 * Finds a display and its cookie. A display without one on file is used without: it may let this user in anyway.
 * @throws X11Error `ERR_SSH_X11_NO_DISPLAY`, `ERR_SSH_X11_DISPLAY`, `ERR_SSH_X11_MALFORMED_AUTHORITY`
 * @throws ConfigParseError when the Xauthority file cannot be read
 */
async function findX11Target(options: Pick<X11ForwardingOptions, 'x11Display' | 'x11AuthPath'>): Promise<X11Target> {
  const name = options.x11Display ?? defaultX11Display()
  if (name === undefined) {
    throw new X11Error(
      'ERR_SSH_X11_NO_DISPLAY',
      'There is no X display to forward: DISPLAY is not set. Start an X server, or name one with x11Display',
    )
  }
  const display = parseX11Display(name)
  const cookie = await readCookie(display, options.x11AuthPath ?? defaultX11AuthPath())
  const addresses = x11Addresses(display, process.platform)
  return { cookie, screen: display.screen, connect: (signal) => connectX11Display(addresses, signal) }
}

async function readCookie(display: X11Display, authPath: string): Promise<Uint8Array | undefined> {
  const content = await readFileIfThere(authPath)
  if (content === undefined) return undefined
  return findX11Cookie(parseX11Authority(content, authPath), await hostsOf(display), display.display)
}

/** How the host of a display may be written in the file. A local one goes by the name of this machine. */
async function hostsOf({ host }: X11Display): Promise<readonly X11Host[]> {
  const local = { family: x11Families.local, address: Buffer.from(localHostName()) }
  if (host === undefined) return [local]
  const addresses = (await lookUpAddresses(host)).flatMap((address) => parseIpAddress(address) ?? [])
  return [
    ...(addresses.some(isLoopback) ? [local] : []),
    { family: x11Families.local, address: Buffer.from(host) },
    ...addresses.map((address) => ({
      family: address.length === 4 ? x11Families.internet : x11Families.internet6,
      address,
    })),
  ]
}

function isLoopback(address: Uint8Array): boolean {
  return address.length === 4 ? address[0] === 127 : address.every((byte, index) => byte === (index === 15 ? 1 : 0))
}
