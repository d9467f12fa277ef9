/**
 * Runs every example as a program of its own and looks at what it does: clients against a server in this process,
 * servers with visits from here. Prints one line for each; the exit status is 1 when one fails.
 *
 *     pnpm examples              all of them
 *     pnpm examples sftp         those with "sftp" in their names
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey } from '@ssh/sdk'
import { type ClientExample, clientExamples } from './run-all/clients.js'
import { runExample, type Surroundings, withServer } from './run-all/run-program.js'
import { type ServerExample, serverExamples } from './run-all/servers.js'
import { type EmbeddedServer, startEmbeddedServer } from './support/embedded-server.js'

const [wanted = ''] = process.argv.slice(2)
const workspace = await mkdtemp(join(tmpdir(), 'ssh-examples-'))
try {
  const root = join(workspace, 'server')
  await mkdir(root)
  const embedded = await startEmbeddedServer(root)
  await using _ = embedded.server
  const home = await makeHome(embedded)
  const otherKey = await generatePrivateKey()

  const runs = [
    ...clientExamples.map((example) => ({ name: example.name, run: () => checkClient(example, embedded, home) })),
    ...serverExamples.map((example) => ({
      name: example.name,
      run: () => checkServer(example, embedded, home, otherKey),
    })),
  ]
  let failed = 0
  for (const { name, run } of runs.filter((example) => example.name.includes(wanted))) {
    const startedAt = performance.now()
    const error = await run().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    console.log(`${error === undefined ? 'ok  ' : 'FAIL'}  ${name}  ${seconds} s`)
    if (error !== undefined) {
      failed++
      console.log(error instanceof Error ? error.message.replace(/^/gm, '      ') : error)
    }
  }
  if (failed > 0) process.exitCode = 1
} finally {
  await rm(workspace, { recursive: true, force: true })
}

async function checkClient(example: ClientExample, { server }: EmbeddedServer, home: string): Promise<void> {
  const destination = `demo@127.0.0.1:${server.port}`
  const where = await surroundings(example.name, home)
  example.check(await runExample(example.name, example.args?.(destination) ?? [destination], where, example.stdin))
}

async function checkServer(
  example: ServerExample,
  { hostKey, userKey }: EmbeddedServer,
  home: string,
  otherKey: typeof userKey,
): Promise<void> {
  const where = await surroundings(example.name, home)
  await writeFile(join(where.folder, 'ssh_host_ed25519_key'), await hostKey.exportPrivateKey())
  await writeFile(join(where.folder, 'authorized_keys'), userKey.exportPublicKey())
  await writeFile(join(where.folder, 'alan.pub'), otherKey.exportPublicKey())
  await withServer(example.name, where, async (port) => {
    const knownHosts = `[127.0.0.1]:${port} ${hostKey.exportPublicKey()}`
    await writeFile(join(home, '.ssh/known_hosts'), knownHosts, { flag: 'a' })
    await example.check({ port, options: { clientKeys: [userKey], knownHosts }, otherKey, where })
  })
}

/** A home with the key that is let in and the host key that is trusted, where every example looks by default. */
async function makeHome({ userKey, knownHosts }: EmbeddedServer): Promise<string> {
  const home = join(workspace, 'home')
  await mkdir(join(home, '.ssh'), { recursive: true })
  await writeFile(join(home, '.ssh/id_ed25519'), await userKey.exportPrivateKey(), { mode: 0o600 })
  await writeFile(join(home, '.ssh/known_hosts'), knownHosts)
  return home
}

async function surroundings(name: string, home: string): Promise<Surroundings> {
  const folder = join(workspace, name)
  await mkdir(folder)
  return { folder, home }
}
