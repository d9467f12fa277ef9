/**
 * The main job in one go: connect, run, pipe, transfer, and see what goes wrong said clearly.
 *
 *     pnpm demo                  against a server that the demo starts in this process
 *     pnpm demo user@host        against a server of yours, with your keys and known_hosts
 *
 * Needs a POSIX shell there, and nothing else. Leaves nothing behind, and exits with 1 when something went wrong.
 */

import { randomBytes } from 'node:crypto'
import { createReadStream, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  ChannelError,
  type ClientOptions,
  connect,
  generatePrivateKey,
  HostKeyNotVerifiable,
  ProcessError,
  type SftpClient,
  SftpError,
  type SshClientConnection,
  sh,
} from '@ssh/sdk'
import { askSecret, fact, progressBar, shown, step } from './demo/terminal.js'
import { startEmbeddedServer } from './support/embedded-server.js'

const [userDestination] = process.argv.slice(2)
const folder = await mkdtemp(join(tmpdir(), 'ssh-demo-'))
// Whatever ends this: nothing is left behind.
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.stdout.once('error', () => process.exit(1))

try {
  if (userDestination === undefined) await demonstrateEmbedded()
  else {
    await demonstrate(userDestination, {
      passphrase: (file) => askSecret(`Passphrase of ${file}: `),
      password: () => askSecret(`Password for ${userDestination}: `),
    })
  }
} catch (error) {
  if (error instanceof Error) shown(error)
  else console.error(error)
  process.exitCode = 1
}

async function demonstrateEmbedded(): Promise<void> {
  const root = join(folder, 'server')
  await mkdir(root)
  const { server, userKey, knownHosts } = await startEmbeddedServer(root)
  await using _ = server
  step('A server in this process, with fresh keys', `await listen({ port: 0, serverHostKeys: [hostKey], … })`)
  fact(`listening on 127.0.0.1 port ${server.port}`)
  await demonstrate(`demo@127.0.0.1:${server.port}`, { config: null, clientKeys: [userKey], knownHosts })
}

async function demonstrate(destination: string, options: ClientOptions): Promise<void> {
  step(
    'Connect, checking the host key',
    `await using conn = await connect('${destination}', { knownHosts, clientKeys })`,
  )
  await using conn = await connect(destination, options)
  const { algorithms, serverVersion } = conn.info
  fact(`${serverVersion}\n${algorithms.kex}, ${algorithms.serverHostKey}, ${algorithms.encryptionClientToServer}`)
  await runCommands(conn)
  await pipeProcesses(conn)
  await transferFiles(conn)
  await showErrors(conn, destination, options)
  step('Done')
}

async function runCommands(conn: SshClientConnection): Promise<void> {
  step('Run a command', `(await conn.run('uname -a', { check: true })).stdout`)
  fact((await conn.run('uname -a', { check: true })).stdout)

  const name = `it's "quoted" $HOME`
  step('Arguments are quoted for you', 'await conn.run(sh`echo $' + '{name}`)')
  fact((await conn.run(sh`echo ${name}`, { check: true })).stdout)
}

async function pipeProcesses(conn: SshClientConnection): Promise<void> {
  step('Pipe one remote process into another', `pipeline(numbers.stdout, sort.stdin)`)
  const numbers = await conn.createProcess('printf "%s\\n" 3 1 2')
  const sort = await conn.createProcess('sort -n')
  const [sorted] = await Promise.all([sort.wait({ check: true }), pipeline(numbers.stdout, sort.stdin)])
  fact(`3 1 2, sorted remotely: ${sorted.stdout.trim().split('\n').join(' ')}`)

  const names = join(folder, 'names.txt')
  await writeFile(names, 'walnut\napple\nmedlar\nquince\n')
  step('A local file through a remote sort', `pipeline(createReadStream('names.txt'), sort.stdin)`)
  const sorting = await conn.createProcess('sort')
  const [result] = await Promise.all([sorting.wait({ check: true }), pipeline(createReadStream(names), sorting.stdin)])
  fact(result.stdout.trim().split('\n').join(', '))
}

async function transferFiles(conn: SshClientConnection): Promise<void> {
  let sftp: SftpClient
  try {
    sftp = await conn.startSftpClient()
  } catch (error) {
    if (!(error instanceof ChannelError || error instanceof SftpError)) throw error
    step('Files', 'await conn.startSftpClient()')
    return fact(`this server offers no SFTP: ${error.message}`)
  }
  await using _ = sftp
  const remote = `ssh-demo-${randomBytes(4).toString('hex')}`
  await sftp.makedirs(`${remote}/logs/2026`)
  try {
    await transferOneFile(sftp, remote)
    await transferByGlob(sftp, remote)
  } finally {
    await sftp.rmtree(remote)
  }
}

async function transferOneFile(sftp: SftpClient, remote: string): Promise<void> {
  const original = join(folder, 'original.bin')
  const returned = join(folder, 'returned.bin')
  await writeFile(original, randomBytes(8 * 1024 * 1024))
  step('Put a file and get it back', `await sftp.put('original.bin', '${remote}/copy.bin', { progress })`)
  const up = progressBar('put')
  await sftp.put(original, `${remote}/copy.bin`, { progress: up.update })
  up.done()
  const down = progressBar('get')
  await sftp.get(`${remote}/copy.bin`, returned, { progress: down.update })
  down.done()
  const isEqual = (await readFile(original)).equals(await readFile(returned))
  fact(isEqual ? 'the bytes are equal' : 'THE BYTES DIFFER')
  if (!isEqual) throw new Error('the file came back changed')
}

async function transferByGlob(sftp: SftpClient, remote: string): Promise<void> {
  for (const file of ['a.gz', 'b.gz', '2026/c.gz', '2026/notes.txt']) {
    await sftp.writeFile(`${remote}/logs/${file}`, randomBytes(256 * 1024))
  }
  const out = join(folder, 'out')
  await mkdir(out)
  step('Get what a glob matches', `await sftp.mget('${remote}/logs/**/*.gz', 'out', { progress })`)
  const bar = progressBar('mget')
  await sftp.mget(`${remote}/logs/**/*.gz`, out, { progress: bar.update })
  bar.done()
  for (const name of (await readdir(out)).sort()) fact(`${name}, ${(await stat(join(out, name))).size} bytes`)
}

async function showErrors(conn: SshClientConnection, destination: string, options: ClientOptions): Promise<void> {
  step('A command that fails', `await conn.run('ls /no/such/folder', { check: true })`)
  await expectError(ProcessError, () => conn.run('ls /no/such/folder', { check: true }))

  step('A host key that is not the one on file', `await connect('${destination}', { knownHosts: … })`)
  const stranger = await generatePrivateKey('ssh-ed25519')
  const { host, port } = conn.info
  const knownHosts = `${port === 22 ? host : `[${host}]:${port}`} ${stranger.exportPublicKey()}\n`
  await expectError(HostKeyNotVerifiable, () => connect(destination, { ...options, knownHosts }))
}

async function expectError(
  kind: abstract new (...args: never[]) => Error,
  attempt: () => Promise<unknown>,
): Promise<void> {
  try {
    await attempt()
  } catch (error) {
    if (!(error instanceof kind)) throw error
    shown(error)
    return
  }
  throw new Error(`expected a ${kind.name}, but nothing failed`)
}
