/** Paramiko, both ways. */

import { describe, expect, test } from 'vitest'
import { describeOurClient } from './libraries/our-client.js'
import { describeLibrary } from './libraries/workbench.js'

await describeLibrary('paramiko', 'Paramiko', (bench) => {
  describe('as a server', () => {
    describeOurClient(bench, { relaysSignals: false, canRequireBoth: true })
  })
})
