/** Go, both ways. */

import { describe } from 'vitest'
import { extras } from './files/our-client.js'
import { describeTheirConnections } from './libraries/forwarding.js'
import { describeOurClient } from './libraries/our-client.js'
import { describeOurFiles } from './libraries/our-files.js'
import { describeOurServer } from './libraries/our-server.js'
import { describeTheirFiles } from './libraries/their-files.js'
import { describeLibrary } from './libraries/workbench.js'

await describeLibrary('go', 'Go', (bench) => {
  describe('as a server', () => {
    describeOurClient(bench, { relaysSignals: true, canRequireBoth: true })
    const knows: readonly string[] = ['posixRename', 'link', 'statvfs']
    const lacks = extras.filter((extra) => !knows.includes(extra))
    describeOurFiles(bench, { lacks, renameReplaces: true, mixesUpRemovals: true, tellsAccessTimes: false })
    describe('from memory', () => {
      // A write takes it longer the more the file holds.
      const traits = { lacks, isElsewhere: true, keepsAttributes: false, largeSize: 8 * 2 ** 20 + 1 }
      describeOurFiles(bench, traits, { filesInMemory: true })
    })
  })
  describe('as a client', () => {
    describeOurServer(bench, { sendsSignals: true, tellsSignals: true })
    describeTheirFiles(bench)
    describeTheirConnections(bench)
  })
})
