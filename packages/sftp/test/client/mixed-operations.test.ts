/** Many operations of all kinds at once, answered in any order: each gets its own answer. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { seededRandom } from '@ssh/testkit'
import { expect, test } from 'vitest'
import { temporaryDirectory } from '../temporary-directory.js'
import { Disk, type Order, orders } from './transfer/mortal-server.js'

test.each(Object.keys(orders) as Order[])(
  'R25: 64 files with a life each, on a server that answers %s',
  async (order) => {
    const disk = new Disk()
    const local = temporaryDirectory()
    for (const seed of [1, 2, 3]) {
      const { client } = await disk.connect({ order, seed, client: { maximumInFlight: 300_000 } })
      await Promise.all(
        Array.from({ length: 64 }, async (_, index) => {
          const random = seededRandom(`${seed} ${index}`)
          const path = `/${seed}-${index}`
          let content = Buffer.alloc(0)
          await client.writeFile(path, content)
          for (let step = 0; step < 12; step++) {
            const bytes = Buffer.from(random.bytes(random.integer(120_000)))
            switch (random.integer(7)) {
              case 0:
                await client.writeFile(path, bytes)
                content = bytes
                break
              case 1:
                await client.put(Readable.from([bytes, bytes]), path, { verify: true })
                content = Buffer.concat([bytes, bytes])
                break
              case 2: {
                const place = random.integer(content.length + 1)
                const file = await client.open(path, 'r+')
                await file.write(bytes, place)
                await file.close()
                const grown = Buffer.alloc(Math.max(content.length, place + bytes.length))
                grown.set(content)
                grown.set(bytes, place)
                content = grown
                break
              }
              case 3:
                await client.truncate(path, content.length >> 1)
                content = content.subarray(0, content.length >> 1)
                break
              case 4:
                await client.rename(path, `${path}-moved`)
                expect(await client.exists(path)).toBe(false)
                await client.rename(`${path}-moved`, path)
                break
              case 5:
                await client.get(path, join(local, path), { resume: true })
                expect(readFileSync(join(local, path)).equals(content)).toBe(true)
                break
              default:
                expect((await client.readFile(path)).equals(content)).toBe(true)
            }
            expect(await client.getSize(path)).toBe(content.length)
          }
          expect(disk.content(path).equals(content)).toBe(true)
          await client.remove(path)
        }),
      )
      expect(disk.files.size).toBe(0)
    }
  },
)
