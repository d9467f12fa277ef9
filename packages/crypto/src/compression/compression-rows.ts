/** Every compression method, in order of preference: add one by adding its row. */

import { registry } from '../registry.js'
import type { CompressionAlgorithm } from './compression.js'

/** The methods. Compressing before encrypting leaks the plaintext through the lengths, so nothing but `none` is here. */
export const compressionAlgorithms = registry<CompressionAlgorithm>({
  name: 'none',
  status: 'default',
  source: 'RFC 4253 §6.2',
  isDelayed: false,
  createCompressor: () => undefined,
  createDecompressor: () => undefined,
})
