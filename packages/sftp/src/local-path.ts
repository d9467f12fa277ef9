/** Names that may hold bytes which are not UTF-8, in the form that `node:fs` takes and gives. */

import { decodeFileName, encodeFileName, hasEscapedBytes } from './protocol/file-name.js'

/** The path for `fs`: bytes when it holds some that are not UTF-8. */
export function toLocalPath(path: string): string | Buffer {
  return hasEscapedBytes(path) ? Buffer.from(encodeFileName(path)) : path
}

/** The string for bytes that `fs` gave. */
export function toNamePath(bytes: Uint8Array): string {
  return decodeFileName(bytes)
}

/** Names that Windows gives to devices, with any extension. */
const deviceName = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?$/i

/** Whether Windows would take `name` for something else than a name in its directory. */
export function isUnsafeOnWindows(name: string): boolean {
  return /[\\:]/.test(name) || deviceName.test(name) || /[. ]$/.test(name)
}
