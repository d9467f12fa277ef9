import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { platform } from 'node:os'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { dial } from '../../src/io/dial.js'
import { answering } from '../proxies.js'

/** A port where nobody listens, and the means to change that. */
async function closedPort(): Promise<{ port: number; open(): Promise<Server> }> {
  const server = createServer((socket) => socket.on('error', () => {}).destroy()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return {
    port,
    async open() {
      await once(server.listen(port, '127.0.0.1'), 'listening')
      onTestFinished(() => void server.close())
      return server
    },
  }
}

/** The pause before the next attempt has begun. Not `vi.waitUntil`: it moves the clock of the test. */
async function pausing(): Promise<void> {
  while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve))
}

describe('connectionAttempts', () => {
  test('tries again after a second each time, until somebody answers', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { port, open } = await closedPort()
    const dialling = dial({ host: '127.0.0.1', port, attempts: 3 })
    await pausing()
    await vi.advanceTimersByTimeAsync(999)
    expect(vi.getTimerCount()).toBe(1)
    await vi.advanceTimersByTimeAsync(1)
    await pausing()
    await open()
    await vi.advanceTimersByTimeAsync(1000)
    const socket = await dialling
    expect(socket.remotePort).toBe(port)
    socket.destroy()
  })

  test('fails with what the last one failed with, and stops when aborted', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const { port } = await closedPort()
    const failing = dial({ host: '127.0.0.1', port, attempts: 2 }).catch((error: unknown) => error)
    await pausing()
    await vi.advanceTimersByTimeAsync(1000)
    expect(await failing).toMatchObject({ code: 'ERR_SSH_CONNECT_FAILED', details: { systemCode: 'ECONNREFUSED' } })
    const controller = new AbortController()
    const aborted = dial({ host: '127.0.0.1', port, attempts: 5, signal: controller.signal })
    await pausing()
    controller.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORT_ERR' })
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('where from, and of which family', () => {
  test.runIf(platform() === 'linux')('an address and a port of ours', async () => {
    const { port, sockets } = await answering(() => {})
    const { port: localPort } = await closedPort()
    const socket = await dial({ host: 'localhost', port, localAddress: '127.0.0.2', localPort })
    expect(socket).toMatchObject({ localAddress: '127.0.0.2', localPort })
    await vi.waitUntil(() => sockets.size > 0)
    expect([...sockets][0]?.remoteAddress).toBe('127.0.0.2')
    socket.destroy()
    await expect(dial({ host: '127.0.0.1', port, localAddress: '192.0.2.1' })).rejects.toMatchObject({
      message: expect.stringContaining('the address to connect from is none of this machine'),
    })
  })

  test('every address of one family is tried, and none of the other', async () => {
    const { port } = await answering(() => {})
    const dns = await import('node:dns')
    const asked: unknown[] = []
    const lookup = vi.spyOn(dns.default, 'lookup') as unknown as {
      mockImplementation(f: unknown): void
      mockRestore(): void
    }
    onTestFinished(() => lookup.mockRestore())
    lookup.mockImplementation((_host: string, options: { family: number }, done: (...results: unknown[]) => void) => {
      asked.push(options.family)
      done(null, [
        { address: '127.0.0.99', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ])
    })
    const socket = await dial({ host: 'many.example', port, family: 4 })
    expect(socket.remoteAddress).toBe('127.0.0.1')
    expect(asked).toEqual([4])
    socket.destroy()
  })
})

test.runIf(platform() === 'linux')('the system watches a silent connection unless told not to', async () => {
  const { port } = await answering(() => {})
  for (const tcpKeepalive of [undefined, false]) {
    const socket = await dial({ host: '127.0.0.1', port, tcpKeepalive })
    expect(watches(socket.localPort ?? 0, port)).toBe(tcpKeepalive !== false)
    socket.destroy()
  }
})

/** Whether the kernel's keepalive timer runs for the socket between these ports, ours first: proc_net_tcp, `tr`. */
function watches(localPort: number, remotePort: number): boolean {
  const hex = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  // Both ports: one that was used a moment ago to go elsewhere may still be listed as waiting.
  const fields = readFileSync('/proc/self/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([, local, remote]) => local?.endsWith(hex(localPort)) && remote?.endsWith(hex(remotePort)))
  return fields?.[5]?.startsWith('02') === true
}
