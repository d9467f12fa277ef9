/**
 * Tunnels with OpenSSH on real devices: our client to sshd, ssh -w to our server, with ICMP and UDP of the kernel both
 * ways. Devices of the far side go into a network namespace, or the kernel would take the short way.
 */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { SshClientConnection } from '@ssh/sdk'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  connectTo,
  type ForeignServer,
  findProgram,
  isRoot,
  knownHostsOf,
  lacks,
  mustRun,
  peer,
  type RunningProgram,
  runProgram,
  type SdkServer,
  startProgram,
  startSdkServer,
  startSshd,
  temporaryFolder,
} from '../src/index.js'

const ipCommand = findProgram('ip') ?? 'ip'

/** Whether devices can be made here, and network namespaces. */
async function canTunnel(): Promise<boolean> {
  if (lacks('ssh', 'sshd', 'ssh-keygen') || !isRoot()) return false
  const name = `sshtest${process.pid}`
  const script = `"$0" tuntap add mode tun name ${name} && "$0" link del ${name} && "$0" netns add ${name} && "$0" netns del ${name}`
  const { status } = await runProgram(['sh', '-c', script, ipCommand]).catch(() => ({ status: null }))
  return status === 0
}

const ip = (...args: readonly string[]) => mustRun([ipCommand, ...args])

/** Numbers of devices, and third bytes of addresses, that no other test run uses by chance. */
let nextUnit = 100 + (process.pid % 800)
const unitFor = () => nextUnit++
const addressOf = (unit: number, host: number) => `10.${200 + (unit >> 8)}.${unit & 255}.${host}`

/** Gives a device an address. The other side of a `tun` is told: nobody asks for it there. */
async function configure(device: string, address: string, netns?: string): Promise<void> {
  const inside = netns === undefined ? [] : ['-n', netns]
  await ip(...inside, 'addr', 'add', `${address}/24`, 'dev', device)
  await ip(...inside, 'link', 'set', device, 'up')
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}

const exists = async (device: string) => (await runProgram([ipCommand, 'link', 'show', device])).status === 0

/** A namespace that goes away with the test. */
async function namespace(): Promise<string> {
  const name = `sshtest${process.pid}n${unitFor()}`
  await ip('netns', 'add', name)
  onTestFinished(async () => void (await ip('netns', 'del', name)))
  return name
}

/** Answers UDP in a namespace with what came, in capitals. */
async function startEcho(netns: string, address: string): Promise<RunningProgram> {
  const script = `
    const socket = require('dgram').createSocket('udp4')
    socket.on('message', (text, from) => socket.send(text.toString().toUpperCase(), from.port, from.address))
    socket.bind(7777, process.argv[1], () => console.log('ready'))`
  const echo = startProgram([ipCommand, 'netns', 'exec', netns, process.execPath, '-e', script, address])
  onTestFinished(() => echo.stop())
  await echo.firstLine
  return echo
}

/** Sends a datagram until there is an answer: the first ones may come before the other side is ready. */
async function askEcho(address: string, text: string): Promise<string> {
  const socket = createSocket('udp4')
  try {
    const answer = once(socket, 'message')
    const timer = setInterval(() => socket.send(text, 7777, address), 100)
    socket.send(text, 7777, address)
    const [message] = await answer
    clearInterval(timer)
    return message.toString()
  } finally {
    socket.close()
  }
}

// Packets by hand: RFC 791, 792, 768, 4443.

function checksum(...parts: readonly Uint8Array[]): number {
  const bytes = Buffer.concat(parts)
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

const v4 = (address: string) => Buffer.from(address.split('.').map(Number))

function ipv4(protocol: number, source: string, destination: string, payload: Buffer): Buffer {
  const header = Buffer.alloc(20)
  header.writeUInt8(0x45, 0)
  header.writeUInt16BE(20 + payload.length, 2)
  header.writeUInt8(64, 8)
  header.writeUInt8(protocol, 9)
  header.set(v4(source), 12)
  header.set(v4(destination), 16)
  header.writeUInt16BE(checksum(header), 10)
  return Buffer.concat([header, payload])
}

function echoRequest(type: number, text: string, pseudoHeader: Uint8Array = new Uint8Array(0)): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0, 0x12, 0x34, 0, 1]), Buffer.from(text)])
  message.writeUInt16BE(checksum(pseudoHeader, message), 2)
  return message
}

function udp(source: number, destination: number, text: string): Buffer {
  const header = Buffer.alloc(8)
  header.writeUInt16BE(source, 0)
  header.writeUInt16BE(destination, 2)
  header.writeUInt16BE(8 + text.length, 4)
  // A checksum of 0 is none, which IPv4 allows.
  return Buffer.concat([header, Buffer.from(text)])
}

/** Runs something while programs are looked for in one folder only. */
async function withPath<T>(path: string, action: () => Promise<T>): Promise<T> {
  const before = process.env.PATH
  process.env.PATH = path
  try {
    return await action()
  } finally {
    process.env.PATH = before
  }
}

/** The first packet that `wanted` takes. */
async function receive(stream: AsyncIterable<Uint8Array>, wanted: (packet: Buffer) => boolean): Promise<Buffer> {
  for await (const each of stream) {
    const packet = Buffer.from(each)
    if (wanted(packet)) return packet
  }
  throw new Error('The tunnel ended')
}

const tunnels = await canTunnel()

describe.skipIf(!tunnels)('our client’s tunnels on sshd', () => {
  let server: ForeignServer
  let conn: SshClientConnection
  beforeAll(async () => {
    server = await startSshd({ config: { PermitTunnel: 'yes', PermitRootLogin: 'prohibit-password' } })
    conn = await connectTo({ ...server, username: 'root' })
  })
  afterAll(async () => {
    await conn?.close()
    await server?.stop()
  })

  test('the kernel of the server answers a ping, in IPv4 and IPv6', async () => {
    const unit = unitFor()
    const stream = await conn.openTun(unit)
    onTestFinished(() => void stream.destroy())
    await configure(`tun${unit}`, addressOf(unit, 1))
    const text = 'x'.repeat(1000)
    const reading = stream.iterator({ destroyOnReturn: false })
    stream.write(ipv4(1, addressOf(unit, 2), addressOf(unit, 1), echoRequest(8, text)))
    const reply = await receive(reading, (packet) => packet[0] === 0x45 && packet[9] === 1)
    expect([reply[20], reply.toString('latin1', 28)]).toEqual([0, text])
    expect(reply.subarray(12, 20)).toEqual(Buffer.concat([v4(addressOf(unit, 1)), v4(addressOf(unit, 2))]))

    await ip('-6', 'addr', 'add', 'fd00:5353::1/64', 'dev', `tun${unit}`, 'nodad')
    const [ours, theirs] = [2, 1].map((host) => Buffer.from(`fd005353${'0'.repeat(23)}${host}`, 'hex'))
    if (ours === undefined || theirs === undefined) throw new Error('no addresses')
    const length = 8 + text.length
    const pseudo = Buffer.concat([ours, theirs, Buffer.from([0, 0, length >> 8, length & 255, 0, 0, 0, 58])])
    const header = Buffer.from([0x60, 0, 0, 0, length >> 8, length & 255, 58, 64])
    stream.write(Buffer.concat([header, ours, theirs, echoRequest(128, text, pseudo)]))
    const reply6 = await receive(stream.iterator({ destroyOnReturn: false }), (packet) => packet[40] === 129)
    expect(reply6.toString('latin1', 48)).toBe(text)
  })

  test('datagrams reach a program of the server, and its answers come back, each as one packet', async () => {
    const unit = unitFor()
    const stream = await conn.openTun(unit)
    onTestFinished(() => void stream.destroy())
    await configure(`tun${unit}`, addressOf(unit, 1))
    const socket = createSocket('udp4')
    onTestFinished(() => void socket.close())
    socket.bind(0, addressOf(unit, 1))
    await once(socket, 'listening')
    const { port } = socket.address()
    const got: string[] = []
    socket.on('message', (text, from) => {
      got.push(text.toString())
      socket.send(`${text}!`, from.port, from.address)
    })
    const texts = Array.from({ length: 200 }, (_, index) => `datagram ${index} ${'x'.repeat(index * 5)}`)
    const answers: string[] = []
    // As many at once as a socket holds: more would be lost, as datagrams may be.
    for (let first = 0; first < texts.length; first += 20) {
      for (const text of texts.slice(first, first + 20)) {
        stream.write(ipv4(17, addressOf(unit, 2), addressOf(unit, 1), udp(4444, port, text)))
      }
      while (answers.length < first + 20) {
        const packet = await receive(stream.iterator({ destroyOnReturn: false }), (each) => each[9] === 17)
        answers.push(packet.toString('latin1', 28))
      }
    }
    expect(got).toEqual(texts)
    expect(answers).toEqual(texts.map((text) => `${text}!`))
    expect(stream.droppedPackets).toBe(0)
  })

  test('frames of a tap come with their header: the server asks who we are, and is told', async () => {
    const unit = unitFor()
    const stream = await conn.openTap(unit)
    onTestFinished(() => void stream.destroy())
    await configure(`tap${unit}`, addressOf(unit, 1))
    const socket = createSocket('udp4')
    onTestFinished(() => void socket.close())
    const sending = setInterval(() => socket.send('hello', 9, addressOf(unit, 2)), 100)
    onTestFinished(() => clearInterval(sending))
    const ourMac = Buffer.from('020000000002', 'hex')
    const reading = stream.iterator({ destroyOnReturn: false })
    const question = await receive(reading, (frame) => frame.readUInt16BE(12) === 0x0806)
    // RFC 826: an answer is the question with the sides exchanged.
    const answer = Buffer.concat([
      question.subarray(6, 12),
      ourMac,
      question.subarray(12, 20),
      Buffer.from([0, 2]),
      ourMac,
      question.subarray(38, 42),
      question.subarray(22, 32),
    ])
    stream.write(answer)
    const isDatagram = (frame: Buffer) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 17
    const datagram = await receive(stream.iterator({ destroyOnReturn: false }), isDatagram)
    expect(datagram.subarray(0, 6)).toEqual(ourMac)
    expect(datagram.toString('latin1', 42, 47)).toBe('hello')
  })

  test.for(['tun', 'tap'] as const)('a %s device here and one there are a network', async (mode) => {
    const [local, remote] = [unitFor(), unitFor()]
    const forwarding = await (mode === 'tun' ? conn.forwardTun(local, remote) : conn.forwardTap(local, remote))
    onTestFinished(() => forwarding.close())
    expect(forwarding.interfaceName).toBe(`${mode}${local}`)
    const netns = await namespace()
    await ip('link', 'set', `${mode}${remote}`, 'netns', netns)
    await configure(`${mode}${remote}`, addressOf(local, 1), netns)
    await configure(`${mode}${local}`, addressOf(local, 2))
    await startEcho(netns, addressOf(local, 1))
    expect(await askEcho(addressOf(local, 1), 'hello')).toBe('HELLO')
    expect(await askEcho(addressOf(local, 1), 'y'.repeat(1400))).toBe('Y'.repeat(1400))

    await forwarding.close()
    await until(async () => !(await exists(`${mode}${local}`)))
  })

  test.for(['python3', 'perl'])('a device is opened with %s alone', async (name, { skip }) => {
    const program = findProgram(name, '/usr/bin')
    if (program === undefined) return skip(`${name} is not installed`)
    using bin = temporaryFolder()
    symlinkSync(program, join(bin.path, name))
    const [local, remote] = [unitFor(), unitFor()]
    const forwarding = await withPath(bin.path, () => conn.forwardTun(local, remote))
    onTestFinished(() => forwarding.close())
    const netns = await namespace()
    await ip('link', 'set', `tun${remote}`, 'netns', netns)
    await configure(`tun${remote}`, addressOf(local, 1), netns)
    await configure(`tun${local}`, addressOf(local, 2))
    await startEcho(netns, addressOf(local, 1))
    expect(await askEcho(addressOf(local, 1), 'hello')).toBe('HELLO')
    const closed = forwarding.closed.catch((error: unknown) => error)
    await ip('link', 'del', `tun${local}`)
    expect(await closed).toMatchObject({ code: 'ERR_SSH_TUN_DEVICE' })
  })

  test('without a program that could open a device, this is said', async () => {
    using bin = temporaryFolder()
    bin.write('python3', '#!/bin/sh\necho "no Python here" >&2; exit 1\n', 0o755)
    await expect(withPath(bin.path, () => conn.forwardTun())).rejects.toMatchObject({
      code: 'ERR_SSH_TUN_NO_HELPER',
      details: { complaints: ['python3: no Python here', expect.stringMatching(/^perl: .*ENOENT/)] },
    })
  })

  test('the second of two that want one device is told, here and there', async () => {
    const unit = unitFor()
    const forwarding = await conn.forwardTun(unit, unitFor())
    onTestFinished(() => forwarding.close())
    await expect(conn.forwardTun(unit)).rejects.toMatchObject({ code: 'ERR_SSH_TUN_DEVICE', details: { errno: 16 } })
    await expect(conn.openTun(unit)).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_OPEN_REFUSED' })
  })

  test('is refused by a server that permits none', async () => {
    await using plain = await startSshd({ config: { PermitRootLogin: 'prohibit-password' } })
    await using other = await connectTo({ ...plain, username: 'root' })
    await expect(other.openTun()).rejects.toMatchObject({ code: 'ERR_SSH_CHANNEL_OPEN_REFUSED' })
  })
})

describe.skipIf(!tunnels)('ssh -w on our server', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())

  /** Runs ssh until the test is over; it makes its device before it asks for the tunnel. */
  function startSsh(server: SdkServer, ...options: readonly string[]): RunningProgram {
    const knownHosts = folder.write('known_hosts', knownHostsOf(server))
    const settings = [
      `UserKnownHostsFile=${knownHosts}`,
      'IdentitiesOnly=yes',
      'BatchMode=yes',
      'ExitOnForwardFailure=yes',
    ]
    const ssh = startProgram([
      peer('ssh'),
      ...['-F', 'none', '-N', '-p', String(server.port), '-i', server.clientKey.path],
      ...settings.flatMap((setting) => ['-o', setting]),
      ...options,
      `${server.username}@${server.host}`,
    ])
    onTestFinished(() => ssh.stop())
    return ssh
  }

  test('a handler sees the packets of the client’s kernel and answers them', async () => {
    const unit = unitFor()
    const wanted: (number | undefined)[] = []
    await using server = await startSdkServer({
      serverFactory: () => ({
        tunRequested: (number) => {
          wanted.push(number)
          return async (stream) => {
            for await (const each of stream) {
              const packet = Buffer.from(each)
              if (packet[0] !== 0x45 || packet[9] !== 17) continue
              const text = packet.toString('latin1', 28).toUpperCase()
              const ports = [packet.readUInt16BE(22), packet.readUInt16BE(20)] as const
              stream.write(ipv4(17, addressOf(unit, 1), addressOf(unit, 2), udp(...ports, text)))
            }
          }
        },
      }),
    })
    startSsh(server, '-w', `${unit}:42`)
    await until(() => exists(`tun${unit}`))
    await configure(`tun${unit}`, addressOf(unit, 2))
    expect(await askEcho(addressOf(unit, 1), 'hello')).toBe('HELLO')
    expect(wanted).toEqual([42])
  })

  test.for([
    ['tun', 'point-to-point'],
    ['tap', 'ethernet'],
  ] as const)('a %s device of the server is joined with that of the client', async ([mode, kind]) => {
    const [local, remote] = [unitFor(), unitFor()]
    await using server = await startSdkServer({
      serverFactory: () => ({ tunRequested: () => true, tapRequested: () => true }),
    })
    startSsh(server, '-o', `Tunnel=${kind}`, '-w', `${local}:${remote}`)
    await until(async () => (await exists(`${mode}${local}`)) && (await exists(`${mode}${remote}`)))
    const netns = await namespace()
    await ip('link', 'set', `${mode}${remote}`, 'netns', netns)
    await configure(`${mode}${remote}`, addressOf(local, 1), netns)
    await configure(`${mode}${local}`, addressOf(local, 2))
    await startEcho(netns, addressOf(local, 1))
    expect(await askEcho(addressOf(local, 1), 'hello')).toBe('HELLO')
  })

  test('is refused by default', async () => {
    await using server = await startSdkServer()
    const ssh = startSsh(server, '-w', `${unitFor()}:any`)
    await expect(ssh.firstLine).rejects.toThrow(/open failed: administratively prohibited/)
  })
})
