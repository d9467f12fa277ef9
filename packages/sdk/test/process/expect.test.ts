import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createProcess } from '../../src/process/create-process.js'
import { ExpectError, expect as expectText } from '../../src/process/expect.js'
import { sessionPair, shellHandler } from './session-pair.js'

describe('expect', () => {
  test('speaks with a program', async () => {
    const remote = await createProcess(
      sessionPair(shellHandler).openSession,
      'printf "login: "; read name; printf "code 42 for $name\\nbye"',
    )
    expect(await expectText(remote, 'login: ')).toEqual({ before: '', match: 'login: ', groups: [] })
    remote.stdin.write('eva\n')
    expect(await expectText(remote, /code (\d+)/)).toEqual({ before: '', match: 'code 42', groups: ['42'] })
    expect((await remote.wait()).stdout).toBe(' for eva\nbye')
  })

  test('finds text however it was cut, and leaves the rest to the next reader', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }), async (cuts) => {
        const stdout = new PassThrough()
        const bytes = Buffer.from('before € here: 😀 and after ü')
        for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
          const size = cuts[turn % cuts.length] ?? 1
          stdout.write(bytes.subarray(offset, offset + size))
          offset += size
        }
        stdout.end()
        expect(await expectText({ stdout }, '€ here: 😀')).toMatchObject({ before: 'before ' })
        expect(await expectText({ stdout }, /an(d)/g)).toMatchObject({ before: ' ', groups: ['d'] })
        expect(Buffer.concat(await stdout.toArray()).toString()).toBe(' after ü')
      }),
      { numRuns: 50 },
    )
  })

  test('works on a stream that gives text', async () => {
    const stdout = new PassThrough()
    stdout.setEncoding('utf8')
    stdout.end('one two three')
    await expectText({ stdout }, 'two')
    expect((await stdout.toArray()).join('')).toBe(' three')
  })

  test('rejects with the output when it ends first', async () => {
    const stdout = new PassThrough()
    stdout.end('nothing of the kind')
    const error = await expectText({ stdout }, /never/).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(ExpectError)
    expect(error).toMatchObject({ code: 'ERR_SSH_PROCESS_EXPECT_ENDED', output: 'nothing of the kind' })
  })

  test('rejects with the cause when the output breaks off', async () => {
    const stdout = new PassThrough()
    const waiting = expectText({ stdout }, 'x')
    const lost = new Error('lost')
    stdout.destroy(lost)
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_SSH_PROCESS_EXPECT_ENDED', cause: lost })
  })

  test('puts back what it read when it gives up', async () => {
    const stdout = new PassThrough()
    stdout.write(Buffer.from('some €').subarray(0, -1))
    await expect(expectText({ stdout }, 'x', { timeout: 5 })).rejects.toMatchObject({
      code: 'ERR_SSH_PROCESS_EXPECT_TIMEOUT',
    })
    const controller = new AbortController()
    const waiting = expectText({ stdout }, 'x', { signal: controller.signal })
    controller.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'ABORT_ERR' })
    stdout.end(Buffer.from('€').subarray(-1))
    expect(Buffer.concat(await stdout.toArray()).toString()).toBe('some €')
  })

  test('forgets what is further back than maxLength', async () => {
    const stdout = new PassThrough()
    stdout.end(`${'x'.repeat(5000)}!`)
    const { before } = await expectText({ stdout }, '!', { maxLength: 100 })
    expect(before.length).toBeLessThanOrEqual(5000)
    expect(stdout.listenerCount('readable')).toBe(0)
  })
})
