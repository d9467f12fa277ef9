/** The wire is cut after every so many bytes of a whole session: everything settles, nothing is left, nobody crashes. */

import { describe, expect, test } from 'vitest'
import { ClientConnection } from '../../src/client/client-connection.js'
import { establishClient } from '../../src/client/connect.js'
import type { ServerCallbacks } from '../../src/server/server-callbacks.js'
import { aliceOptions, type PairedStream, passwordCallbacks, serving, streamPair } from '../loopback.js'

const echo: ServerCallbacks = {
  ...passwordCallbacks,
  sessionRequested: (request) => {
    const session = request.accept({
      onExec: () => {
        session.channel.write(Buffer.from('hello'))
        session.exit(0)
        return true
      },
    })
  },
}

interface Outcome {
  readonly length: { readonly client: number; readonly server: number }
  readonly settled: readonly string[]
}

/** One session from dial to close, over a wire that breaks where `arrange` says. */
async function session(arrange: (client: PairedStream, server: PairedStream) => void): Promise<Outcome> {
  const [near, far] = streamPair()
  arrange(near, far)
  const settled: string[] = []
  const note = async (what: string, promise: Promise<unknown>) => {
    const result = await promise.then(
      () => 'done',
      (error) => error.code,
    )
    settled.push(`${what}: ${result}`)
  }
  const accepted = await serving(far, { callbacks: echo })
  const link = await establishClient('anywhere', { ...aliceOptions, sock: near }).catch((error) => {
    settled.push(`connect: ${error.code}`)
  })
  if (link !== undefined) {
    const connection = new ClientConnection(link)
    const rekeying = note('rekey', connection.rekey())
    const running = connection.openSessionChannel().then(async (opened) => {
      opened.channel.attach({ onData: (chunk) => opened.channel.release(chunk.length) })
      opened.stderr.attach({})
      await opened.start({ program: { type: 'exec', command: 'x' } })
      await opened.closed
    })
    await Promise.all([rekeying, note('session', running)])
    await note('close', connection.close())
    await note('closed', connection.closed)
  }
  await Promise.all([note('accepted closed', accepted.closed), note('authenticated', accepted.authenticated)])
  await accepted.close()
  expect([near.destroyed, far.destroyed]).toEqual([true, true])
  return { length: { client: near.written, server: far.written }, settled }
}

const whole = await session(() => {})

test('uncut, the session goes well from end to end', () => {
  expect(whole.settled).toEqual([
    'rekey: done',
    'session: done',
    'close: done',
    'closed: done',
    'accepted closed: done',
    'authenticated: done',
  ])
})

/** Bytes between two cuts: odd, so that every part of a packet is hit sooner or later. */
const stride = 23

describe.each(['client', 'server'] as const)('cutting what the %s sends', (side) => {
  test.each(['breaks', 'ends'] as const)(
    'anywhere, so that the wire %s, settles everything',
    async (kind) => {
      const length = whole.length[side]
      for (let cutAfter = 0; cutAfter < length; cutAfter += stride) {
        const { settled } = await session((client, server) => {
          const cut = side === 'client' ? client : server
          cut.cutAfter = cutAfter
          cut.cutKind = kind
        })
        // An error of this SDK each, or done: nothing else, and nothing that never settles.
        for (const outcome of settled) expect(outcome).toMatch(/: (done|ERR_SSH_[A-Z_]+)$/)
        expect(settled.length).toBeGreaterThanOrEqual(3)
      }
    },
    60_000,
  )
})
