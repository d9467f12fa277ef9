import { once } from 'node:events'
import { memoryChannelPair } from '@ssh/testkit'
import { describe, expect, test } from 'vitest'
import { collect, toStdio } from '../src/index.js'

function session(options = {}) {
  const [near, far] = memoryChannelPair({ windowSize: 1000 })
  const [nearErrors, farErrors] = memoryChannelPair({ windowSize: 1000 })
  return { stdio: toStdio(near, nearErrors, options), far, farErrors, near }
}

describe('toStdio', () => {
  test('keeps standard output and standard error apart', async () => {
    const { stdio, far, farErrors } = session()
    far.write(Buffer.from('out'))
    farErrors.write(Buffer.from('err'))
    far.close()
    farErrors.close()
    expect((await collect(stdio.stdout)).toString()).toBe('out')
    expect((await collect(stdio.stderr)).toString()).toBe('err')
  })

  test('merges standard error into standard output when asked', async () => {
    const { stdio, far, farErrors } = session({ mergeErrors: true })
    far.write(Buffer.from('one '))
    farErrors.write(Buffer.from('two '))
    far.write(Buffer.from('three'))
    far.close()
    farErrors.close()
    expect((await collect(stdio.stdout)).toString()).toBe('one two three')
    expect(await collect(stdio.stderr)).toHaveLength(0)
  })

  test('leaves the others alone when one stream is ended or destroyed', async () => {
    const { stdio, far, farErrors, near } = session()
    stdio.stdin.end()
    stdio.stderr.destroy()
    farErrors.write(new Uint8Array(50_000))
    far.write(Buffer.from('still here'))
    const [chunk] = await once(stdio.stdout, 'data')
    expect(String(chunk)).toBe('still here')
    expect(farErrors.queued).toBe(0)
    expect(near.isClosed).toBe(false)
  })

  test('destroys all three with the error of a lost channel, quietly', async () => {
    const { stdio, near } = session()
    near.abort(new Error('lost'))
    for (let turns = 0; turns < 20; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
    expect(stdio.stdin.errored?.message).toBe('lost')
    expect(stdio.stdout.errored?.message).toBe('lost')
  })
})
