import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { memoryChannelPair } from '@ssh/testkit'
import { byteChannelConformance } from '@ssh/testkit/conformance'
import { describe, expect, test } from 'vitest'
import { collect, fromDuplex, fromStreams, iterate, toDuplex } from '../src/index.js'

byteChannelConformance('a Duplex over a channel, as a channel again', () => {
  const [near, far] = memoryChannelPair({ windowSize: 4096 })
  const options = { highWaterMark: 4096 }
  return {
    ends: [fromDuplex(toDuplex(near, options), { credit: 4096 }), fromDuplex(toDuplex(far, options), { credit: 4096 })],
    windowSize: 3 * 4096 + 64 * 1024,
  }
})

const quiet = async () => {
  for (let turns = 0; turns < 20; turns++) await new Promise<void>((resolve) => setImmediate(resolve))
}

describe('a TCP socket as a channel', () => {
  /** Both ends of a connection; the second one is the program's. */
  async function connection() {
    const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const program = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
    const [socket] = (await once(server, 'connection')) as [Socket]
    server.close()
    return { socket, program, channel: fromDuplex(socket) }
  }

  test('is reset by abort, so that nobody takes what came for all there was', async () => {
    const { program, channel } = await connection()
    channel.attach({})
    channel.write(Buffer.from('half of it'))
    await once(program, 'data')
    channel.abort()
    await expect(once(program, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' })
  })

  test('that has ended already just closes', async () => {
    const { socket, program, channel } = await connection()
    const closed = new Promise((resolve) => channel.attach({ onClose: resolve }))
    channel.end()
    channel.abort()
    await once(program.resume(), 'end')
    program.end()
    expect(await closed).toBeUndefined()
    expect(socket.destroyed).toBe(true)
  })
})

describe('fromStreams', () => {
  test('runs a child process as a channel: half-close reaches it, and its answer comes back', async () => {
    const child = spawn('sort', { stdio: ['pipe', 'pipe', 'inherit'] })
    const channel = fromStreams(child.stdout, child.stdin)
    const output = collect(iterate(channel))
    channel.write(Buffer.from('b\na\n'))
    channel.end()
    expect((await output).toString()).toBe('a\nb\n')
  })

  test('pauses its source while credit is out', async () => {
    const source = new PassThrough({ highWaterMark: 1000 })
    const channel = fromStreams(source, new PassThrough(), { credit: 3000 })
    let held = 0
    channel.attach({
      onData: (chunk) => {
        held += chunk.length
      },
    })
    for (let count = 0; count < 20; count++) source.write(new Uint8Array(1000))
    await quiet()
    expect(held).toBe(3000)
    channel.release(1000)
    await quiet()
    expect(held).toBe(4000)
  })

  test('reports the error of either stream once, and ends both', async () => {
    const readable = new PassThrough()
    const writable = new PassThrough()
    const closes: (Error | undefined)[] = []
    fromStreams(readable, writable).attach({ onClose: (error) => closes.push(error) })
    writable.destroy(new Error('broken pipe'))
    await once(readable, 'close')
    await quiet()
    expect(closes).toEqual([expect.objectContaining({ message: 'broken pipe' })])
    expect(readable.destroyed).toBe(true)
  })

  test('still reads what came before when the writable was merely closed', async () => {
    const readable = new PassThrough()
    const writable = new PassThrough()
    const channel = fromStreams(readable, writable)
    readable.write('last words')
    writable.destroy()
    await quiet()
    expect(channel.write(Buffer.from('x'))).toBe(false)
    const output = collect(iterate(channel))
    readable.end()
    expect((await output).toString()).toBe('last words')
  })

  test('does not end the process for an error before anybody is attached, and tells it then', async () => {
    const readable = new PassThrough()
    const channel = fromStreams(readable, new PassThrough())
    readable.destroy(new Error('early'))
    await quiet()
    await expect(collect(iterate(channel))).rejects.toThrow('early')
  })
})
