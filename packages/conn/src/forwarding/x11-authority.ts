/**
 * The file in which X clients find the cookies of displays: Xauth(3). Entries one behind the other, each a family and
 * four texts with their lengths in front, all in 16 bits of network order. Text in, model out; no files here.
 */

import { concatBytes, printable } from '@ssh/wire'
import { X11Error } from '../errors.js'
import { longestCookie, mitMagicCookie } from './x11-cookie.js'

/** Kinds of addresses: X.h and Xauth.h. */
export const x11Families = { internet: 0, internet6: 6, local: 256, wild: 65535 } as const

/** Where a display is. */
export interface X11Host {
  /** One of {@link x11Families}. */
  readonly family: number
  /** 4 or 16 bytes of an Internet address, the host's name for a local one, nothing for any. */
  readonly address: Uint8Array
}

export interface X11AuthorityEntry extends X11Host {
  /** Number of the display as text; empty for any. */
  readonly display: string
  /** For instance `MIT-MAGIC-COOKIE-1`. */
  readonly protocol: string
  readonly data: Uint8Array
}

/** More entries than any machine has displays. */
const mostEntries = 16_384

/**
 * @param file where it comes from, for the error
 * @throws X11Error `ERR_SSH_X11_MALFORMED_AUTHORITY`
 */
export function parseX11Authority(bytes: Uint8Array, file: string): readonly X11AuthorityEntry[] {
  const malformed = (why: string): X11Error =>
    new X11Error('ERR_SSH_X11_MALFORMED_AUTHORITY', `${printable(file)} is no Xauthority file: ${why}`, {
      details: { file },
    })
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: X11AuthorityEntry[] = []
  let at = 0
  const takeNumber = (): number => {
    if (at + 2 > bytes.length) throw malformed('it ends within an entry')
    at += 2
    return view.getUint16(at - 2)
  }
  const takeText = (): Uint8Array => {
    const end = takeNumber() + at
    if (end > bytes.length) throw malformed('it ends within an entry')
    const text = bytes.subarray(at, end)
    at = end
    return text
  }
  while (at < bytes.length) {
    if (entries.length === mostEntries) throw malformed(`it has more than ${mostEntries} entries`)
    entries.push({
      family: takeNumber(),
      address: takeText(),
      display: latin1(takeText()),
      protocol: latin1(takeText()),
      data: takeText(),
    })
  }
  return entries
}

export function encodeX11Authority(entries: readonly X11AuthorityEntry[]): Uint8Array {
  return concatBytes(
    entries.flatMap(({ family, address, display, protocol, data }) => [
      number(family),
      ...[address, Buffer.from(display, 'latin1'), Buffer.from(protocol, 'latin1'), data].flatMap((text) => [
        number(text.length),
        text,
      ]),
    ]),
  )
}

/**
 * The cookie of a display: that of the first entry which fits, as Xlib takes it.
 * @param hosts addresses of the host that the display is on
 * @returns undefined when there is none
 */
export function findX11Cookie(
  entries: readonly X11AuthorityEntry[],
  hosts: readonly X11Host[],
  display: number,
): Uint8Array | undefined {
  const found = entries.find(
    (entry) =>
      entry.protocol === mitMagicCookie &&
      (entry.display === '' || entry.display === String(display)) &&
      entry.data.length > 0 &&
      entry.data.length <= longestCookie &&
      (entry.family === x11Families.wild || hosts.some((host) => isSameHost(entry, host))),
  )
  return found?.data
}

/** The entries without those of the same display at the same place, and `added` behind them. */
export function replaceX11Entries(
  entries: readonly X11AuthorityEntry[],
  added: readonly X11AuthorityEntry[],
): readonly X11AuthorityEntry[] {
  return [...withoutX11Entries(entries, added, isSamePlace), ...added]
}

/** The entries without those of `removed`: an entry that somebody has replaced meanwhile stays. */
export function withoutX11Entries(
  entries: readonly X11AuthorityEntry[],
  removed: readonly X11AuthorityEntry[],
  isSame: (one: X11AuthorityEntry, other: X11AuthorityEntry) => boolean = isSameEntry,
): readonly X11AuthorityEntry[] {
  return entries.filter((entry) => !removed.some((other) => isSame(entry, other)))
}

function isSameHost(one: X11Host, other: X11Host): boolean {
  return one.family === other.family && Buffer.compare(one.address, other.address) === 0
}

function isSamePlace(one: X11AuthorityEntry, other: X11AuthorityEntry): boolean {
  return isSameHost(one, other) && one.display === other.display && one.protocol === other.protocol
}

function isSameEntry(one: X11AuthorityEntry, other: X11AuthorityEntry): boolean {
  return isSamePlace(one, other) && Buffer.compare(one.data, other.data) === 0
}

function number(value: number): Uint8Array {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}
