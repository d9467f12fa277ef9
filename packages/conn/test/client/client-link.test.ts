import { describe, expect, onTestFinished, test } from 'vitest'
import type { ClientLink } from '../../src/client/client-link.js'
import { establishClient } from '../../src/client/connect.js'
import { connectHops } from '../../src/client/tunnel.js'
import { aliceOptions, serving, streamPair } from '../loopback.js'

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** A link that no connection was made of yet, and its server. */
async function established() {
  const [clientEnd, serverEnd] = streamPair()
  const server = await serving(serverEnd)
  const link = await establishClient('memory', { ...aliceOptions, sock: clientEnd })
  onTestFinished(() => link.close())
  return { link, server }
}

/** Events that somebody gets who comes now. */
async function early(link: ClientLink): Promise<readonly (readonly unknown[])[]> {
  const told: (readonly unknown[])[] = []
  link.deliverTo((event, ...values) => void told.push([event, ...values]))
  for (const event of ['banner', 'debug', 'rekey', 'close'] as const) link.deliverEarly(event)
  await turn()
  return told
}

describe('events that nobody can hear yet', () => {
  test('are kept, but no more than a server should have to say (R3)', async () => {
    const { link, server } = await established()
    const text = 'x'.repeat(64 * 1024)
    for (let count = 0; count < 200; count++) server.sendDebug(`${count} ${text}`, false)
    for (let count = 0; count < 20_000; count++) server.sendDebug('', false)
    await server.close()
    await link.closed
    const told = await early(link)
    expect(told[0]).toEqual(['debug', expect.stringMatching(/^0 x+/), false])
    expect(told.at(-1)).toEqual(['close', undefined])
    expect(told.flat().join('').length).toBeLessThan(1024 * 1024)
    expect(told.length).toBeLessThan(20_000)
  })

  test('of a jump host are not kept: nobody ever will', async () => {
    const { link } = await established()
    const signal = new AbortController().signal
    await connectHops([{ destination: 'memory' }], {}, async () => link, signal)
    link.tell('debug', 'does anybody hear me?', false)
    link.tell('rekey')
    await turn()
    expect(await early(link)).toEqual([])
  })
})
