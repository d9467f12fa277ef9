/** Transfers between a session and a stream that does nothing: the end of the session ends them. */

import { Readable, Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { SftpClient } from '../../../src/client/sftp-client.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { serveSftp } from '../../../src/server/serve-sftp.js'

const never = new Promise<never>(() => {})

async function start() {
  const [near, far] = memoryChannelPair({ schedule: setImmediate })
  serveSftp(far, new MemoryHandler())
  const client = await SftpClient.start(near)
  await client.writeFile('file', Buffer.alloc(1_000_000))
  const ends: Readonly<Record<string, { readonly end: () => unknown; readonly code: string }>> = {
    lost: { end: () => far.abort(new Error('gone')), code: 'ERR_SFTP_CONNECTION_LOST' },
    closed: { end: () => client.close(), code: 'ERR_SFTP_CLOSED' },
  }
  return { client, ends }
}

async function* oneThenNothing(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(100)
  await never
}

describe.each(['lost', 'closed'])('a session that is %s', (how) => {
  test.each<[string, () => Parameters<SftpClient['put']>[0]]>([
    ['iterable', oneThenNothing],
    ['Readable', () => Readable.from(oneThenNothing())],
    ['web stream', () => new ReadableStream({ start: (controller) => controller.enqueue(Buffer.alloc(100)) })],
  ])('ends what is sent from an %s that has nothing to give', async (_name, source) => {
    const { client, ends } = await start()
    const putting = client.put(source(), 'copy')
    putting.catch(() => {})
    await turn()
    for (let round = 0; round < 20; round++) await turn()
    ends[how]?.end()
    await expect(putting).rejects.toMatchObject({ code: ends[how]?.code, dstpath: 'copy' })
  })

  test.each<[string, () => Writable | WritableStream<Uint8Array>]>([
    ['Writable', () => new Writable({ write: () => {} })],
    ['web stream', () => new WritableStream({ write: () => never })],
  ])('ends what is fetched to a %s that takes nothing', async (_name, sink) => {
    const { client, ends } = await start()
    const getting = client.get('file', sink())
    getting.catch(() => {})
    for (let round = 0; round < 50; round++) await turn()
    ends[how]?.end()
    await expect(getting).rejects.toMatchObject({ code: ends[how]?.code, srcpath: 'file' })
  })
})
