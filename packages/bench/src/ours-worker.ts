/** This SDK's client, through its public API. */

import { createReadStream, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { connect, runOnHosts, type SftpClient, type SshClientConnection, scp } from '@ssh/sdk'
import type { Job } from './job.js'
import { inParallel, measure, mustBe } from './worker.js'

await measure(async (job, start) => {
  const { case: name, count, size, sourceFile, scratch } = job
  if (name === 'connect' || name === 'rtt-connect') {
    for (let done = 0; done < count; done++) {
      const connection = await open(job)
      mustBe((await connection.run('true')).exitStatus ?? -1, 0)
      await connection.close()
    }
    return count
  }
  if (name === 'many-hosts') {
    start()
    return await onManyHosts(job)
  }
  const connection = await open(job)
  // As with a connection, what is measured begins when it stands.
  const sftp = name.includes('sftp') || name.startsWith('small-files') ? await connection.startSftpClient() : undefined
  start()
  if (sftp !== undefined) return await onSftp(job, sftp)
  switch (name) {
    case 'exec-down':
    case 'rtt-exec-down': {
      const process = await connection.createProcess(['cat', sourceFile])
      let received = 0
      process.stdout.on('data', (chunk: Buffer) => {
        received += chunk.length
      })
      await process.wait()
      return mustBe(received, size)
    }
    case 'exec-up': {
      const process = await connection.createProcess('wc -c')
      const output = process.stdout.toArray()
      await pipeline(createReadStream(sourceFile, { highWaterMark: 1024 * 1024 }), process.stdin)
      return mustBe(Number(Buffer.concat(await output).toString()), size)
    }
    case 'exec-8':
      await inParallel(count, 8, async () => mustBe((await connection.run('true')).exitStatus ?? -1, 0))
      return count
    case 'scp-get': {
      const local = join(scratch, 'got')
      await scp([connection, sourceFile], local)
      return mustBe(statSync(local).size, size)
    }
    case 'scp-put': {
      const remote = join(scratch, 'put')
      await scp(sourceFile, [connection, remote])
      return mustBe(statSync(remote).size, size)
    }
    default:
      throw new Error(`${name} has a worker of its own`)
  }
})

async function onSftp({ case: name, count, size, sourceFile, sourceFolder, scratch }: Job, sftp: SftpClient) {
  switch (name) {
    case 'sftp-get':
    case 'rtt-sftp-get': {
      const local = join(scratch, 'got')
      await sftp.get(sourceFile, local)
      return mustBe(statSync(local).size, size)
    }
    case 'sftp-put':
    case 'rtt-sftp-put': {
      const remote = join(scratch, 'put')
      await sftp.put(sourceFile, remote)
      return mustBe(statSync(remote).size, size)
    }
    case 'small-files':
      await sftp.mget(join(sourceFolder, '*'), scratch)
      return mustBe(readdirSync(scratch).length, count)
    case 'small-files-put':
      await sftp.mput(join(sourceFolder, '*'), scratch)
      return mustBe(readdirSync(scratch).length, count)
    default:
      throw new Error(`${name} has a worker of its own`)
  }
}

/** Logs in to `count` hosts, each of which runs a command and is left again. */
async function onManyHosts({ target, cipher, count, ports }: Job): Promise<number> {
  const destinations = Array.from({ length: count }, (_, index) => ({
    host: target.host,
    port: ports[index % ports.length] ?? 0,
    username: `user${index}`,
  }))
  const results = runOnHosts(destinations, 'whoami', {
    clientKeys: target.keyFile,
    knownHosts: ports.flatMap((port) => target.hostKeys.map((key) => `[${target.host}]:${port} ${key}\n`)).join(''),
    config: null,
    encryptionAlgs: [cipher],
  })
  for await (const { index, result, error } of results) {
    if (result?.stdout !== `user${index}`) throw error ?? new Error(`Host ${index} answered ${result?.stdout}`)
  }
  return count
}

async function open({ target, cipher }: Job): Promise<SshClientConnection> {
  const knownHosts = target.hostKeys.map((key) => `[${target.host}]:${target.port} ${key}\n`).join('')
  return await connect(
    { host: target.host, port: target.port, username: target.username },
    { clientKeys: target.keyFile, knownHosts, config: null, encryptionAlgs: [cipher] },
  )
}
