/**
 * Runs every example as a program of its own and looks at what it does: clients against a server in this process,
 * servers with visits from here. Prints one line for each; the exit status is 1 when one fails.
 *
 *     pnpm examples              all of them
 *     pnpm examples sftp         those with "sftp" in their names
 */

import { rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, writePrivateKey, writePublicKey } from '@ssh/sdk'
import { type ClientExample, clientExamples } from './run-all/clients.js'
import { runExample, type Surroundings, withServer } from './run-all/run-program.js'
import { type ServerExample, serverExamples } from './run-all/servers.js'
import { startTargets } from './run-all/targets.js'
import { type EmbeddedServer, startEmbeddedServer } from './support/embedded-server.js'

const [wanted = ''] = process.argv.slice(2)
const workspace = await mkdtemp(join(tmpdir(), 'ssh-examples-'))
// Whatever ends this: nothing is left behind.
process.once('exit', () => rmSync(workspace, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

const root = join(workspace, 'server')
await mkdir(root)
const embedded = await startEmbeddedServer(root)
const home = await makeHome(embedded)
const targets = await startTargets(join(workspace, 'there.sock'))
const otherKey = await generatePrivateKey()

const runs = [
  ...clientExamples.map((example) => ({ name: example.name, run: () => checkClient(example) })),
  ...serverExamples.map((example) => ({ name: example.name, run: () => checkServer(example) })),
  { name: 'every example is run', run: checkCompleteness },
].filter(({ name }) => name.includes(wanted))
if (runs.length === 0) fail(`no example has "${wanted}" in its name`)
for (const { name, run } of runs) {
  const startedAt = performance.now()
  const seconds = () => ((performance.now() - startedAt) / 1000).toFixed(1)
  try {
    await run()
    console.log(`ok    ${name}  ${seconds()} s`)
  } catch (error) {
    fail(`${name}  ${seconds()} s\n${error instanceof Error ? error.message.replace(/^/gm, '      ') : error}`)
  }
}
await embedded.server.close()
targets.close()

function fail(what: string): void {
  console.log(`FAIL  ${what}`)
  process.exitCode = 1
}

async function checkClient(example: ClientExample): Promise<void> {
  const destination = `demo@127.0.0.1:${embedded.server.port}`
  const where = await surroundings(example.name)
  example.check(
    await runExample(example.name, example.args?.(destination, targets) ?? [destination], where, {
      stdin: example.stdin,
    }),
  )
}

async function checkServer(example: ServerExample): Promise<void> {
  const { hostKey, userKey } = embedded
  const where = await surroundings(example.name)
  await writePrivateKey(hostKey, join(where.folder, 'ssh_host_ed25519_key'))
  await writePublicKey(userKey, join(where.folder, 'authorized_keys'))
  await writePublicKey(otherKey, join(where.folder, 'alan.pub'))
  const inner = `demo@127.0.0.1:${embedded.server.port}`
  await withServer(example.name, example.args?.(inner) ?? [], where, async ({ port, output, ended }) => {
    const knownHosts = `[127.0.0.1]:${port},device ${hostKey.exportPublicKey()}`
    await writeFile(join(home, '.ssh/known_hosts'), knownHosts, { flag: 'a' })
    const options = { clientKeys: [userKey], knownHosts, config: null }
    await example.check({ port, options, otherKey, inner, where, output, ended })
  })
}

/** An example that nobody looks at is one that does not work. */
async function checkCompleteness(): Promise<void> {
  const files = await readdir(import.meta.dirname)
  const examples = files.flatMap((file) => /^((?:client|server|sftp|keys)-[^.]*)\.[jt]s$/.exec(file)?.[1] ?? [])
  // Two are looked at together with the one at the other end; one needs an agent, and is run beside OpenSSH's.
  const others = ['client-terminal', 'server-connect-reverse', 'client-agent'].map((name) => ({ name }))
  const looked = new Set([...clientExamples, ...serverExamples, ...others].map(({ name }) => name))
  const forgotten = examples.filter((name) => !looked.has(name))
  if (forgotten.length > 0) throw new Error(`not in run-all/: ${forgotten.join(', ')}`)
}

/** A home with the key that is let in and the host key that is trusted, where every example looks by default. */
async function makeHome({ userKey, knownHosts }: EmbeddedServer): Promise<string> {
  const home = join(workspace, 'home')
  await mkdir(join(home, '.ssh'), { recursive: true })
  await writePrivateKey(userKey, join(home, '.ssh/id_ed25519'))
  await writeFile(join(home, '.ssh/known_hosts'), knownHosts)
  return home
}

async function surroundings(name: string): Promise<Surroundings> {
  const folder = join(workspace, name)
  await mkdir(folder)
  return { folder, home }
}
