/** Tunnels between a client and a server that are ours, over streams in memory, with devices that are in memory too. */

import { Duplex } from 'node:stream'
import { channelTypes } from '@ssh/wire'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ClientConnection } from '../../src/client/client-connection.js'
import type { ClientLink } from '../../src/client/client-link.js'
import { establishClient } from '../../src/client/connect.js'
import { noRestrictions } from '../../src/config/key-restrictions.js'
import { ChannelOpenError } from '../../src/errors.js'
import type { TunDevice, TunDeviceOptions } from '../../src/io/tun-device.js'
import type { ServerCallbacks } from '../../src/server/server-callbacks.js'
import type { ServerLink } from '../../src/server/server-link.js'
import { closedPolicy } from '../../src/server/user-policy.js'
import type { TunStream } from '../../src/tun-stream.js'
import { aliceOptions, passwordCallbacks, serving, streamPair } from '../loopback.js'
import { testKey } from '../transport-pair.js'

const packet = (text: string) => Buffer.from(`E${text}`)

async function connected(callbacks: ServerCallbacks = {}) {
  const [clientEnd, serverEnd] = streamPair()
  const warnings: unknown[] = []
  const server: ServerLink = await serving(serverEnd, {
    callbacks: { ...passwordCallbacks, ...callbacks },
    logger: { debug: () => {}, warn: ({ error }) => void warnings.push(error) },
  })
  const link: ClientLink = await establishClient('memory', { ...aliceOptions, sock: clientEnd })
  const client = new ClientConnection(link)
  onTestFinished(() => client.close())
  return { client, link, server, warnings }
}

/** Gives every packet back. */
const echo = (stream: TunStream) => void stream.pipe(stream)

/** A device in memory: what is put into it comes from the machine, what is taken out goes to it. */
class Device extends Duplex {
  readonly taken: string[] = []
  #onTaken: (() => void) | undefined

  constructor() {
    super({ objectMode: true })
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    this.taken.push(Buffer.from(chunk).toString())
    this.#onTaken?.()
    done()
  }

  async takes(count: number): Promise<readonly string[]> {
    while (this.taken.length < count) await new Promise<void>((resolve) => (this.#onTaken = resolve))
    return this.taken
  }
}

function devices() {
  const opened: (TunDeviceOptions & { readonly device: Device })[] = []
  const openDevice = async (options: TunDeviceOptions): Promise<TunDevice> => {
    const device = new Device()
    opened.push({ ...options, device })
    return { name: `${options.mode}${options.unit ?? 0}`, packets: device }
  }
  return { opened, openDevice }
}

test('a tunnel that PermitTunnel of sshd_config forbids a user is refused without asking', async () => {
  const asked: string[] = []
  const callbacks = {
    tunRequested: () => asked.push('tun') > 0 && echo,
    tapRequested: () => asked.push('tap') > 0 && echo,
  }
  const { client, server } = await connected(callbacks)
  server.policy = { ...closedPolicy, restrictions: noRestrictions, tunnels: new Set(['tap'] as const) }
  await expect(client.openTun()).rejects.toThrow('not permitted')
  const tap = await client.openTap()
  expect(asked).toEqual(['tap'])
  tap.destroy()
})

describe('a tunnel to a server', () => {
  test.for(['tun', 'tap'] as const)('%s: the builder’s handler takes and gives packets', async (mode) => {
    const units: unknown[] = []
    const take = (unit: number | undefined) => {
      units.push(unit)
      return echo
    }
    const { client } = await connected(mode === 'tun' ? { tunRequested: take } : { tapRequested: take })
    const open = (unit?: number) => (mode === 'tun' ? client.openTun(unit) : client.openTap(unit))
    const stream = await open(7)
    stream.write(packet('one'))
    stream.write(packet('two'))
    stream.end()
    const packets: string[] = []
    for await (const each of stream) packets.push(Buffer.from(each).toString())
    expect(packets).toEqual(['Eone', 'Etwo'])
    ;(await open()).destroy()
    expect(units).toEqual([7, undefined])
  })

  test('is refused unless a callback wants it (D14)', async () => {
    const { client } = await connected()
    await expect(client.openTun()).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_OPEN_REFUSED', reasonCode: 1 })
    await expect(client.openTap()).rejects.toMatchObject({ reasonCode: 1 })
    const { client: other } = await connected({ tunRequested: () => false, tapRequested: async () => false })
    await expect(other.openTun(3)).rejects.toMatchObject({ reasonCode: 1 })
    await expect(other.openTap(3)).rejects.toMatchObject({ reasonCode: 1 })
  })

  test('is refused to keys that may not forward ports (D14)', async () => {
    const key = await testKey('ssh-ed25519')
    const [clientEnd, serverEnd] = streamPair()
    await serving(serverEnd, {
      callbacks: { tunRequested: () => echo },
      authorizedClientKeys: `restrict ${key.exportPublicKey()}`,
    })
    const { password: _, ...options } = aliceOptions
    const link = await establishClient('memory', { ...options, clientKeys: key, sock: clientEnd })
    onTestFinished(() => link.close())
    await expect(new ClientConnection(link).openTun()).rejects.toMatchObject({ reasonCode: 1 })
  })

  test('a callback that throws refuses, in its own words only where it means to', async () => {
    const { client, warnings } = await connected({
      tunRequested: () => {
        throw new Error('secret')
      },
      tapRequested: () => Promise.reject(new ChannelOpenError(4, 'come back later')),
    })
    const refused: unknown = await client.openTun().catch((error: unknown) => error)
    expect(refused).toMatchObject({ reasonCode: 2, message: expect.not.stringContaining('secret') })
    expect(warnings).toMatchObject([{ message: 'secret' }])
    await expect(client.openTap()).rejects.toMatchObject({
      reasonCode: 4,
      message: expect.stringContaining('come back'),
    })
  })

  test('ends when its handler throws, and the error is logged', async () => {
    const { client, warnings } = await connected({ tunRequested: () => () => Promise.reject(new Error('broken')) })
    const stream = await client.openTun()
    stream.resume()
    await new Promise((resolve) => stream.once('close', resolve))
    expect(warnings).toMatchObject([{ message: 'broken' }])
  })

  test('is one of few', async () => {
    const { client } = await connected({ tunRequested: () => echo })
    const streams = await Promise.all(Array.from({ length: 16 }, () => client.openTun()))
    await expect(client.openTun()).rejects.toMatchObject({ reasonCode: 4 })
    const gone = new Promise((resolve) => streams[0]?.once('close', resolve))
    streams[0]?.destroy()
    await gone
    // The server hears of it a moment later.
    let stream: TunStream | undefined
    while (stream === undefined) stream = await client.openTun().catch(() => undefined)
  })

  test('of another kind, or malformed, is none', async () => {
    const { link, client } = await connected({ tunRequested: () => echo, tapRequested: () => echo })
    const open = (data: Uint8Array) =>
      new Promise<unknown>((resolve) => {
        link.peer.mux.openChannel('tun@openssh.com', data, {}, { onOpen: resolve, onFailure: resolve })
      })
    const typeData = channelTypes.encode('tun@openssh.com', { tunnelMode: 3, remoteUnitNumber: 0 })
    expect(await open(typeData)).toMatchObject({ reasonCode: 1 })
    expect(await open(Buffer.from([0, 0, 0]))).toMatchObject({ code: 'ERR_SSH_TRANSPORT_DISCONNECTED' })
    await expect(client.closed).rejects.toMatchObject({ code: 'ERR_SSH_TRANSPORT_DISCONNECTED' })
  })

  test('is never opened by a server (D12)', async () => {
    const { server } = await connected()
    const typeData = channelTypes.encode('tun@openssh.com', { tunnelMode: 1, remoteUnitNumber: 0 })
    const answer = await new Promise((resolve) => {
      server.peer.mux.openChannel('tun@openssh.com', typeData, {}, { onOpen: resolve, onFailure: resolve })
    })
    expect(answer).toMatchObject({ reasonCode: 1 })
  })

  test('can be given up, and fails with the connection', async () => {
    const { client } = await connected({ tunRequested: () => new Promise(() => {}) })
    const signal = AbortSignal.abort()
    await expect(client.openTun(undefined, { signal })).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const abort = new AbortController()
    const opening = client.openTun(undefined, { signal: abort.signal })
    abort.abort()
    await expect(opening).rejects.toMatchObject({ code: 'ABORT_ERR' })
    const pending = client.openTun()
    client.abort(new Error('cut'))
    await expect(pending).rejects.toThrow('cut')
    await expect(client.openTun()).rejects.toMatchObject({ code: 'ERR_SSH_CONNECTION_CLOSED' })
  })

  test.for([-1, 1.5, 0x7fffffff])('%s is no unit', async (unit) => {
    const { client } = await connected()
    await expect(client.openTun(unit)).rejects.toMatchObject({ code: 'ERR_SSH_OPTIONS_INVALID' })
    await expect(client.forwardTap(unit)).rejects.toMatchObject({ code: 'ERR_SSH_OPTIONS_INVALID' })
  })
})

describe('a device joined with a tunnel', () => {
  test('carries packets both ways until it is closed', async () => {
    const { opened, openDevice } = devices()
    const { client } = await connected({ tunRequested: () => echo })
    const forwarding = await client.forwardTun(5, 6, { openDevice })
    expect(opened).toMatchObject([{ mode: 'tun', unit: 5 }])
    expect(forwarding.interfaceName).toBe('tun5')
    const device = opened[0]?.device
    device?.push(packet('one'))
    device?.push(packet('two'))
    expect(await device?.takes(2)).toEqual(['Eone', 'Etwo'])
    await forwarding.close()
    expect(device?.destroyed).toBe(true)
    await forwarding.closed
  })

  test('ends with the device, with the tunnel, and with the connection', async () => {
    const { opened, openDevice } = devices()
    const streams: TunStream[] = []
    const { client } = await connected({ tapRequested: () => (stream) => void streams.push(stream) })
    const open = () => client.forwardTap(undefined, undefined, { openDevice })

    const first = await open()
    opened[0]?.device.destroy(new Error('unplugged'))
    await expect(first.closed).rejects.toThrow('unplugged')

    const second = await open()
    streams[1]?.resume()
    streams[1]?.destroy()
    await second.closed
    expect(opened[1]?.device.destroyed).toBe(true)

    const third = await open()
    client.abort(new Error('cut'))
    await expect(third.closed).rejects.toThrow('cut')
    expect(opened[2]?.device.destroyed).toBe(true)
  })

  test('a device is closed again when the server refuses', async () => {
    const { opened, openDevice } = devices()
    const { client } = await connected()
    await expect(client.forwardTun(0, 0, { openDevice })).rejects.toBeInstanceOf(ChannelOpenError)
    expect(opened[0]?.device.destroyed).toBe(true)
  })
})
