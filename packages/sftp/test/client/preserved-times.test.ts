import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { SftpServer } from '../../src/server/sftp-server.js'
import { serve } from '../servers.js'
import { temporaryDirectory } from '../temporary-directory.js'

/** Node sets times as doubles: true to a quarter of a microsecond. */
const within = 0.001

const timesOf = (path: string): { readonly atimeMs: number; readonly mtimeMs: number } => statSync(path)

test.each([4, 6] as const)('version %i keeps times to the nanosecond, as far as Node can set them', async (version) => {
  const [here, there] = [temporaryDirectory(), temporaryDirectory()]
  const original = join(here, 'original')
  writeFileSync(original, 'x')
  utimesSync(original, 1_234_567_890.123456, 1_345_678_901.654321)
  const before = timesOf(original)
  const { client } = await serve(new SftpServer({ root: there }), {
    sftpVersion: version,
    client: { sftpVersion: version },
  })
  await client.put(original, '/sent', { preserve: true })
  const sent = timesOf(join(there, 'sent'))
  expect(Math.abs(sent.mtimeMs - before.mtimeMs)).toBeLessThan(within)
  expect(Math.abs(sent.atimeMs - before.atimeMs)).toBeLessThan(within)
  await client.get('/sent', join(here, 'back'), { preserve: true })
  expect(Math.abs(timesOf(join(here, 'back')).mtimeMs - before.mtimeMs)).toBeLessThan(within)
})

test('version 3 keeps times to the second', async () => {
  const [here, there] = [temporaryDirectory(), temporaryDirectory()]
  const { client } = await serve(new SftpServer({ root: there }))
  writeFileSync(join(there, 'file'), 'x')
  utimesSync(join(there, 'file'), 1_234_567_890.9, 1_345_678_901.9)
  await client.get('/file', join(here, 'file'), { preserve: true })
  expect(timesOf(join(here, 'file'))).toMatchObject({ mtimeMs: 1_345_678_901_000 })
})

test('version 4 keeps a time before 1970', async () => {
  const [here, there] = [temporaryDirectory(), temporaryDirectory()]
  const options = { sftpVersion: 4, client: { sftpVersion: 4 } } as const
  const { client } = await serve(new SftpServer({ root: there }), options)
  writeFileSync(join(there, 'file'), 'x')
  utimesSync(join(there, 'file'), new Date(-5000), new Date(-10_000))
  await client.get('/file', join(here, 'file'), { preserve: true })
  expect(timesOf(join(here, 'file'))).toMatchObject({ mtimeMs: -10_000 })
})
