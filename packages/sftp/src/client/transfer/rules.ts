/** What the options of a transfer mean for each of its files. */

import type { InFlightBudget } from '../in-flight-budget.js'
import { blockSizeOf, type SftpTransferOptions } from '../options.js'
import type { FileContentOptions } from './file-content.js'
import type { WriteRules } from './write-file.js'

export function contentOptionsOf(
  options: SftpTransferOptions,
  budget: InFlightBudget,
  signal: AbortSignal | undefined,
): FileContentOptions {
  const { maxRequests = Number.POSITIVE_INFINITY, sparse = true } = options
  return { budget, signal, maxRequests, sparse, blockSize: blockSizeOf(options) }
}

export function writeRulesOf(
  options: SftpTransferOptions,
  budget: InFlightBudget,
  signal: AbortSignal | undefined,
): WriteRules {
  const { preserve = false, resume = false, atomic = false, verify = false } = options
  return { preserve, resume, atomic, verify, budget, signal }
}
