/** Paramiko, both ways. */

import { describe } from 'vitest'
import { extras } from './files/our-client.js'
import { describeTheirConnections } from './libraries/forwarding.js'
import { describeOurClient } from './libraries/our-client.js'
import { describeOurFiles } from './libraries/our-files.js'
import { describeOurServer } from './libraries/our-server.js'
import { describeTheirFiles } from './libraries/their-files.js'
import { describeLibrary } from './libraries/workbench.js'

await describeLibrary('paramiko', 'Paramiko', (bench) => {
  describe('as a server', () => {
    describeOurClient(bench, { relaysSignals: false, canRequireBoth: true })
    describeOurFiles(bench, {
      lacks: extras,
      takesAnyName: false,
      truncationErases: true,
    })
  })
  describe('as a client', () => {
    describeOurServer(bench, { sendsSignals: false, tellsSignals: false })
    describeTheirFiles(bench, { hasAll: false })
    describeTheirConnections(bench)
  })
})
