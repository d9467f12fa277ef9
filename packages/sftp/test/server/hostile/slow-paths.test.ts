/** Paths that take long to look at, if one looks the wrong way: everybody else on the server waits meanwhile. */

import { Writer } from '@ssh/wire'
import { expect, test } from 'vitest'
import { dialects } from '../../../src/protocol/dialect.js'
import { limitFiles } from '../../../src/server/limit-files.js'
import { MemoryHandler } from '../../../src/server/memory-handler.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { temporaryDirectory } from '../../temporary-directory.js'
import { attack, everyRequest } from './attack.js'

/** The same packet with another id, which is behind the number. */
function withId(packet: Uint8Array, id: number): Uint8Array {
  const copy = Buffer.from(packet)
  copy.writeUInt32BE(id, 1)
  return copy
}

/** Less than a packet holds. */
const length = 120_000

const slow: [string, string][] = [
  ['slashes', `${'/'.repeat(length)}x`],
  ['slashes, and none at the end', `a${'/'.repeat(length)}x/`],
  ['dots', `${'/.'.repeat(length / 2)}x`],
  ['steps up', '../'.repeat(length / 3)],
  ['bytes that are no text', '\udcc2'.repeat(length)],
  ['bytes that begin three', '\udce0'.repeat(length)],
  ['homes', `~${'~'.repeat(length)}`],
]

test.each(slow)(
  'no request of any version with a path of %s takes long',
  async (_, path) => {
    const servers = [
      () => new SftpServer({ startDirectory: temporaryDirectory() }),
      () => new SftpServer({ root: temporaryDirectory() }),
      () => new MemoryHandler(),
      () => limitFiles(new MemoryHandler(), { maximumFiles: 1000 }),
    ]
    for (const dialect of [dialects[0], dialects[3]]) {
      if (dialect === undefined) throw new Error('no dialect')
      const handle = new Uint8Array(16)
      // One path of it: a packet holds no two. Made here, so that making them does not count.
      const packets = [
        ...everyRequest(dialect, { path, newPath: 'a', handle }),
        ...everyRequest(dialect, { path: 'a', newPath: path, handle }),
      ].map(({ name, build }) => ({ name, packet: build(0) }))
      for (const make of servers) {
        const { client, session } = attack<never>(make() as never, { dialect })
        for (const { name, packet } of packets) {
          const start = process.cpuUsage()
          await client.ask((id) => withId(packet, id))
          const { user, system } = process.cpuUsage(start)
          expect([name, Math.floor((user + system) / 500_000)]).toEqual([name, 0])
        }
        await session.close()
      }
    }
  },
  60_000,
)

test('nor do paths in great number that are followed one from another', async () => {
  const dialect = dialects.find(({ version }) => version === 6)
  if (dialect === undefined) throw new Error('no version 6')
  const { client } = attack(new MemoryHandler(), { dialect })
  const start = process.cpuUsage()
  await client.ask((id) => {
    const writer = new Writer().writeByte(16).writeUint32(id).writeUtf8('.').writeByte(1)
    for (let index = 0; index < 50_000; index++) writer.writeUtf8('a')
    return writer.finish()
  })
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(250)
})
