/** OpenSSH's own clients. What they do besides the work (starting, logging in) is measured too and taken off. */

import { spawn } from 'node:child_process'
import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { peer, type TemporaryFolder, temporaryFolder } from '@ssh/interop'
import type { Job, Measurement, Target } from './job.js'
import { watchUsage } from './process-usage.js'
import { mustBe } from './worker.js'

/** Runs one job. */
export async function measureOpenssh(job: Job): Promise<Measurement> {
  using folder = temporaryFolder()
  const { case: name, size, count, sourceFile, scratch } = job
  switch (name) {
    case 'connect':
    case 'rtt-connect': {
      const runs: Measurement[] = []
      for (let done = 0; done < count; done++) runs.push(await sshTrue(job, folder))
      return sumOf(runs, count)
    }
    case 'exec-down':
    case 'rtt-exec-down':
      return await withoutOverhead(job, folder, await runSsh(job, folder, `cat ${sourceFile}`, size))
    case 'exec-up':
      return await withoutOverhead(job, folder, await runSsh(job, folder, 'wc -c', size, sourceFile))
    case 'sftp-get':
    case 'rtt-sftp-get':
    case 'server-sftp-get': {
      const local = join(scratch, 'got')
      const measured = await runSftp(job, folder, `get ${sourceFile} ${local}`, size)
      mustBe(statSync(local).size, size)
      return await withoutOverhead(job, folder, measured)
    }
    case 'sftp-put':
    case 'rtt-sftp-put':
    case 'server-sftp-put': {
      const remote = join(scratch, 'put')
      const measured = await runSftp(job, folder, `put ${sourceFile} ${remote}`, size)
      mustBe(statSync(remote).size, size)
      return await withoutOverhead(job, folder, measured)
    }
    case 'small-files':
      return await withoutOverhead(
        job,
        folder,
        await runSftp(job, folder, `get -r ${job.sourceFolder}/* ${scratch}`, count),
      )
    case 'small-files-put': {
      const measured = await runSftp(job, folder, `put -r ${job.sourceFolder}/* ${scratch}`, count)
      mustBe(readdirSync(scratch).length, count)
      return await withoutOverhead(job, folder, measured)
    }
    case 'scp-get': {
      const local = join(scratch, 'got')
      const measured = await runScp(job, folder, remoteFile(job, sourceFile), local)
      mustBe(statSync(local).size, size)
      return await withoutOverhead(job, folder, measured)
    }
    case 'scp-put': {
      const remote = join(scratch, 'put')
      const measured = await runScp(job, folder, sourceFile, remoteFile(job, remote))
      mustBe(statSync(remote).size, size)
      return await withoutOverhead(job, folder, measured)
    }
    case 'exec-8':
    case 'many-hosts':
      throw new Error('OpenSSH has no command for this case')
  }
}

/** Takes off what logging in alone took, so that only the work is compared. */
async function withoutOverhead(job: Job, folder: TemporaryFolder, measured: Measurement): Promise<Measurement> {
  const isSftp = job.case.includes('sftp') || job.case.startsWith('small-files')
  const overhead = isSftp ? await runSftp(job, folder, 'pwd', 1) : await sshTrue(job, folder)
  return {
    ...measured,
    seconds: Math.max(0.001, measured.seconds - overhead.seconds),
    cpuSeconds: Math.max(0, measured.cpuSeconds - overhead.cpuSeconds),
  }
}

function sshTrue(job: Job, folder: TemporaryFolder): Promise<Measurement> {
  return runSsh(job, folder, 'true', 1)
}

async function runSsh(
  job: Job,
  folder: TemporaryFolder,
  command: string,
  amount: number,
  inputFile?: string,
): Promise<Measurement> {
  const { target } = job
  const argv = [
    peer('ssh'),
    '-p',
    String(target.port),
    ...login(job, folder),
    `${target.username}@${target.host}`,
    command,
  ]
  return await runMeasured(argv, amount, inputFile)
}

async function runSftp(job: Job, folder: TemporaryFolder, command: string, amount: number): Promise<Measurement> {
  const { target } = job
  const batch = folder.write('batch', `${command}\n`)
  const options = ['-q', '-P', String(target.port), ...login(job, folder), '-b', batch]
  return await runMeasured([peer('sftp'), ...options, `${target.username}@${target.host}`], amount)
}

/** `-O`: the protocol, where scp would take SFTP for it today. */
async function runScp(job: Job, folder: TemporaryFolder, from: string, to: string): Promise<Measurement> {
  const options = ['-O', '-q', '-P', String(job.target.port), ...login(job, folder)]
  return await runMeasured([peer('scp'), ...options, from, to], job.size)
}

function remoteFile({ target }: Job, path: string): string {
  return `${target.username}@${target.host}:${path}`
}

function login({ target, cipher }: Job, folder: TemporaryFolder): string[] {
  const settings = {
    UserKnownHostsFile: folder.write('known_hosts', knownHosts(target)),
    GlobalKnownHostsFile: '/dev/null',
    StrictHostKeyChecking: 'yes',
    UpdateHostKeys: 'no',
    BatchMode: 'yes',
    IdentitiesOnly: 'yes',
    IdentityAgent: 'none',
    IdentityFile: target.keyFile,
    Ciphers: cipher,
  }
  return ['-F', 'none', ...Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])]
}

function knownHosts(target: Target): string {
  return target.hostKeys.map((key) => `[${target.host}]:${target.port} ${key}\n`).join('')
}

/** Runs a program, throwing its output away, and measures it with all its children. */
async function runMeasured(argv: readonly string[], amount: number, inputFile?: string): Promise<Measurement> {
  const [command = '', ...args] = argv
  const startedAt = performance.now()
  const child = spawn(command, args, { stdio: [inputFile === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] })
  const stopWatching = watchUsage(child.pid ?? 0)
  let stderr = ''
  child.stdout?.resume()
  child.stderr?.on('data', (chunk) => (stderr += chunk))
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (inputFile !== undefined && child.stdin !== null) {
    await pipeline(createReadStream(inputFile, { highWaterMark: 1024 * 1024 }), child.stdin)
  }
  const status = await closed
  const seconds = (performance.now() - startedAt) / 1000
  const usage = stopWatching()
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`)
  return { amount, seconds, ...usage }
}

function sumOf(runs: readonly Measurement[], amount: number): Measurement {
  return {
    amount,
    seconds: runs.reduce((sum, run) => sum + run.seconds, 0),
    cpuSeconds: runs.reduce((sum, run) => sum + run.cpuSeconds, 0),
    peakMemory: Math.max(...runs.map((run) => run.peakMemory)),
  }
}
