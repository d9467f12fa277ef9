import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { seededRandom } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import type { SftpClient } from '../../../src/client/sftp-client.js'
import { SftpServer } from '../../../src/server/sftp-server.js'
import { serve } from '../../servers.js'
import { temporaryDirectory } from '../../temporary-directory.js'

const content = Buffer.from(seededRandom('tree').bytes(300_000))

/** A tree `site` on each side, and a target `www` that has half of it. */
async function trees() {
  const [here, there] = [temporaryDirectory(), temporaryDirectory()]
  for (const side of [here, there]) {
    mkdirSync(join(side, 'site/sub'), { recursive: true })
    for (const name of ['site/a', 'site/sub/b']) writeFileSync(join(side, name), content)
    mkdirSync(join(side, 'www'))
    writeFileSync(join(side, 'www/a'), content.subarray(0, 100_000))
  }
  const { client } = await serve(new SftpServer({ root: there }))
  return { client, here, there }
}

const options = { recurse: true, resume: true }

describe.each([
  [
    'put',
    (client: SftpClient, here: string, source: string) => client.put(`${here}/${source}`, 'www', options),
    'there',
  ],
  ['get', (client: SftpClient, here: string, source: string) => client.get(source, join(here, 'www'), options), 'here'],
  ['copy', (client: SftpClient, _here: string, source: string) => client.copy(source, 'www', options), 'there'],
] as const)('%s', (_operation, run, side) => {
  test.each(['site/.', 'site/./'])('goes on with a tree when its content is named, as %s', async (source) => {
    const { client, ...sides } = await trees()
    const target = join(sides[side], 'www')
    for (let time = 0; time < 2; time++) {
      await run(client, sides.here, source)
      expect(readdirSync(target, { recursive: true }).sort()).toEqual(['a', 'sub', 'sub/b'])
      for (const name of ['a', 'sub/b']) expect(readFileSync(join(target, name)).equals(content)).toBe(true)
    }
  })

  test('copies a tree that is named itself into a directory that is there', async () => {
    const { client, ...sides } = await trees()
    await run(client, sides.here, 'site')
    expect(readdirSync(join(sides[side], 'www')).sort()).toEqual(['a', 'site'])
  })
})
