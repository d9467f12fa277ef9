/** What a client tried, and the error that tells it when nothing worked. */

import { printable } from '@ssh/wire'
import { PermissionDenied } from '../errors.js'

/** One credential that was tried, or that could not be. */
export interface AuthAttempt {
  /** `none`, `publickey`, `password`, `keyboard-interactive`. */
  readonly method: string
  readonly result: 'accepted' | 'partial success' | 'rejected' | 'skipped'
  /** SHA256 fingerprint of the key, for `publickey`. */
  readonly keyFingerprint?: string
  /** Signature algorithm, for `publickey`. */
  readonly algorithm?: string
  /** Why it was skipped, or what the server's answer was. */
  readonly reason?: string
}
