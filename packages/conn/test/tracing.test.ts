import { tracingChannel } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { beginTrace, type KexTrace, kexChannel, traced } from '../src/tracing.js'

const facts = { role: 'client', host: 'h', port: 22, username: 'u', isFirst: true } as const

/** Listens to one of the five channels that make a tracing channel. */
function hear(kind: 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error', heard: unknown[] = []): unknown[] {
  const channel = tracingChannel('ssh:kex')[kind]
  const listener = (context: unknown) => heard.push(context)
  channel.subscribe(listener)
  onTestFinished(() => void channel.unsubscribe(listener))
  return heard
}

describe('as long as nobody listens', () => {
  test('nothing is described', async () => {
    let described = 0
    const describeIt = (): KexTrace => {
      described++
      return facts
    }
    expect(beginTrace(kexChannel, describeIt)).toBeUndefined()
    expect(await traced(kexChannel, describeIt, async (context) => context)).toBeUndefined()
    expect(described).toBe(0)
  })

  test('work is handed through as it is, and so is what it fails with', async () => {
    const promise = Promise.resolve(1)
    expect(
      traced(
        kexChannel,
        () => facts,
        () => promise,
      ),
    ).toBe(promise)
    await expect(
      traced(
        kexChannel,
        () => facts,
        () => Promise.reject(new Error('no')),
      ),
    ).rejects.toThrow('no')
  })

  test('a runtime without tracing channels is served as one with nobody who listens', async () => {
    expect(beginTrace<KexTrace>(undefined, () => facts)).toBeUndefined()
    expect(
      await traced<KexTrace, number>(
        undefined,
        () => facts,
        async () => 2,
      ),
    ).toBe(2)
  })
})

describe.each(['start', 'end', 'asyncStart', 'asyncEnd'] as const)('whoever listens to %s alone', (kind) => {
  test('is told once of each thing', async () => {
    const heard = hear(kind)
    beginTrace(kexChannel, () => ({ ...facts }))?.succeed()
    expect(heard).toHaveLength(1)
    await traced(
      kexChannel,
      () => ({ ...facts }),
      async () => {},
    )
    expect(heard).toHaveLength(2)
    expect(heard[0]).not.toBe(heard[1])
  })
})

test('whoever listens to errors alone is told of failures alone', async () => {
  const heard = hear('error')
  const error = new Error('no')
  beginTrace(kexChannel, () => ({ ...facts }))?.succeed()
  beginTrace(kexChannel, () => ({ ...facts }))?.fail(error)
  await traced(
    kexChannel,
    () => ({ ...facts }),
    () => Promise.reject(error),
  ).catch(() => {})
  expect(heard).toMatchObject([{ error }, { error }])
})

test('what becomes known is added before the end is told', () => {
  const seen: unknown[] = []
  const listener = (context: unknown) => seen.push({ ...(context as object) })
  const { asyncStart } = tracingChannel('ssh:kex')
  asyncStart.subscribe(listener)
  onTestFinished(() => void asyncStart.unsubscribe(listener))
  const algorithms = { kex: 'k' } as NonNullable<KexTrace['algorithms']>
  beginTrace(kexChannel, () => ({ ...facts }))?.succeed({ algorithms })
  expect(seen).toMatchObject([{ algorithms, durationMs: expect.any(Number) }])
})
