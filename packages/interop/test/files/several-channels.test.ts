/** Uploads to sshd a long way off: its window of 2 MiB is the limit, and other SFTP channels share in the work. */

import { channel } from 'node:diagnostics_channel'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SshClientConnection } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type DelayProxy, delayProxy, seededRandom } from '../../../testkit/src/index.js'
import {
  connectTo,
  type ForeignServer,
  lacks,
  startSshd,
  type TemporaryFolder,
  temporaryFolder,
} from '../../src/index.js'

const bytes = Buffer.from(seededRandom('several channels').bytes(48 * 1024 * 1024))

/** Counts session channels that are asked for until the test is over. */
function countChannels(): () => number {
  const starts = channel('tracing:ssh:channel-open:start')
  let count = 0
  const onStart = (): void => void count++
  starts.subscribe(onStart)
  onTestFinished(() => void starts.unsubscribe(onStart))
  return () => count
}

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('sshd 150 ms away', () => {
  let roomy: ForeignServer
  let narrow: ForeignServer
  let here: TemporaryFolder
  let source: string
  const proxies: DelayProxy[] = []

  beforeAll(async () => {
    here = temporaryFolder()
    source = join(here.path, 'source')
    writeFileSync(source, bytes)
    roomy = await startSshd()
    narrow = await startSshd({ config: { MaxSessions: '2' } })
  })
  afterAll(async () => {
    for (const proxy of proxies) await proxy.close()
    await roomy?.stop()
    await narrow?.stop()
    here?.remove()
  })

  async function connectFarAway(server: ForeignServer): Promise<SshClientConnection> {
    const proxy = await delayProxy({ target: server, roundTripMs: 150 })
    proxies.push(proxy)
    return await connectTo({ ...server, port: proxy.port })
  }

  test('a large file goes up through six channels, whole', async () => {
    await using conn = await connectFarAway(roomy)
    const channels = countChannels()
    await using sftp = await conn.startSftpClient()
    const there = join(roomy.folder, 'six')
    await sftp.put(source, there, { verify: true })
    expect(readFileSync(there).equals(bytes)).toBe(true)
    expect(channels()).toBe(6)
  })

  test('options that make transfers reliable hold there too', async () => {
    await using conn = await connectFarAway(roomy)
    await using sftp = await conn.startSftpClient()
    const there = join(roomy.folder, 'reliable')
    await sftp.writeFile(there, bytes.subarray(0, 10_000_000))
    await sftp.put(source, there, { resume: true })
    expect(readFileSync(there).equals(bytes)).toBe(true)
    await sftp.put(source, there, { atomic: true, preserve: true })
    expect(readFileSync(there).equals(bytes)).toBe(true)
  })

  test('sessions that the server has no room for are done without', async () => {
    await using conn = await connectFarAway(narrow)
    const channels = countChannels()
    await using sftp = await conn.startSftpClient()
    const there = join(narrow.folder, 'two')
    await sftp.put(source, there)
    expect(readFileSync(there).equals(bytes)).toBe(true)
    expect(channels()).toBe(6)
  })

  test('one channel does everything when it is told to', async () => {
    await using conn = await connectFarAway(roomy)
    const channels = countChannels()
    await using sftp = await conn.startSftpClient({ maximumChannels: 1 })
    await sftp.put(source, join(roomy.folder, 'one'))
    expect(channels()).toBe(1)
  })
})

describe.skipIf(lacks('sshd', 'sftp-server', 'ssh-keygen'))('sshd beside us', () => {
  test('takes a large file through one channel: the window is not the limit', async () => {
    const server = await startSshd()
    onTestFinished(() => server.stop())
    using here = temporaryFolder()
    const source = here.write('source', bytes)
    await using conn = await connectTo(server)
    const channels = countChannels()
    await using sftp = await conn.startSftpClient()
    await sftp.put(source, join(server.folder, 'near'))
    expect(channels()).toBe(1)
  })
})
