/** What becomes of forwarding while a server shuts down. */

import { once } from 'node:events'
import { join } from 'node:path'
import { openFailureReasons } from '@ssh/wire'
import { expect, test } from 'vitest'
import { connectTo, echo, folder, rawClient, readAll, target } from './raw-client.js'

const all = { allowTcpForwarding: true, allowStreamLocalForwarding: true } as const

test('a server that shuts down forwards nothing new; what it listens on goes on, and what is open is waited for', async () => {
  const there = await target(echo)
  const client = await rawClient({ ...all })
  client.acceptingForwarded((channel) => channel.end())
  const port = await client.listen('localhost', 0)
  const open = await client.openTcp('127.0.0.1', there.port)
  let isDrained = false
  const drained = client.server.drain().then(() => (isDrained = true))

  const refusal = {
    reasonCode: openFailureReasons.administrativelyProhibited,
    message: expect.stringContaining('this server is shutting down'),
  }
  await expect(client.openTcp('127.0.0.1', there.port)).rejects.toMatchObject(refusal)
  await expect(client.openUnix('/run/any')).rejects.toMatchObject(refusal)
  expect(await client.listen('localhost', 0)).toBe(false)
  expect(await client.listenUnix(join(folder(), 'socket'))).toBe(false)

  const program = await connectTo(Number(port))
  expect(await readAll(program)).toHaveLength(0)
  const gone = once(program, 'close')
  program.end()
  await gone
  expect(isDrained).toBe(false)
  open.close()
  await drained
  expect(client.link.isClosed).toBe(false)
})
