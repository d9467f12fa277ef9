/** The example programs beside OpenSSH: clients against its server, servers visited by its client. */

import { copyFileSync, mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { clientExamples } from '../../examples/src/run-all/clients.js'
import { runExample } from '../../examples/src/run-all/run-program.js'
import { startTargets, type Targets } from '../../examples/src/run-all/targets.js'
import { type ForeignServer, knownHostsOf, lacks, startSshd, temporaryFolder } from '../src/index.js'

/** As `tsx` runs them, wherever the working directory is. */
const typescript = [
  '--conditions=@ssh/source',
  '--import',
  pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href,
]

/** What sshd cannot be asked for here, and what to look at instead. */
const notForSshd = new Map([
  ['client-keyboard-interactive', 'sshd asks questions only through PAM; see the tests of PuTTY and AsyncSSH'],
])

describe.skipIf(lacks('sshd', 'sftp-server'))('against sshd', () => {
  const folder = temporaryFolder()
  let server: ForeignServer
  let targets: Targets
  beforeAll(async () => {
    server = await startSshd()
    targets = await startTargets(join(server.folder, 'there.sock'))
    const dotSsh = join(folder.path, '.ssh')
    mkdirSync(dotSsh)
    copyFileSync(server.clientKey.path, join(dotSsh, 'id_ed25519'))
    folder.write('.ssh/known_hosts', knownHostsOf(server))
  })
  afterAll(async () => {
    targets?.close()
    await server?.stop()
    folder.remove()
  })

  test.for(clientExamples.filter(({ name }) => !notForSshd.has(name)))(
    '$name',
    async ({ name, args, stdin, check }) => {
      const destination = `${server.username}@${server.host}:${server.port}`
      const own = join(folder.path, name)
      mkdirSync(own)
      const programArguments = args?.(destination, targets) ?? [destination]
      const where = { folder: own, home: folder.path }
      check(await runExample(name, programArguments, where, { stdin, nodeArguments: typescript }))
    },
  )
})
