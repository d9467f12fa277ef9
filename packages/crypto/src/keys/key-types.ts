/** The key types: one row each, best first. */

import { type Registry, registry } from '../registry.js'
import { ecdsaNistp256, ecdsaNistp384, ecdsaNistp521 } from './ecdsa.js'
import { ed25519 } from './ed25519.js'
import type { KeyType } from './key-type.js'
import { rsa } from './rsa.js'

export const keyTypes: Registry<KeyType> = registry(ed25519, ecdsaNistp256, ecdsaNistp384, ecdsaNistp521, rsa)
