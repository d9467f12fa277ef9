/** Measures this SDK beside OpenSSH and ssh2. `pnpm bench --help`. */

import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  type ForeignServer,
  makeKey,
  mustRun,
  type RunningProgram,
  startProgram,
  startSshd,
  withoutComment,
} from '@ssh/interop'
import { seededRandom } from '@ssh/testkit'
import { type BenchCase, cases } from './cases.js'
import type { Job, Measurement, PeerName, Target } from './job.js'
import { measureOpenssh } from './openssh.js'
import { type CaseReport, inUnits, machine, peerNames, table, writeBetweenMarkers } from './report.js'

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    case: { type: 'string', multiple: true },
    peer: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    cipher: { type: 'string', default: 'aes128-gcm@openssh.com' },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) {
  console.log(`Usage: pnpm bench [options]

  --quick          small sizes, one round: does everything still work?
  --case <name>    only this case; may be repeated. ${cases.map(({ name }) => name).join(', ')}
  --peer <name>    only this peer; may be repeated. ${Object.keys(peerNames).join(', ')}
  --rounds <n>     rounds of each case, peers in turn; figures are their medians. Default 5
  --cipher <name>  the cipher everybody uses. Default aes128-gcm@openssh.com
  --write          put the table into packages/bench/README.md`)
} else {
  await bench()
}

async function bench(): Promise<void> {
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 5))
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds takes a whole number, not ${values.rounds}`)
  const chosen = cases.filter(({ name }) => values.case?.includes(name) ?? true)
  if (chosen.length === 0) throw new Error(`No such case: ${values.case?.join(', ')}`)

  // Memory, where it can be had: a disk is not what is measured.
  const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ssh-bench-'))
  chmodSync(root, 0o755)
  const server = await startSshd({ config: { LogLevel: 'ERROR', MaxStartups: '1000' }, hostKeyTypes: ['ed25519'] })
  let failures = 0
  try {
    const reports: CaseReport[] = []
    for (const benchCase of chosen) {
      const { report, failed } = await measureCase(benchCase, rounds, root, server)
      reports.push(report)
      failures += failed
    }
    const text = `${machine(rounds, values.cipher)}\n\n${table(reports)}`
    console.log(`\n${text}`)
    if (values.write) writeBetweenMarkers(join(import.meta.dirname, '../README.md'), `\n${text}\n`)
  } finally {
    await server.stop()
    rmSync(root, { recursive: true, force: true })
  }
  if (failures > 0) process.exitCode = 1
}

async function measureCase(
  benchCase: BenchCase,
  rounds: number,
  root: string,
  server: ForeignServer,
): Promise<{ report: CaseReport; failed: number }> {
  const { size, count } = values.quick ? benchCase.quick : benchCase
  const peers = benchCase.peers.filter((peer) => values.peer?.includes(peer) ?? true)
  const sources = makeSources(root, benchCase, size, count)
  const sshd: Target = {
    host: server.host,
    port: server.port,
    username: server.username,
    keyFile: server.clientKey.path,
    hostKeys: server.hostKeys,
  }
  const proxy = benchCase.isLongWay ? startWorker('proxy-worker.js', [String(server.port)]) : undefined
  const results = new Map<PeerName, Measurement[]>(peers.map((peer) => [peer, []]))
  let failed = 0
  try {
    const target = proxy === undefined ? sshd : { ...sshd, port: Number(await proxy.firstLine) }
    for (let round = 1; round <= rounds; round++) {
      for (const peer of peers) {
        const scratch = freshScratch(root)
        const job: Job = {
          case: benchCase.name,
          target,
          cipher: values.cipher,
          ports: [],
          size,
          count,
          scratch,
          ...sources,
        }
        try {
          const measured = await measure(benchCase, peer, job, server)
          results.get(peer)?.push(measured)
          const value = inUnits(benchCase.unit, measured).toPrecision(3)
          console.log(`${benchCase.name}  ${peerNames[peer]}  ${value} ${benchCase.unit}`)
        } catch (error) {
          failed++
          console.error(
            `${benchCase.name}  ${peerNames[peer]}  failed: ${error instanceof Error ? error.message : error}`,
          )
        }
      }
    }
  } finally {
    await proxy?.stop()
  }
  return { report: { benchCase, rounds: results }, failed }
}

async function measure(
  { name, isServer }: BenchCase,
  peer: PeerName,
  job: Job,
  server: ForeignServer,
): Promise<Measurement> {
  if (isServer) return await measureServer(peer, job, server)
  return name === 'many-hosts' ? await measureHosts(peer, job, server) : await measureClient(peer, job)
}

/** Many hosts, played by several servers of ours in one process. */
async function measureHosts(peer: PeerName, job: Job, server: ForeignServer): Promise<Measurement> {
  const hostKey = await makeKey(job.scratch, 'host_key', 'ed25519')
  const hosts = startWorker('hosts-worker.js', [hostKey.path, server.clientKey.publicLine])
  try {
    const ports: number[] = JSON.parse(await hosts.firstLine)
    const target = { ...job.target, hostKeys: [withoutComment(hostKey.publicLine)] }
    return await measureClient(peer, { ...job, target, ports })
  } finally {
    await hosts.stop()
  }
}

async function measureClient(peer: PeerName, job: Job): Promise<Measurement> {
  if (peer === 'openssh') return await measureOpenssh(job)
  const worker = join(import.meta.dirname, `${peer}-worker.js`)
  return JSON.parse(await mustRun([process.execPath, worker, JSON.stringify(job)], { timeoutMs: 240_000 }))
}

/** OpenSSH's sftp gets from sshd or from us. CPU and memory are the client's; the rate is what is compared. */
async function measureServer(peer: PeerName, job: Job, server: ForeignServer): Promise<Measurement> {
  if (peer === 'openssh') return await measureOpenssh(job)
  const hostKey = await makeKey(job.scratch, 'host_key', 'ed25519')
  const ours = startWorker('server-worker.js', [hostKey.path, server.clientKey.publicLine])
  try {
    const port = Number(await ours.firstLine)
    const target = { ...job.target, port, hostKeys: [withoutComment(hostKey.publicLine)] }
    return await measureOpenssh({ ...job, target })
  } finally {
    await ours.stop()
  }
}

function startWorker(file: string, args: readonly string[]): RunningProgram {
  return startProgram([process.execPath, join(import.meta.dirname, file), ...args])
}

/** Random bytes, so that nothing on the way can be clever about them; the same ones every time. */
function makeSources(
  root: string,
  { name }: BenchCase,
  size: number,
  count: number,
): { sourceFile: string; sourceFolder: string } {
  const random = seededRandom('bench')
  const sourceFile = join(root, `source-${size}`)
  const sourceFolder = join(root, `files-${count}`)
  if (name.startsWith('small-files')) {
    mkdirSync(sourceFolder, { recursive: true })
    for (let index = 0; index < count; index++) writeFileSync(join(sourceFolder, `file-${index}`), random.bytes(size))
  } else if (size > 0 && !existsSync(sourceFile)) {
    const portion = 64 * 1024 * 1024
    for (let written = 0; written < size; written += portion) {
      writeFileSync(sourceFile, random.bytes(Math.min(portion, size - written)), { flag: 'a' })
    }
  }
  return { sourceFile, sourceFolder }
}

function freshScratch(root: string): string {
  const scratch = join(root, 'scratch')
  rmSync(scratch, { recursive: true, force: true })
  mkdirSync(scratch)
  // Written to by us and by the server's user.
  chmodSync(scratch, 0o777)
  return scratch
}
