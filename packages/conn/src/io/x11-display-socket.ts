/** Sockets of X displays on this side, and the names that this machine and others go by. */

import { lookup } from 'node:dns/promises'
import { hostname, networkInterfaces } from 'node:os'
import { fromDuplex } from '@ssh/streams'
import { AbortError, type ByteChannel, printable } from '@ssh/wire'
import { X11Error } from '../errors.js'
import { type ConnectTarget, connectStream } from './connect-stream.js'
import { expandHome } from './files.js'

/**
 * Connects to the first of a display's addresses at which somebody listens.
 * @throws X11Error `ERR_SSH_X11_DISPLAY_UNREACHABLE` when nobody does
 * @throws AbortError
 */
export async function connectX11Display(
  addresses: readonly ConnectTarget[],
  signal: AbortSignal,
): Promise<ByteChannel> {
  const failures: Error[] = []
  for (const address of addresses) {
    try {
      return fromDuplex(await connectStream(address, signal))
    } catch (error) {
      if (signal.aborted) throw new AbortError(signal.reason)
      if (error instanceof Error) failures.push(error)
    }
  }
  const why = failures.map(({ message }) => message).join('; ')
  throw new X11Error('ERR_SSH_X11_DISPLAY_UNREACHABLE', `No X display answers: ${printable(why)}. Is it running?`, {
    cause: failures[0],
  })
}

/** Where X clients look for cookies: XAUTHORITY, or ~/.Xauthority. Xau(3). */
export function defaultX11AuthPath(env: NodeJS.ProcessEnv = process.env): string {
  return env.XAUTHORITY || expandHome('~/.Xauthority')
}

/** The display that programs of this process's user open: DISPLAY. X(7). */
export function defaultX11Display(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.DISPLAY || undefined
}

/** What this machine is called. */
export function localHostName(): string {
  return hostname()
}

/** Numeric addresses of a host; none when its name is not known. */
export async function lookUpAddresses(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true }).catch(() => [])
  return found.map(({ address }) => address)
}

/** Numeric addresses that this machine has towards others. */
export function machineAddresses(): readonly string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
  return all.filter(({ internal }) => !internal).map(({ address }) => address)
}
