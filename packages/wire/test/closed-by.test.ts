import { expect, test } from 'vitest'
import { type ByteChannel, closedBy } from '../src/index.js'

function recordingChannel(calls: unknown[][]): ByteChannel {
  const record =
    (name: string) =>
    (...values: unknown[]) => {
      calls.push([name, ...values])
      return false
    }
  return {
    copiesChunks: true,
    isWindowLimited: true,
    bufferedBytes: 7,
    attach: record('attach'),
    release: record('release'),
    write: record('write'),
    end: record('end'),
    close: record('close'),
    abort: record('abort'),
  }
}

test('a channel closed by something else does not close itself, and is the same in everything else', () => {
  const calls: unknown[][] = []
  const channel = closedBy(recordingChannel(calls), () => calls.push(['closed by']))
  const [handlers, chunk, error] = [{}, new Uint8Array(1), new Error('gone')]
  channel.attach(handlers)
  channel.release(1)
  const hasRoom = channel.write(chunk)
  channel.end()
  channel.close()
  channel.abort(error)
  expect(calls).toEqual([
    ['attach', handlers],
    ['release', 1],
    ['write', chunk],
    ['end'],
    ['closed by'],
    ['abort', error],
  ])
  expect([hasRoom, channel.copiesChunks, channel.isWindowLimited]).toEqual([false, true, true])
  expect(channel.bufferedBytes).toBe(7)
})
