/** Names of X displays, as the variable DISPLAY holds them: `[protocol/][host]:display[.screen]`. X(7), DISPLAY NAMES. */

import { printable } from '@ssh/wire'
import { X11Error } from '../errors.js'

/** A display by its name. */
export interface X11Display {
  /** Host that it is reached at over TCP; undefined: a display of this machine. */
  readonly host: string | undefined
  /** Path in place of a host, as macOS has it: the whole name but for its screen. */
  readonly path: string | undefined
  /** Its number. */
  readonly display: number
  readonly screen: number
}

/** Where a display may listen. */
export type X11Address = { readonly path: string } | { readonly host: string; readonly port: number }

/** TCP port of display 0. */
export const x11BasePort = 6000

/** Largest number of a display that has a port. */
export const largestX11Display = 65535 - x11BasePort

/** Folder of the sockets of this machine's displays. */
const socketFolder = '/tmp/.X11-unix'

/** A name is a line of an environment, and none is longer than a path. */
const longestName = 4096

/**
 * Takes the name of a display apart.
 * @param name for instance `:0`, `localhost:10.0`, `[::1]:0`, `unix:0`, `/private/tmp/…/org.xquartz:0`
 * @throws X11Error `ERR_SSH_X11_DISPLAY` when it is not one
 */
export function parseX11Display(name: string): X11Display {
  const [, place, number, screen = '0'] = /^(.*):(\d{1,5})(?:\.(\d{1,5}))?$/s.exec(name) ?? []
  const display = Number(number)
  // A colon at the end of the host is that of DECnet, which nobody has any more.
  if (place === undefined || place.endsWith(':') || name.length > longestName || name.includes('\0'))
    throw noDisplay(name)
  if (!(display <= largestX11Display)) throw noDisplay(name)
  const numbers = { display, screen: Number(screen) }
  if (place.startsWith('/')) return { host: undefined, path: `${place}:${number}`, ...numbers }
  return { host: hostOf(place, name), path: undefined, ...numbers }
}

/**
 * Where a display may listen, in the order in which to try. Of this machine's displays that is their socket alone, as with
 * OpenSSH: at the port of a display that does not run any user may listen, and would be told the cookie. Windows has no
 * such sockets.
 * @param platform as `process.platform`
 */
export function x11Addresses({ host, path, display }: X11Display, platform: string): readonly X11Address[] {
  if (path !== undefined) return [{ path }]
  const port = x11BasePort + display
  if (host !== undefined) return [{ host, port }]
  return platform === 'win32' ? [{ host: 'localhost', port }] : [{ path: `${socketFolder}/X${display}` }]
}

function hostOf(place: string, name: string): string | undefined {
  const [, protocol = '', host = ''] = /^(?:(\w+)\/)?(.*)$/s.exec(place) ?? []
  if (protocol === 'unix' || protocol === 'local' || host === '' || host === 'unix') return undefined
  const [, v6 = host] = /^\[([\da-f:.]+(?:%\w+)?)\]$/i.exec(host) ?? []
  if (!/^[\w.:%-]+$/.test(v6)) throw noDisplay(name)
  return v6
}

function noDisplay(name: string): X11Error {
  return new X11Error(
    'ERR_SSH_X11_DISPLAY',
    `${JSON.stringify(printable(name))} is not the name of an X display; use for instance ':0' or 'host:0.0'`,
    { details: { display: name } },
  )
}
