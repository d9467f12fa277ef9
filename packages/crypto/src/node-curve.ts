/** Whether node:crypto really has a curve. */

import { createECDH } from 'node:crypto'

/** Makes a key on the curve, because lists of names prove nothing: Deno lists P-521 and then refuses it. */
export function hasNodeCurve(nodeName: string): boolean {
  try {
    return createECDH(nodeName).generateKeys().length > 0
  } catch {
    return false
  }
}
