/** The ssh2 package's client, used as its documentation shows. */

import { createReadStream, readFileSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client, type ClientChannel, type ConnectConfig, type SFTPWrapper } from 'ssh2'
import type { Job } from './job.js'
import { inParallel, measure, mustBe } from './worker.js'

await measure(async (job, start) => {
  const { case: name, count, size, sourceFile } = job
  if (name === 'connect' || name === 'rtt-connect') {
    for (let done = 0; done < count; done++) {
      const client = await open(job)
      await runTrue(client)
      const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
      client.end()
      await closed
    }
    return count
  }
  const client = await open(job)
  // As with a connection, what is measured begins when it stands.
  const sftp = name.includes('sftp') || name.startsWith('small-files') ? await openSftp(client) : undefined
  start()
  if (sftp !== undefined) return await onSftp(job, sftp)
  switch (name) {
    case 'exec-down':
    case 'rtt-exec-down': {
      const channel = await exec(client, `cat ${sourceFile}`)
      let received = 0
      channel.on('data', (chunk: Buffer) => {
        received += chunk.length
      })
      channel.stderr.resume()
      await new Promise((resolve) => channel.once('close', resolve))
      return mustBe(received, size)
    }
    case 'exec-up': {
      const channel = await exec(client, 'wc -c')
      let output = ''
      channel.on('data', (chunk: Buffer) => {
        output += chunk
      })
      createReadStream(sourceFile, { highWaterMark: 1024 * 1024 }).pipe(channel)
      await new Promise((resolve) => channel.once('close', resolve))
      return mustBe(Number(output), size)
    }
    case 'exec-8':
      await inParallel(count, 8, () => runTrue(client))
      return count
    default:
      throw new Error(`ssh2 is not measured in ${name}`)
  }
})

async function onSftp({ case: name, count, size, sourceFile, sourceFolder, scratch }: Job, sftp: SFTPWrapper) {
  switch (name) {
    case 'sftp-get':
    case 'rtt-sftp-get': {
      const local = join(scratch, 'got')
      await promisify<string, string>(sftp.fastGet.bind(sftp))(sourceFile, local)
      return mustBe(statSync(local).size, size)
    }
    case 'sftp-put':
    case 'rtt-sftp-put': {
      const remote = join(scratch, 'put')
      await promisify<string, string>(sftp.fastPut.bind(sftp))(sourceFile, remote)
      return mustBe(statSync(remote).size, size)
    }
    case 'small-files': {
      const entries = await promisify(sftp.readdir.bind(sftp))(sourceFolder)
      const get = promisify<string, string>(sftp.fastGet.bind(sftp))
      // The best of 8, 32, 64, 128, 256 and 512.
      await inParallel(entries.length, 512, async (index) => {
        const file = entries[index]?.filename ?? ''
        await get(join(sourceFolder, file), join(scratch, file))
      })
      return mustBe(entries.length, count)
    }
    case 'small-files-put': {
      const files = await readdir(sourceFolder)
      const put = promisify<string, string>(sftp.fastPut.bind(sftp))
      await inParallel(files.length, 64, async (index) => {
        const file = files[index] ?? ''
        await put(join(sourceFolder, file), join(scratch, file))
      })
      return mustBe(files.length, count)
    }
    default:
      throw new Error(`ssh2 is not measured in ${name}`)
  }
}

async function open({ target, cipher }: Job): Promise<Client> {
  const client = new Client()
  const hostKeys = new Set(target.hostKeys.map((key) => key.split(' ')[1]))
  const config: ConnectConfig = {
    host: target.host,
    port: target.port,
    username: target.username,
    privateKey: readFileSync(target.keyFile),
    hostVerifier: (key: Buffer) => hostKeys.has(key.toString('base64')),
    algorithms: { cipher: [cipher as 'aes128-gcm@openssh.com'] },
  }
  await new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    client.once('error', reject)
    client.connect(config)
  })
  return client
}

function exec(client: Client, command: string): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    client.exec(command, (error, channel) => (error ? reject(error) : resolve(channel)))
  })
}

async function runTrue(client: Client): Promise<void> {
  const status = await new Promise<number>((resolve, reject) => {
    client.exec('true', (error, channel) => {
      if (error) return reject(error)
      // Listened for at once: the exit may be in the same bytes as the answer to the request.
      channel.once('exit', resolve)
      channel.resume()
      channel.stderr.resume()
    })
  })
  mustBe(status, 0)
}

function openSftp(client: Client): Promise<SFTPWrapper> {
  return new Promise((resolve, reject) => {
    client.sftp((error, sftp) => (error ? reject(error) : resolve(sftp)))
  })
}
