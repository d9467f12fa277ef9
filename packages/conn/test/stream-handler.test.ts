import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { handOver, type StreamHandler } from '../src/stream-handler.js'
import { Collector, channelPair } from './mux-pair.js'

/** Runs a handler on one end of a channel, and moves what both ends send until the other one is closed. */
async function visit(handler: StreamHandler<string>, said: string) {
  const pair = channelPair()
  const errors: unknown[] = []
  const collector = new Collector(pair.local)
  const over = handOver(pair.remote, handler, 'info', (error) => void errors.push(error))
  pair.local.write(Buffer.from(said))
  pair.local.end()
  for (let turns = 0; turns < 50 && !collector.events.includes('close'); turns++) {
    pair.flow()
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
  await over
  return { heard: collector.bytes.toString(), events: collector.events, errors }
}

test('a handler that answers without listening lets the connection end', async () => {
  const { heard, events, errors } = await visit((stream) => stream.end('2026'), 'what year is it?')
  expect([heard, events.at(-1), errors]).toEqual(['2026', 'close', []])
})

test('a handler that answers first reads afterwards all that was said', async () => {
  let read = ''
  const { events } = await visit(async (stream, info) => {
    stream.end(info)
    await new Promise<void>((resolve) => setImmediate(resolve))
    read = await text(stream)
  }, 'long question')
  expect([read, events.at(-1)]).toEqual(['long question', 'close'])
})

test.for([
  [
    'throws',
    () => {
      throw new Error('out of order')
    },
  ],
  ['rejects', () => Promise.reject(new Error('out of order'))],
] as const)('a handler that %s resets its connection and is reported', async ([, handler]) => {
  const { heard, events, errors } = await visit(handler, 'hello')
  expect([heard, events.at(-1)]).toEqual(['', 'close'])
  expect(errors).toEqual([expect.objectContaining({ message: 'out of order' })])
})
