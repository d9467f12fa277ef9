/** AsyncSSH, both ways. */

import { describe, expect, test } from 'vitest'
import { describeOurClient } from './libraries/our-client.js'
import { describeLibrary } from './libraries/workbench.js'

await describeLibrary('asyncssh', 'AsyncSSH', (bench) => {
  describe('as a server', () => {
    describeOurClient(bench, { relaysSignals: true, canRequireBoth: false })
  })
})
