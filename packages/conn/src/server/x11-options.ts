/** Options of a server about X11, and what they mean where nothing is said. */

import { z } from 'zod'
import { largestX11Display } from '../forwarding/x11-display.js'

/** Fields of the server's option schema. */
export const x11ServerOptions = {
  /**
   * Lets programs that clients start use the client's X display, for those that ask (`ssh -X`). Default false. What a
   * program needs for it is in its `env`: DISPLAY and XAUTHORITY.
   */
  x11Forwarding: z.boolean().optional(),
  /** Number of the first display that sessions get, as sshd's X11DisplayOffset; its port is 6000 higher. Default 10. */
  x11DisplayOffset: z.int().min(0).max(largestX11Display).optional(),
  /** Whether displays are reached from this machine only. Default true, as sshd's X11UseLocalhost. */
  x11UseLocalhost: z.boolean().optional(),
  /**
   * Xauthority file to add the cookies of displays to, under its lock, and to take them from at the end. Default: each
   * session gets a file of its own in the system's temporary folder.
   */
  x11AuthPath: z.string().min(1).optional(),
} as const

/** The options, with their defaults. */
export interface X11Settings {
  readonly isAllowed: boolean
  readonly displayOffset: number
  readonly useLocalhost: boolean
  readonly authPath: string | undefined
}

export function x11Settings(options: z.output<z.ZodObject<typeof x11ServerOptions>>): X11Settings {
  return {
    isAllowed: options.x11Forwarding ?? false,
    displayOffset: options.x11DisplayOffset ?? 10,
    useLocalhost: options.x11UseLocalhost ?? true,
    authPath: options.x11AuthPath,
  }
}
